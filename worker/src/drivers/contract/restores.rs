//! What was copied comes back, and nothing else is touched.

use super::Subject;
use super::claim::{Step, changed, copied, is_as, restored};

pub(crate) async fn two_copies_bring_back_two_states(subject: &dyn Subject) {
    let first = subject.state().await;
    let step = Step::new(subject);
    let claim = step.claim();
    let one = claim.copy().await.unwrap();
    let resource = subject.resource();
    assert_eq!((&one.resource, &one.kind, one.step), (&resource.name, &resource.kind, step.id));
    assert!(one.protected && one.fence == 1 && (one.bytes > 0 || !subject.has_bytes()), "{one:?}");
    assert!(one.consistency <= claim.driver.describe().consistency, "{:?}", one.consistency);
    let second = changed(subject, 6).await;
    let two = copied(subject).await;
    changed(subject, 7).await;
    // A second restore of the same copy restores again.
    for (round, (artifact, state)) in [(&one, &first), (&two, &second), (&two, &second)].into_iter().enumerate() {
        restored(subject, artifact).await;
        is_as(subject, state).await;
        changed(subject, 8 + round as u64).await;
    }
}

pub(crate) async fn a_step_that_restores_twice_restores_once(subject: &dyn Subject) {
    let before = subject.state().await;
    let artifact = copied(subject).await;
    changed(subject, 11).await;
    let step = Step::new(subject);
    for claim in [step.claim(), step.claim()] {
        claim.restore(&artifact).await.unwrap();
        is_as(subject, &before).await;
        assert_eq!(step.left().await, Vec::<String>::new());
    }
}

/// Check and preview, twice each.
pub(crate) async fn looking_touches_nothing(subject: &dyn Subject) {
    let artifact = copied(subject).await;
    let before = changed(subject, 12).await;
    let step = Step::new(subject);
    for claim in [step.claim(), step.claim()] {
        claim.driver.check(&claim.ctx).await.unwrap();
        let plan = claim.preview(&artifact).await.unwrap();
        assert!(plan.blockers.is_empty() && plan.creates + plan.overwrites + plan.removes > 0, "{plan:?}");
        assert!(!plan.sample.is_empty(), "it names nothing");
    }
    is_as(subject, &before).await;
    assert_eq!(step.left().await, Vec::<String>::new());
}
