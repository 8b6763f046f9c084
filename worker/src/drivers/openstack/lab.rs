//! A cloud in the process, with what a driver's tests ask of it, and the worker's part in a few lines.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource, ServerMode, Verdict};
use stacksnap_openstack::{Credentials, Domain, Http, Scope, Session, Url, User, fake, http};
use tokio_util::sync::CancellationToken;

use super::Patience;
use crate::driver::{Beside, CloudSource, Ctx, Cut, Driver, Error, Outcome, Records, Safety, Standing};
use crate::drivers::contract::Shelf;
use crate::lease::Lease;
use crate::progress::Progress;

/// `alice`, a member of the project `demo`, and the worker's part of what she asks for.
pub(crate) struct Caller {
    pub(crate) shelf: Shelf,
    pub(crate) may_move: bool,
    pub(crate) servers: ServerMode,
    pub(crate) safety: Safety,
    pub(crate) leaves: bool,
    pub(crate) book: Book,
    session: Session,
    stack: StackId,
    snapshot: SnapshotId,
}

/// What is recorded of steps: what they made is kept, and none has ended, unless it says otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    standing: BTreeMap<StepId, Standing>,
    /// What a stage works on, by the index of the steps.
    stage: Vec<(Resource, bool)>,
    ended: BTreeSet<StepId>,
}

impl Book {
    pub(crate) fn set(&self, step: StepId, standing: Standing) {
        self.0.lock().unwrap().standing.insert(step, standing);
    }

    /// Any stage works on these, each with whether it leaves the stack.
    pub(crate) fn stage(&self, all: impl IntoIterator<Item = (Resource, bool)>) {
        self.0.lock().unwrap().stage = all.into_iter().collect();
    }

    pub(crate) fn ends(&self, step: StepId) {
        self.0.lock().unwrap().ended.insert(step);
    }
}

#[async_trait]
impl Records for Book {
    async fn beside(&self, _: &ProjectId, step: StepId) -> Result<Vec<Beside>, Error> {
        let all = self.0.lock().unwrap().stage.clone();
        let of = |(index, (resource, leaves))| Beside { step: StepId { index, ..step }, resource, leaves };
        Ok((0..).zip(all).map(of).collect())
    }

    async fn has_ended(&self, _: &ProjectId, step: StepId) -> Result<bool, Error> {
        Ok(self.0.lock().unwrap().ended.contains(&step))
    }

    async fn standing(&self, _: &ProjectId, _: SnapshotId, step: StepId) -> Result<Standing, Error> {
        Ok(self.0.lock().unwrap().standing.get(&step).copied().unwrap_or(Standing::Kept))
    }
}

/// A user of the default domain, in a project of it.
pub(crate) fn login(keystone: Url, (user, password): (&str, &str), project: &str) -> Session {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let domain = Domain::Id("default".to_owned());
    let credentials = Credentials::Password {
        user: User::Name(user.to_owned(), domain.clone()),
        password: password.into(),
        scope: Scope::Project(project.to_owned(), domain),
    };
    let http = http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() };
    Session::new(Http::new(http).unwrap(), keystone, credentials, Default::default()).unwrap()
}

pub(crate) struct Given(pub(crate) Session);

#[async_trait]
impl CloudSource for Given {
    async fn session(&self) -> Result<Session, Error> {
        Ok(self.0.clone())
    }
}

impl Caller {
    pub(crate) fn of(keystone: &fake::Keystone) -> Self {
        keystone.grant("alice", "demo", &["member"]);
        let session = login(keystone.url(), ("alice", "secret-of-alice"), "demo");
        let (stack, snapshot) = (StackId::random(), SnapshotId::random());
        let (safety, book) = (Safety::None, Book::default());
        Self {
            shelf: Shelf::new(),
            may_move: true,
            servers: ServerMode::Run,
            safety,
            leaves: false,
            book,
            session,
            stack,
            snapshot,
        }
    }

    pub(crate) fn source(&self) -> Arc<dyn CloudSource> {
        Arc::new(Given(self.session.clone()))
    }

    pub(crate) fn ctx(&self, step: StepId, resource: Resource) -> Ctx {
        Ctx {
            step,
            project: "demo-id".parse().unwrap(),
            stack: self.stack,
            snapshot: Some(self.snapshot),
            resource: Arc::new(resource),
            current: None,
            checkpoint: Value::Null,
            volumes: None,
            servers: self.servers,
            leaves: self.leaves,
            may_move: self.may_move,
            safety: self.safety,
            progress: Progress::default(),
            cancel: CancellationToken::new(),
            lease: Lease::new(1, Instant::now(), Duration::from_secs(3600)),
            vault: self.shelf.vault(),
            cloud: self.source(),
            records: Arc::new(self.book.clone()),
            now: Millis(1_000_000),
        }
    }
}

/// The services of a region that servers and volumes live on.
pub(crate) struct Cloud {
    pub(crate) keystone: fake::Keystone,
    pub(crate) cinder: fake::Cinder,
    pub(crate) glance: fake::Glance,
    pub(crate) nova: fake::Nova,
    pub(crate) caller: Caller,
}

impl Deref for Cloud {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        let cinder = fake::Cinder::start(&keystone).await;
        Self::with(keystone, cinder).await
    }

    pub(crate) async fn with(keystone: fake::Keystone, cinder: fake::Cinder) -> Self {
        let glance = fake::Glance::start(&keystone).await;
        let nova = fake::Nova::start(&keystone, &cinder, &glance).await;
        let caller = Caller::of(&keystone);
        Self { keystone, cinder, glance, nova, caller }
    }
}

/// Quick about it.
pub(crate) fn patience(key: &'static str) -> Patience {
    let pace = (Duration::from_millis(10), Duration::from_millis(20));
    Patience { pace, longest: Duration::from_secs(3600), ..Patience::new(key) }
}

pub(crate) fn resource(name: &str, kind: &str, id: &str) -> Resource {
    Resource {
        name: name.parse().unwrap(),
        kind: kind.to_owned(),
        external_id: Some(id.to_owned()),
        properties: Default::default(),
        depends_on: Vec::new(),
        pool: Default::default(),
        data: Value::Null,
    }
}

pub(crate) fn step() -> StepId {
    StepId { operation: OperationId::next(), stage: 3, index: 0 }
}

/// Cut and copy, by one step.
pub(crate) async fn copy(driver: &dyn Driver, ctx: Ctx) -> Result<Artifact, Error> {
    let cut = to_the_end(ctx.clone(), async |ctx| driver.cut(ctx).await).await?;
    let Cut::Durable(value) = cut else {
        return to_the_end(ctx, async |ctx| driver.copy(ctx, Cut::None).await).await;
    };
    to_the_end(ctx, async |ctx| driver.copy(ctx, Cut::Durable(value.clone())).await).await
}

pub(crate) async fn restore(driver: &dyn Driver, ctx: Ctx, artifact: &Artifact) -> Result<Preview, Error> {
    to_the_end(ctx, async |ctx| driver.restore(ctx, artifact).await).await
}

pub(crate) async fn preview(driver: &dyn Driver, ctx: Ctx, artifact: &Artifact) -> Result<Preview, Error> {
    to_the_end(ctx, async |ctx| driver.preview(ctx, artifact).await).await
}

pub(crate) async fn verify(driver: &dyn Driver, ctx: Ctx, artifact: &Artifact) -> Result<Verdict, Error> {
    to_the_end(ctx, async |ctx| driver.verify(ctx, artifact).await).await
}

pub(crate) async fn discard(
    driver: &dyn Driver,
    ctx: Ctx,
    made_by: StepId,
    artifact: Option<&Artifact>,
) -> Result<(), Error> {
    to_the_end(ctx, async |ctx| driver.discard(ctx, made_by, artifact).await).await
}

/// The text of an error that is for good.
pub(crate) fn permanent<T: std::fmt::Debug>(ended: Result<T, Error>) -> String {
    match ended {
        Err(Error::Permanent(why)) => why,
        other => panic!("not an error for good: {other:?}"),
    }
}

pub(crate) async fn until(holds: impl Fn() -> bool) {
    for _ in 0..12_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never");
}

/// What is put off is run again, soon, with its checkpoint; a worker's own tries are made too.
pub(crate) async fn to_the_end<T>(
    mut ctx: Ctx,
    mut run: impl AsyncFnMut(&Ctx) -> Result<Outcome<T>, Error>,
) -> Result<T, Error> {
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
