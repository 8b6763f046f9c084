//! The worker's part: a step, the claims of it, and what each asks of a driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use stacksnap_common::ids::{OperationId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Verdict};
use tokio_util::sync::CancellationToken;

use super::Subject;
use crate::driver::{Ctx, Cut, Driver, Error, Outcome};
use crate::lease::Lease;
use crate::progress::Progress;

/// After so long a law is taken to be broken.
const PATIENCE: Duration = Duration::from_secs(300);

/// A step, over all its claims.
pub(super) struct Step<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) id: StepId,
    snapshot: SnapshotId,
    claims: AtomicU64,
}

/// One worker's run of a step, with a driver of its own.
pub(super) struct Claim {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) ctx: Ctx,
    soon: Duration,
}

impl<'a> Step<'a> {
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        let id = StepId { operation: OperationId::next(), stage: 1, index: 0 };
        Self { subject, id, snapshot: SnapshotId::random(), claims: AtomicU64::new(0) }
    }

    /// Another step of the same operation.
    pub(super) fn beside(&self) -> Self {
        let id = StepId { stage: self.id.stage + 1, ..self.id };
        Self { subject: self.subject, id, snapshot: self.snapshot, claims: AtomicU64::new(0) }
    }

    /// With a lease of an hour and a higher fence than all before.
    pub(super) fn claim(&self) -> Claim {
        self.claim_for(Duration::from_secs(3600))
    }

    pub(super) fn claim_for(&self, length: Duration) -> Claim {
        let fence = self.claims.fetch_add(1, Ordering::SeqCst) + 1;
        let ctx = Ctx {
            step: self.id,
            project: self.subject.project(),
            stack: StackId("6a9b1c8e-3c8b-4df0-9c0a-3d3d5a1c2b11".parse().unwrap()),
            snapshot: Some(self.snapshot),
            resource: Arc::new(self.subject.resource()),
            current: None,
            checkpoint: Value::Null,
            volumes: None,
            servers: self.subject.servers(),
            leaves: false,
            may_move: true,
            safety: self.subject.safety(),
            progress: Progress::default(),
            cancel: CancellationToken::new(),
            lease: Lease::new(fence, Instant::now(), length),
            vault: self.subject.vault(),
            cloud: self.subject.cloud(),
            records: self.subject.records(),
            now: Millis(1_000_000),
        };
        Claim { driver: self.subject.driver(), ctx, soon: self.subject.soon() }
    }

    /// Returns when what `claim` runs has begun to move bytes. What runs must not be over then: the subject is too small
    /// if it is.
    pub(super) async fn half_way(&self, claim: &Claim) {
        let until = Instant::now() + PATIENCE;
        loop {
            let sample = claim.ctx.progress.sample();
            if sample.bytes > 0 || sample.files > 0 || self.subject.is_under_way().await {
                return;
            }
            assert!(Instant::now() < until, "nothing moves");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) async fn left(&self) -> Vec<String> {
        self.subject.left_by(self.id).await
    }
}

impl Claim {
    /// Cuts, then copies.
    pub(super) async fn copy(&self) -> Result<Artifact, Error> {
        let mut cut = Some(self.cut().await?);
        self.to_the_end(async |ctx| {
            let this = match cut.take() {
                Some(Cut::Durable(of)) => {
                    cut = Some(Cut::Durable(of.clone()));
                    Cut::Durable(of)
                }
                Some(once) => once,
                // What is held is held for one run.
                None => self.cut().await?,
            };
            self.driver.copy(ctx, this).await
        })
        .await
    }

    pub(super) async fn quiesce(&self) -> Result<(), Error> {
        self.to_the_end(async |ctx| self.driver.quiesce(ctx).await).await
    }

    pub(super) async fn thaw(&self) -> Result<(), Error> {
        self.to_the_end(async |ctx| self.driver.thaw(ctx).await).await
    }

    /// Killed after so many runs, if it is not over by then.
    pub(super) async fn quiesce_for(&self, runs: u32) {
        self.at_most(runs, async |ctx| self.driver.quiesce(ctx).await).await;
    }

    /// The same.
    pub(super) async fn thaw_for(&self, runs: u32) {
        self.at_most(runs, async |ctx| self.driver.thaw(ctx).await).await;
    }

    async fn at_most(&self, runs: u32, mut run: impl AsyncFnMut(&Ctx) -> Result<Outcome<()>, Error>) {
        let mut ctx = self.ctx.clone();
        for _ in 0..runs {
            let Outcome::Later { checkpoint, .. } = run(&ctx).await.unwrap() else { return };
            ctx.checkpoint = checkpoint;
        }
    }

    pub(super) async fn cut(&self) -> Result<Cut, Error> {
        self.to_the_end(async |ctx| self.driver.cut(ctx).await).await
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        self.to_the_end(async |ctx| self.driver.restore(ctx, artifact).await).await
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        self.to_the_end(async |ctx| self.driver.preview(ctx, artifact).await).await
    }

    pub(super) async fn verify(&self, artifact: &Artifact) -> Result<Verdict, Error> {
        self.to_the_end(async |ctx| self.driver.verify(ctx, artifact).await).await
    }

    pub(super) async fn discard(&self, made_by: StepId, artifact: Option<&Artifact>) {
        self.to_the_end(async |ctx| self.driver.discard(ctx, made_by, artifact).await).await.unwrap();
    }

    /// What was put off is called again, with its checkpoint, [soon](Subject::soon).
    async fn to_the_end<T>(&self, mut run: impl AsyncFnMut(&Ctx) -> Result<Outcome<T>, Error>) -> Result<T, Error> {
        let until = Instant::now() + PATIENCE;
        let mut ctx = self.ctx.clone();
        loop {
            match run(&ctx).await? {
                Outcome::Done(done) => return Ok(done),
                Outcome::Later { after, checkpoint } => {
                    assert!(Instant::now() < until, "put off for ever");
                    ctx.checkpoint = checkpoint;
                    tokio::time::sleep(after.min(self.soon)).await;
                }
            }
        }
    }
}

/// A copy by a step of its own.
pub(super) async fn copied(subject: &dyn Subject) -> Artifact {
    Step::new(subject).claim().copy().await.unwrap()
}

/// What this step has left is what one copy by one claim leaves.
pub(super) async fn leaves_one_copy(step: &Step<'_>) {
    let left = step.left().await;
    let once = Step::new(step.subject);
    once.claim().copy().await.unwrap();
    let one = once.left().await;
    assert!(!one.is_empty(), "a copy leaves something");
    assert_eq!(left.len(), one.len(), "{left:?}, where one copy leaves {one:?}");
    Step::new(step.subject).claim().discard(once.id, None).await;
}

/// A restore by a step of its own, which leaves nothing.
pub(super) async fn restored(subject: &dyn Subject, artifact: &Artifact) -> Preview {
    let step = Step::new(subject);
    let did = step.claim().restore(artifact).await.unwrap();
    assert_eq!(step.left().await, Vec::<String>::new(), "a restore that is done leaves nothing");
    did
}

/// Whether the resource is as it was when `before` was taken of it.
pub(super) async fn is_as(subject: &dyn Subject, before: &str) {
    let now = subject.state().await;
    if now != before {
        let differs = before.lines().zip(now.lines()).find(|(then, now)| then != now);
        panic!(
            "not as it was; {} lines then, {} now; first: {differs:#?}",
            before.lines().count(),
            now.lines().count()
        );
    }
}

/// Changes the resource and returns what it is then.
pub(super) async fn changed(subject: &dyn Subject, round: u64) -> String {
    let before = subject.state().await;
    subject.change(round).await;
    let now = subject.state().await;
    assert!(before != now, "the change changes nothing");
    now
}
