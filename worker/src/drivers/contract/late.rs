//! A worker whose lease is over. It may have slept, and its successor may be at work.

use std::time::Duration;

use super::Subject;
use super::claim::{Step, changed, copied, is_as, leaves_one_copy};
use crate::driver::Error;

/// Whether somebody told it that the lease is lost, or its own clock says so.
pub(crate) async fn a_lease_that_is_over_touches_nothing(subject: &dyn Subject) {
    let before = subject.state().await;
    let artifact = copied(subject).await;
    let changed = changed(subject, 31).await;
    for told in [true, false] {
        let over = |step: &Step<'_>| {
            let claim = if told { step.claim() } else { step.claim_for(Duration::ZERO) };
            if told {
                claim.ctx.lease.lose();
            }
            claim
        };
        let step = Step::new(subject);
        let copied = over(&step).copy().await;
        assert!(matches!(copied, Err(Error::LeaseLost)), "told {told}: {copied:?}");
        assert_eq!(step.left().await, Vec::<String>::new());

        let step = Step::new(subject);
        let restored = over(&step).restore(&artifact).await;
        assert!(matches!(restored, Err(Error::LeaseLost)), "told {told}: {restored:?}");
        is_as(subject, &changed).await;
        if !told {
            // Its successor, which finds whatever it had prepared.
            step.claim().restore(&artifact).await.unwrap();
            is_as(subject, &before).await;
        }
        assert_eq!(step.left().await, Vec::<String>::new());
    }
}

/// The first self is half-way when its successor begins; both are at work at the same time.
pub(crate) async fn a_first_self_beside_its_successor_does_no_harm(subject: &dyn Subject) {
    let before = subject.state().await;
    let step = Step::new(subject);
    let (first, second) = (step.claim(), step.claim());
    let successor = async {
        step.half_way(&first).await;
        first.ctx.lease.lose();
        second.copy().await
    };
    let (late, done) = tokio::join!(first.copy(), successor);
    assert!(matches!(late, Err(Error::LeaseLost)), "{late:?}");
    let artifact = done.unwrap();
    leaves_one_copy(&step).await;

    changed(subject, 32).await;
    let step = Step::new(subject);
    let (first, second) = (step.claim(), step.claim());
    let successor = async {
        step.half_way(&first).await;
        first.ctx.lease.lose();
        second.restore(&artifact).await
    };
    let (late, done) = tokio::join!(first.restore(&artifact), successor);
    assert!(matches!(late, Err(Error::LeaseLost)), "{late:?}");
    done.unwrap();
    is_as(subject, &before).await;
    assert_eq!(step.left().await, Vec::<String>::new());
    // It wakes up once more, when all is over.
    let again = first.restore(&artifact).await;
    assert!(matches!(again, Err(Error::LeaseLost)), "{again:?}");
    is_as(subject, &before).await;
}
