//! A cloud with one volume in one project, and a driver that is quick about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use stacksnap_common::ids::{OperationId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource, VolumeMode};
use stacksnap_openstack::fake::cinder::Delays;
use stacksnap_openstack::{Credentials, Domain, Http, Scope, Session, User, fake, http};
use tokio_util::sync::CancellationToken;

use crate::driver::{CloudSource, Ctx, Cut, Driver, Error, Outcome};
use crate::drivers::cinder::{Settings, TYPE, Volume};
use crate::drivers::contract::Shelf;
use crate::lease::Lease;
use crate::progress::Progress;

pub(super) const CONTENT: &[u8] = b"what was in the volume at first";
/// How long the fake cloud takes for a backup or a restore.
pub(super) const TAKES: Duration = Duration::from_millis(150);

pub(super) struct Lab {
    pub(super) keystone: fake::Keystone,
    pub(super) cinder: fake::Cinder,
    pub(super) volume: String,
    pub(super) settings: Settings,
    pub(super) shelf: Shelf,
    session: Session,
    stack: StackId,
    snapshot: SnapshotId,
}

pub(super) struct Given(Session);

#[async_trait]
impl CloudSource for Given {
    async fn session(&self) -> Result<Session, Error> {
        Ok(self.0.clone())
    }
}

impl Lab {
    pub(super) async fn start(mode: VolumeMode, full_every: u32) -> Self {
        let keystone = fake::Keystone::start().await;
        let cinder = fake::Cinder::start(&keystone).await;
        Self::with(keystone, cinder, mode, full_every)
    }

    pub(super) fn with(keystone: fake::Keystone, cinder: fake::Cinder, mode: VolumeMode, full_every: u32) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        keystone.grant("alice", "demo", &["member"]);
        cinder.delays(Delays { backup: TAKES, restore: TAKES, ..Delays::default() });
        let volume = cinder.volume("demo-id", CONTENT);
        cinder.change(&volume, |volume| {
            volume.name = Some("data".to_owned());
            volume.metadata.insert("purpose".to_owned(), "first".to_owned());
        });
        let domain = Domain::Id("default".to_owned());
        let credentials = Credentials::Password {
            user: User::Name("alice".to_owned(), domain.clone()),
            password: "secret-of-alice".into(),
            scope: Scope::Project("demo".to_owned(), domain),
        };
        let http = http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() };
        let session = Session::new(Http::new(http).unwrap(), keystone.url(), credentials, Default::default()).unwrap();
        let pace = (Duration::from_millis(10), Duration::from_millis(20));
        let settings = Settings { mode, full_every, pace, longest_wait: Duration::from_secs(3600) };
        let (stack, snapshot) = (StackId::random(), SnapshotId::random());
        Self { keystone, cinder, volume, settings, shelf: Shelf::new(), session, stack, snapshot }
    }

    pub(super) fn cloud(&self) -> Arc<dyn CloudSource> {
        Arc::new(Given(self.session.clone()))
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Volume::new(self.settings))
    }

    pub(super) fn resource(&self) -> Resource {
        Resource {
            name: "data".parse().unwrap(),
            kind: TYPE.to_owned(),
            external_id: Some(self.volume.clone()),
            properties: Default::default(),
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
            project: "demo-id".parse().unwrap(),
            stack: self.stack,
            snapshot: Some(self.snapshot),
            resource: Arc::new(self.resource()),
            current: None,
            checkpoint: Value::Null,
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
        let cut = to_the_end(self.ctx(step), async |ctx| driver.cut(ctx).await).await?;
        let Cut::Durable(value) = cut else {
            return to_the_end(self.ctx(step), async |ctx| driver.copy(ctx, Cut::None).await).await;
        };
        to_the_end(self.ctx(step), async |ctx| driver.copy(ctx, Cut::Durable(value.clone())).await).await
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        let driver = self.driver();
        to_the_end(self.ctx(Self::step()), async |ctx| driver.restore(ctx, artifact).await).await
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        let driver = self.driver();
        to_the_end(self.ctx(Self::step()), async |ctx| driver.preview(ctx, artifact).await).await
    }

    pub(super) async fn discard(&self, step: StepId, artifact: Option<&Artifact>) -> Result<(), Error> {
        let driver = self.driver();
        to_the_end(self.ctx(Self::step()), async |ctx| driver.discard(ctx, step, artifact).await).await
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.cinder.content(&self.volume).unwrap()
    }

    /// All that is of ours in the cloud, by name; what is condemned is out of sight.
    pub(super) fn left(&self) -> Vec<String> {
        let ours = |name: &Option<String>| name.as_deref().is_some_and(|name| name.starts_with("stacksnap-"));
        let backups = self.cinder.backups().into_iter().filter(|it| !it.metadata.contains_key("stacksnap_condemned"));
        let backups = backups.filter(|it| ours(&it.name)).map(|it| format!("{} backup {}", it.name.unwrap(), it.id));
        let snapshots = self.cinder.snapshots().into_iter().filter(|it| ours(&it.name));
        let snapshots = snapshots.map(|it| format!("{} snapshot {}", it.name.unwrap(), it.id));
        let names = self.cinder.volumes("demo-id").into_iter().filter_map(|id| {
            let name = self.cinder.look(&id, |volume| volume.name.clone()).flatten();
            name.filter(|name| name.starts_with("stacksnap-")).map(|name| format!("{name} volume {id}"))
        });
        backups.chain(snapshots).chain(names).collect()
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
                if checkpoint != ctx.checkpoint {
                    attempts = 0;
                }
                ctx.checkpoint = checkpoint;
                ctx.now = Millis(ctx.now.0 + after.as_millis() as u64);
                tokio::time::sleep(after.min(Duration::from_millis(20))).await;
            }
            Err(Error::Transient { .. }) if attempts < 4 => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}
