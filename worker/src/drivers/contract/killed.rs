//! A worker that ends, and the next that claims its step.
//!
//! A driver whose work goes on by itself when its future is dropped (threads, children, a cloud) is met here as it is met
//! after a kill: by a successor that knows nothing of it. Real kills of real processes are in the drivers' own tests.

use super::Subject;
use super::claim::{Step, changed, copied, is_as, leaves_one_copy, restored};

pub(crate) async fn killed_between_effect_and_record_it_is_adopted(subject: &dyn Subject) {
    let before = subject.state().await;
    let step = Step::new(subject);
    let _never_recorded = step.claim().copy().await.unwrap();
    let artifact = step.claim().copy().await.unwrap();
    leaves_one_copy(&step).await;
    changed(subject, 21).await;
    let restoring = Step::new(subject);
    let _never_recorded = restoring.claim().restore(&artifact).await.unwrap();
    restoring.claim().restore(&artifact).await.unwrap();
    is_as(subject, &before).await;
    assert_eq!(restoring.left().await, Vec::<String>::new());

    // Nobody claims it again: the snapshot is given up, and what no record tells of is found by the step.
    let given_up = Step::new(subject);
    let _never_recorded = given_up.claim().copy().await.unwrap();
    Step::new(subject).claim().discard(given_up.id, None).await;
    assert_eq!(given_up.left().await, Vec::<String>::new());
}

pub(crate) async fn killed_half_way_it_is_done_by_the_next(subject: &dyn Subject) {
    let before = subject.state().await;
    let step = Step::new(subject);
    let first = step.claim();
    tokio::select! {
        biased;
        over = first.copy() => panic!("over before it was half-way: {over:?}"),
        () = step.half_way(&first) => {}
    }
    let artifact = step.claim().copy().await.unwrap();
    leaves_one_copy(&step).await;

    changed(subject, 22).await;
    let restoring = Step::new(subject);
    let first = restoring.claim();
    tokio::select! {
        biased;
        over = first.restore(&artifact) => panic!("over before it was half-way: {over:?}"),
        () = restoring.half_way(&first) => {}
    }
    restoring.claim().restore(&artifact).await.unwrap();
    is_as(subject, &before).await;
    assert_eq!(restoring.left().await, Vec::<String>::new());
    // What the half-way copy left is not in the way of another snapshot either.
    let another = copied(subject).await;
    changed(subject, 23).await;
    restored(subject, &another).await;
    is_as(subject, &before).await;
}
