//! What is frozen, where the driver freezes anything, and that it is thawed by whoever comes back.

use super::Subject;
use super::claim::{Step, changed, is_as, restored};

/// The steps of a freeze, of the copy and of the thaw are of one operation, and each may be claimed by another worker.
pub(crate) async fn what_is_frozen_is_thawed_by_whoever_comes_back(subject: &dyn Subject) {
    let Some(frozen) = subject.is_frozen().await else {
        // Not a type that freezes, or not asked to: a freeze changes nothing.
        let (before, step) = (subject.state().await, Step::new(subject));
        if step.claim().driver.describe().quiesce {
            step.claim().quiesce().await.unwrap();
        }
        step.claim().thaw().await.unwrap();
        return is_as(subject, &before).await;
    };
    assert!(!frozen, "it is frozen before anything is asked");
    let before = subject.state().await;

    // Killed after each of its runs, and begun again by a worker that knows nothing.
    let freeze = Step::new(subject);
    for runs in 1..4 {
        freeze.claim().quiesce_for(runs).await;
    }
    freeze.claim().quiesce().await.unwrap();
    freeze.claim().quiesce().await.unwrap();
    assert_eq!(subject.is_frozen().await, Some(true));
    let copy = freeze.beside();
    let artifact = copy.claim().copy().await.unwrap();
    Step::new(subject).claim().thaw().await.unwrap();
    assert_eq!(subject.is_frozen().await, Some(true), "another operation has not frozen it");
    let thaw = freeze.beside();
    for runs in 1..4 {
        thaw.claim().thaw_for(runs).await;
    }
    for _ in 0..2 {
        thaw.claim().thaw().await.unwrap();
        assert_eq!(subject.is_frozen().await, Some(false));
    }
    is_as(subject, &before).await;
    changed(subject, 51).await;
    restored(subject, &artifact).await;
    is_as(subject, &before).await;

    // A freeze that was given up anywhere.
    for runs in 1..6 {
        let freeze = Step::new(subject);
        freeze.claim().quiesce_for(runs).await;
        freeze.beside().claim().thaw().await.unwrap();
        assert_eq!(subject.is_frozen().await, Some(false), "given up after {runs} runs");
    }
    is_as(subject, &before).await;

    // What is frozen by somebody else stays so.
    subject.freeze_by_others(true).await;
    let step = Step::new(subject);
    step.claim().quiesce().await.unwrap();
    step.beside().claim().thaw().await.unwrap();
    assert_eq!(subject.is_frozen().await, Some(true));
    subject.freeze_by_others(false).await;
}
