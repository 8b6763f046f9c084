//! A safety snapshot of a share, which must not be in the way of the restore that it is taken for.

use stacksnap_common::types::Artifact;
use stacksnap_openstack::fake::manila::{Ends, Quota};

use super::lab::{CONTENT, Lab};
use crate::driver::Safety;
use crate::drivers::openstack::lab::{permanent, step};

async fn kept_safe(lab: &mut Lab) -> Artifact {
    lab.safety = Safety::This;
    let artifact = lab.copy(step()).await.unwrap();
    lab.safety = Safety::Before;
    artifact
}

#[tokio::test]
async fn it_is_a_share_of_its_own_from_which_what_was_there_comes_back() {
    let mut lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.damage();
    let before = kept_safe(&mut lab).await;
    assert_eq!(lab.manila.snapshots().len(), 1, "only the one that is restored");
    assert!(before.data["snapshot"].is_null() && before.data["copy"].is_string(), "{before:?}");
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.content(), lab.current() == lab.share), (CONTENT.to_vec(), true));

    // As often as one likes, each time as another share; the copy stays what it is.
    for _ in 0..2 {
        let plan = lab.preview(&before).await.unwrap();
        assert!(plan.creates == 1 && plan.notes[0].contains("kept as a share of its own"), "{plan:?}");
        lab.restore(&before).await.unwrap();
        assert_eq!(lab.content(), b"damage");
        lab.manila.write(&lab.current(), b"other");
    }
    assert!(lab.verify(&before).await.unwrap().ok);
    assert_eq!(lab.manila.snapshots().len(), 1, "the bridges are gone");
    lab.discard(before.step, Some(&before)).await.unwrap();
    lab.discard(artifact.step, Some(&artifact)).await.unwrap();
    assert_eq!(lab.left(), Vec::<String>::new());
    assert_eq!(lab.manila.shares("demo-id").len(), 3);
}

/// Manila deletes no share that has a snapshot, and Heat is about to delete it.
#[tokio::test]
async fn of_one_that_leaves_the_stack_it_outlives_it() {
    for (from_snapshot, revert) in [(true, true), (true, false), (false, true)] {
        let mut lab = Lab::start().await;
        lab.manila.change(&lab.share, |share| (share.can.create, share.can.revert) = (from_snapshot, revert));
        lab.leaves = true;
        let before = kept_safe(&mut lab).await;
        assert_eq!(lab.manila.snapshots().len(), 0);
        assert_eq!(before.protected, from_snapshot, "{before:?}");
        if from_snapshot {
            assert!(before.data["copy"].is_string(), "{before:?}");
        } else {
            let why = before.why.as_deref().unwrap();
            assert!(why.contains("create_share_from_snapshot_support") && why.contains(&lab.share), "{why}");
        }
    }
}

/// Where a share is not taken back a snapshot is not in the way.
#[tokio::test]
async fn it_is_a_snapshot_where_that_does_no_harm() {
    let mut lab = Lab::without_revert().await;
    let before = kept_safe(&mut lab).await;
    assert!(before.data["snapshot"].is_string() && before.data["copy"].is_null(), "{before:?}");
}

#[tokio::test]
async fn one_for_which_there_is_no_room_leaves_nothing() {
    let mut lab = Lab::start().await;
    lab.manila.quota(Quota { gigabytes: 1, ..Quota::default() });
    lab.safety = Safety::This;
    let step = step();
    let why = permanent(lab.copy(step).await);
    assert!(why.contains("gigabytes quota") && why.contains("the project's quota is full"), "{why}");
    lab.discard(step, None).await.unwrap();
    assert_eq!(lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn one_whose_snapshot_does_not_go_fails_before_anything_is_touched() {
    let mut lab = Lab::start().await;
    lab.safety = Safety::This;
    lab.manila.ends(Ends::DeleteInError);
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("error_deleting") && why.contains("--no-safety"), "{why}");
}
