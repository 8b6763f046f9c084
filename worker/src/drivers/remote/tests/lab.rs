//! A Heat with one stack in one project, and a driver that is quick about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use stacksnap_common::ids::{OperationId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource};
use stacksnap_openstack::{Credentials, Http, Session, fake, http};
use tokio_util::sync::CancellationToken;

use crate::driver::{CloudSource, Ctx, Cut, Driver, Error, Outcome};
use crate::drivers::contract::Shelf;
use crate::drivers::remote::{Settings, Stack, TYPE};
use crate::lease::Lease;
use crate::progress::Progress;

const PROJECT: &str = "demo-id";

pub(super) struct Lab {
    pub(super) heat: fake::Heat,
    /// The stack over there.
    pub(super) id: String,
    pub(super) context: Value,
    pub(super) settings: Settings,
    pub(super) shelf: Shelf,
    session: Session,
    stack: StackId,
    snapshot: SnapshotId,
}

struct Given(Session);

#[async_trait]
impl CloudSource for Given {
    async fn session(&self) -> Result<Session, Error> {
        Ok(self.0.clone())
    }
}

impl Lab {
    pub(super) async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let heat = fake::Heat::start().await;
        let template = json!({"heat_template_version": "2018-08-31",
            "parameters": {"content": {"type": "string", "default": "first"}},
            "resources": {"value": {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "content"}}}}});
        let id = heat.stack(PROJECT, "over-there", template);
        heat.looks(20);
        let url = format!("{}/{PROJECT}", heat.url()).parse().unwrap();
        let endpoints = [("orchestration".to_owned(), url)].into_iter().collect();
        let settings = stacksnap_openstack::Settings { endpoints, ..Default::default() };
        let http = Http::new(http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() }).unwrap();
        let credentials = Credentials::Given(PROJECT.into());
        let session = Session::new(http, "http://127.0.0.1:9".parse().unwrap(), credentials, settings).unwrap();
        let pace = (Duration::from_millis(10), Duration::from_millis(20));
        Self {
            heat,
            id,
            context: Value::Null,
            settings: Settings { pace, longest_wait: Duration::from_secs(3600) },
            shelf: Shelf::new(),
            session,
            stack: StackId::random(),
            snapshot: SnapshotId::random(),
        }
    }

    pub(super) fn cloud(&self) -> Arc<dyn CloudSource> {
        Arc::new(Given(self.session.clone()))
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Stack::new(self.settings))
    }

    pub(super) fn resource(&self) -> Resource {
        Resource {
            name: "remote".parse().unwrap(),
            kind: TYPE.to_owned(),
            external_id: Some(self.id.clone()),
            properties: [("context".to_owned(), self.context.clone())].into_iter().collect(),
            depends_on: Vec::new(),
            pool: Default::default(),
            data: Value::Null,
        }
    }

    pub(super) fn step() -> StepId {
        StepId { operation: OperationId::next(), stage: 3, index: 0 }
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        Ctx {
            step,
            project: PROJECT.parse().unwrap(),
            stack: self.stack,
            snapshot: Some(self.snapshot),
            resource: Arc::new(self.resource()),
            current: None,
            checkpoint: Value::Null,
            volumes: None,
            may_move: true,
            progress: Progress::default(),
            cancel: CancellationToken::new(),
            lease: Lease::new(1, Instant::now(), Duration::from_secs(3600)),
            vault: self.shelf.vault(),
            cloud: self.cloud(),
            now: Millis(1_000_000),
        }
    }

    pub(super) async fn copy(&self, step: StepId) -> Result<Artifact, Error> {
        let driver = self.driver();
        to_the_end(self.ctx(step), async |ctx| driver.copy(ctx, Cut::None).await).await
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        let driver = self.driver();
        to_the_end(self.ctx(Self::step()), async |ctx| driver.restore(ctx, artifact).await).await
    }

    pub(super) async fn discard(&self, step: StepId, artifact: Option<&Artifact>) -> Result<(), Error> {
        let driver = self.driver();
        to_the_end(self.ctx(Self::step()), async |ctx| driver.discard(ctx, step, artifact).await).await
    }

    /// What the stack holds now.
    pub(super) fn content(&self) -> Value {
        self.heat.parameter(&self.id, "content")
    }

    /// Our snapshots over there, by name.
    pub(super) fn left(&self) -> Vec<String> {
        let names =
            self.heat.snapshots(&self.id).into_iter().filter_map(|found| Some(found["name"].as_str()?.to_owned()));
        names.filter(|name| name.starts_with("stacksnap-")).collect()
    }
}

/// What is put off is run again, soon, with its checkpoint; a worker's own tries are made too.
async fn to_the_end<T>(mut ctx: Ctx, mut run: impl AsyncFnMut(&Ctx) -> Result<Outcome<T>, Error>) -> Result<T, Error> {
    let until = Instant::now() + Duration::from_secs(120);
    let mut attempts = 0;
    loop {
        assert!(Instant::now() < until, "put off for ever: {}", ctx.checkpoint);
        match run(&ctx).await {
            Ok(Outcome::Done(done)) => return Ok(done),
            Ok(Outcome::Later { after, checkpoint }) => {
                ctx.checkpoint = checkpoint;
                ctx.now = Millis(ctx.now.0 + after.as_millis() as u64);
                tokio::time::sleep(after.min(Duration::from_millis(20))).await;
            }
            Err(Error::Transient { .. }) if attempts < 4 => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}
