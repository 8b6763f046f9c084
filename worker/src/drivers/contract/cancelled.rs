//! A step that must end: its operation was cancelled, or the worker shuts down.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Subject;
use super::claim::{Claim, Step, changed, copied, is_as, restored};
use crate::driver::Error;

/// How soon. A machine that is busy with other tests may be late once or twice, but not every time.
const AT_ONCE: Duration = Duration::from_secs(1);
const TRIES: usize = 4;

/// Cancels the work half-way; how long it took to end.
async fn cancel<T: std::fmt::Debug>(
    step: &Step<'_>,
    claim: &Claim,
    work: impl Future<Output = Result<T, Error>>,
) -> Duration {
    let cancel = async {
        step.half_way(claim).await;
        claim.ctx.cancel.cancel();
        Instant::now()
    };
    let (ended, at) = tokio::join!(work, cancel);
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    at.elapsed()
}

pub(crate) async fn a_cancelled_copy_ends_within_a_second_and_leaves_nothing(subject: &dyn Subject) {
    let before = subject.state().await;
    let mut took = Vec::new();
    while took.last().is_none_or(|took| *took > AT_ONCE) {
        assert!(took.len() < TRIES, "a cancel was never seen within a second: {took:?}");
        let step = Step::new(subject);
        let claim = step.claim();
        took.push(cancel(&step, &claim, claim.copy()).await);
        Step::new(subject).claim().discard(step.id, None).await;
        assert_eq!(step.left().await, Vec::<String>::new());
    }
    is_as(subject, &before).await;
}

pub(crate) async fn a_cancelled_restore_ends_within_a_second_and_is_made_good_by_the_next(subject: &dyn Subject) {
    let before = subject.state().await;
    let artifact = copied(subject).await;
    let mut took = Vec::new();
    while took.last().is_none_or(|took| *took > AT_ONCE) {
        assert!(took.len() < TRIES, "a cancel was never seen within a second: {took:?}");
        changed(subject, 41 + took.len() as u64).await;
        let step = Step::new(subject);
        let claim = step.claim();
        took.push(cancel(&step, &claim, claim.restore(&artifact)).await);
        restored(subject, &artifact).await;
        is_as(subject, &before).await;
        assert_eq!(step.left().await, Vec::<String>::new());
    }
}

pub(crate) async fn what_is_cancelled_beforehand_does_nothing(subject: &dyn Subject) {
    let artifact = copied(subject).await;
    let before = changed(subject, 46).await;
    let step = Step::new(subject);
    let claim = step.claim();
    claim.ctx.cancel.cancel();
    fn is_cancelled<T: std::fmt::Debug>(what: &str, ended: Result<T, Error>) {
        assert!(matches!(ended, Err(Error::Cancelled)), "{what}: {ended:?}");
    }
    is_cancelled("check", claim.driver.check(&claim.ctx).await);
    is_cancelled("cut", claim.cut().await.map(drop));
    is_cancelled("copy", claim.copy().await);
    is_cancelled("preview", claim.preview(&artifact).await);
    is_cancelled("restore", claim.restore(&artifact).await);
    is_cancelled("verify", claim.verify(&artifact).await);
    assert_eq!(step.left().await, Vec::<String>::new());
    is_as(subject, &before).await;
}
