//! What a copy leaves.

use std::future::Future;
use std::time::Duration;

use stacksnap_common::types::Artifact;

use super::Subject;
use super::claim::{Claim, Step, changed, copied, is_as, leaves_one_copy, restored};
use crate::driver::Error;

/// A step that is claimed again after it was done copies once more, or finds its copy: there is one.
pub(crate) async fn a_step_that_copies_twice_leaves_one_copy(subject: &dyn Subject) {
    let before = subject.state().await;
    let step = Step::new(subject);
    for claim in [step.claim(), step.claim()] {
        claim.driver.check(&claim.ctx).await.unwrap();
        claim.driver.check(&claim.ctx).await.unwrap();
    }
    let (first, second) = (step.claim(), step.claim());
    drop((first.cut().await.unwrap(), first.cut().await.unwrap()));
    first.copy().await.unwrap();
    let artifact = second.copy().await.unwrap();
    leaves_one_copy(&step).await;
    changed(subject, 1).await;
    restored(subject, &artifact).await;
    is_as(subject, &before).await;
}

pub(crate) async fn a_cut_that_nobody_copies_leaves_nothing(subject: &dyn Subject) {
    let step = Step::new(subject);
    drop(step.claim().cut().await.unwrap());
    Step::new(subject).claim().discard(step.id, None).await;
    assert_eq!(step.left().await, Vec::<String>::new());
}

/// An artifact is whole or is not. The same step copies when the resource can be read again.
pub(crate) async fn reads_that_fail_half_way_fail_the_copy_and_leave_nothing(subject: &dyn Subject) {
    let step = Step::new(subject);
    subject.break_reads().await;
    let failed = step.claim().copy().await;
    match failed {
        Err(Error::Transient { .. } | Error::Permanent(_) | Error::Unreadable(_)) => {}
        other => panic!("not a copy that failed: {other:?}"),
    }
    Step::new(subject).claim().discard(step.id, None).await;
    assert_eq!(step.left().await, Vec::<String>::new());

    subject.mend_reads().await;
    let before = subject.state().await;
    let artifact = step.claim().copy().await.unwrap();
    assert!(step.claim().verify(&artifact).await.unwrap().ok);
    changed(subject, 2).await;
    restored(subject, &artifact).await;
    is_as(subject, &before).await;
}

pub(crate) async fn a_resource_that_is_gone_is_said_to_be(subject: &dyn Subject) {
    subject.remove().await;
    let step = Step::new(subject);
    let claim = step.claim();
    let checked = claim.driver.check(&claim.ctx).await;
    assert!(matches!(checked, Err(Error::Gone(_))), "{checked:?}");
    let copied = claim.copy().await;
    assert!(matches!(copied, Err(Error::Gone(_))), "{copied:?}");
    assert_eq!(step.left().await, Vec::<String>::new());
}

/// Freezing and thawing twice is once, and thawing what is not frozen is fine.
pub(crate) async fn a_type_freezes_or_says_that_it_can_not(subject: &dyn Subject) {
    let step = Step::new(subject);
    let (first, second) = (step.claim(), step.claim());
    first.driver.thaw(&first.ctx).await.unwrap();
    for claim in [&first, &second] {
        let frozen = claim.driver.quiesce(&claim.ctx).await;
        if claim.driver.describe().quiesce {
            frozen.unwrap();
        } else {
            assert!(matches!(frozen, Err(Error::Unsupported(_))), "{frozen:?}");
        }
    }
    for claim in [&first, &second] {
        claim.driver.thaw(&claim.ctx).await.unwrap();
    }
}

pub(crate) async fn progress_never_goes_back(subject: &dyn Subject) {
    let claim = Step::new(subject).claim();
    let artifact = only_forward(subject, &claim, claim.copy()).await;
    changed(subject, 3).await;
    let claim = Step::new(subject).claim();
    only_forward(subject, &claim, claim.restore(&artifact)).await;
    if subject.reads_back() {
        let claim = Step::new(subject).claim();
        only_forward(subject, &claim, claim.verify(&artifact)).await;
    }
}

/// Runs `work` and looks at the progress all the while.
async fn only_forward<T>(subject: &dyn Subject, claim: &Claim, work: impl Future<Output = Result<T, Error>>) -> T {
    let watch = async {
        let mut last = claim.ctx.progress.sample();
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = claim.ctx.progress.sample();
            assert!(now.bytes >= last.bytes && now.files >= last.files, "{last:?}, then {now:?}");
            assert!(now.bytes_total.is_none_or(|total| total >= now.bytes), "{now:?}");
            assert!(now.files_total.is_none_or(|total| total >= now.files), "{now:?}");
            last = now;
        }
    };
    let done = tokio::select! {
        done = work => done.unwrap(),
        never = watch => never,
    };
    let told = claim.ctx.progress.sample();
    assert!(if subject.has_bytes() { told.bytes > 0 } else { told.files == 1 }, "it told nothing of its progress");
    done
}

pub(crate) async fn verify_sees_damage_and_nothing_is_restored_from_it(subject: &dyn Subject) {
    let artifact = copied(subject).await;
    let step = Step::new(subject);
    for claim in [step.claim(), step.claim()] {
        let verdict = claim.verify(&artifact).await.unwrap();
        assert!(verdict.ok && verdict.problems.is_empty(), "{verdict:?}");
    }
    subject.damage(&artifact).await;
    let verdict = step.claim().verify(&artifact).await.unwrap();
    assert!(!verdict.ok && !verdict.problems.is_empty(), "{verdict:?}");
    changed(subject, 4).await;
    let refused = Step::new(subject).claim().restore(&artifact).await;
    assert!(matches!(refused, Err(Error::Permanent(_))), "{refused:?}");
}

/// With a record of what was made and without one.
pub(crate) async fn what_is_discarded_is_gone_and_what_is_not_there_is_fine(subject: &dyn Subject) {
    let before = subject.state().await;
    let never = Step::new(subject);
    Step::new(subject).claim().discard(never.id, None).await;
    let kept = copied(subject).await;
    for recorded in [true, false] {
        let step = Step::new(subject);
        let artifact: Artifact = step.claim().copy().await.unwrap();
        for _ in 0..2 {
            Step::new(subject).claim().discard(step.id, recorded.then_some(&artifact)).await;
            assert_eq!(step.left().await, Vec::<String>::new());
        }
        let verdict = Step::new(subject).claim().verify(&artifact).await;
        assert!(!verdict.is_ok_and(|verdict| verdict.ok), "it is still there");
    }
    // Another copy is not touched by it.
    changed(subject, 5).await;
    restored(subject, &kept).await;
    is_as(subject, &before).await;
}
