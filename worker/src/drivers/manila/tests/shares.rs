//! What is a share's own: the two ways back, newer snapshots, sizes, rules, what Manila can't.

use super::lab::{CONTENT, Lab};
use crate::driver::Safety;
use crate::drivers::openstack::lab::{permanent, step};

#[tokio::test]
async fn every_thing_that_is_made_says_whose_it_is() {
    for (lab, metadata) in [(Lab::start().await, true), (Lab::old().await, false)] {
        let step = step();
        let artifact = lab.copy(step).await.unwrap();
        let snapshot = &lab.manila.snapshots()[0];
        assert_eq!(snapshot.name, Some(format!("stacksnap-{step}")));
        let ctx = lab.ctx(step);
        let expected = format!(
            "data of stack {} of project demo-id, snapshot {}; made by stacksnap, which removes it",
            ctx.stack,
            ctx.snapshot.unwrap()
        );
        assert_eq!(snapshot.description, Some(expected));
        assert_eq!(snapshot.metadata.contains_key("stacksnap_step"), metadata);
        assert!(artifact.warnings[0].contains("on the share's own backend and is lost with it"), "{artifact:?}");
        assert_eq!(artifact.data["protocol"], "NFS");
        assert_eq!(artifact.data["rules"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn the_newest_snapshot_is_gone_back_to_in_place() {
    let lab = Lab::start().await;
    let artifact = lab.copy_at(1).await;
    lab.damage();
    lab.manila.change(&lab.share, |share| share.rules.clear());
    lab.manila.let_in(&lab.share, "ip", "10.9.9.9", "rw");
    let plan = lab.preview(&artifact).await.unwrap();
    let notes = plan.notes.join("\n");
    assert_eq!((plan.blockers.len(), plan.overwrites, plan.creates), (0, 1, 0), "{plan:?}");
    assert!(
        notes.contains("come back: ip 10.0.0.0/24 rw, user bob ro") && notes.contains("go: ip 10.9.9.9 rw"),
        "{notes}"
    );
    let did = lab.restore(&artifact).await.unwrap();
    assert_eq!((did.physical_id.as_deref(), lab.content()), (Some(&*lab.share), CONTENT.to_vec()));
    assert_eq!(lab.manila.rules(&lab.share), ["ip 10.0.0.0/24 rw", "user bob ro"]);
    assert_eq!(lab.manila.shares("demo-id").len(), 1);
}

#[tokio::test]
async fn a_share_that_can_not_go_back_becomes_a_new_one_as_it_was() {
    let lab = Lab::without_revert().await;
    lab.manila.change(&lab.share, |share| {
        share.size = 2;
        share.proto = "CIFS".to_owned();
        share.kind = "fast".to_owned();
        share.network = Some("net".to_owned());
        share.public = true;
    });
    let artifact = lab.copy_at(1).await;
    lab.damage();
    let plan = lab.preview(&artifact).await.unwrap();
    assert_eq!((plan.blockers.len(), plan.creates), (0, 1), "{plan:?}");
    let did = lab.restore(&artifact).await.unwrap();
    for notes in [plan.notes.join("\n"), did.notes.join("\n")] {
        assert!(notes.contains("can't take it back") && notes.contains("stays as it is"), "{notes}");
        assert!(notes.contains("was public"), "{notes}");
    }
    let new = did.physical_id.unwrap();
    assert!(new != lab.share && new == lab.current());
    let made = lab.shown();
    assert_eq!((made.content, made.size, made.proto.as_str()), (CONTENT.to_vec(), 2, "CIFS"));
    assert_eq!(
        (made.kind.as_str(), made.network.as_deref(), made.description.as_deref()),
        ("fast", Some("net"), Some("the data"))
    );
    assert_eq!(made.metadata.into_iter().collect::<Vec<_>>(), [("purpose".to_owned(), "first".to_owned())]);
    assert_eq!(lab.manila.rules(&new), ["ip 10.0.0.0/24 rw", "user bob ro"]);
    assert_eq!(lab.manila.content(&lab.share).unwrap(), b"damage", "the old one is the user's");

    // Once more: the snapshot is not of the share that the stack has now.
    lab.damage();
    let again = lab.restore(&artifact).await.unwrap();
    assert!(again.notes[0].contains(&format!("the snapshot is of share {}", lab.share)), "{again:?}");
    assert_eq!((lab.content(), lab.manila.shares("demo-id").len()), (CONTENT.to_vec(), 3));
}

#[tokio::test]
async fn a_newer_snapshot_of_ours_is_not_lost_for_an_older_one() {
    let lab = Lab::start().await;
    let (first, second) = (lab.copy_at(1).await, lab.copy_at(2).await);
    lab.damage();
    let plan = lab.preview(&first).await.unwrap();
    assert!(plan.creates == 1 && plan.notes[0].contains(second.data["snapshot"].as_str().unwrap()), "{plan:?}");
    lab.restore(&first).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    assert!(lab.verify(&second).await.unwrap().ok);
}

#[tokio::test]
async fn a_newer_snapshot_of_the_user_s_own_is_named_and_nothing_is_touched() {
    let lab = Lab::start().await;
    let artifact = lab.copy_at(1).await;
    let older = lab.manila.foreign_snapshot(&lab.share, "of last week");
    lab.date(&older, 0);
    let theirs = lab.manila.foreign_snapshot(&lab.share, "before the upgrade");
    lab.date(&theirs, 2);
    lab.damage();
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    let why = permanent(lab.restore(&artifact).await);
    for why in [blockers[0].as_str(), &why] {
        assert!(why.contains(&format!("{theirs} (before the upgrade)")) && !why.contains(&older), "{why}");
        assert!(why.contains(&format!("openstack share snapshot delete {theirs}")), "{why}");
    }
    assert_eq!(lab.content(), b"damage");
    lab.manila.lose_snapshot(&theirs);
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.content(), lab.current() == lab.share), (CONTENT.to_vec(), true));
}

#[tokio::test]
async fn a_share_that_has_grown_keeps_its_size_and_one_that_was_shrunk_is_as_large_again() {
    let lab = Lab::start().await;
    lab.manila.change(&lab.share, |share| share.size = 2);
    let artifact = lab.copy_at(1).await;
    for (now, after, said) in [(5, 5, "has grown from 2 to 5 GiB"), (1, 2, "has been shrunk from 2 to 1 GiB")] {
        lab.damage();
        lab.manila.change(&lab.share, |share| share.size = now);
        let plan = lab.preview(&artifact).await.unwrap();
        assert!(plan.blockers.is_empty() && plan.notes[1].contains(said), "{plan:?}");
        lab.restore(&artifact).await.unwrap();
        assert_eq!((lab.content(), lab.shown().size), (CONTENT.to_vec(), after));
    }
}

#[tokio::test]
async fn a_share_without_snapshots_is_said_not_to_be_protected() {
    let lab = Lab::start().await;
    lab.manila.change(&lab.share, |share| share.can.snapshot = false);
    let warnings = lab.driver().check(&lab.ctx(step())).await.unwrap().warnings;
    assert!(warnings[0].contains("snapshot_support"), "{warnings:?}");
    let artifact = lab.copy(step()).await.unwrap();
    assert!(!artifact.protected && artifact.why.unwrap().contains("snapshot_support"));
    assert_eq!(lab.manila.snapshots().len(), 0);
}

#[tokio::test]
async fn a_backend_that_can_neither_says_so() {
    let lab = Lab::without_revert().await;
    let artifact = lab.copy_at(1).await;
    lab.manila.change(&lab.share, |share| share.can.create = false);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("can't take it back") && why.contains("create_share_from_snapshot_support"), "{why}");
    assert_eq!(lab.preview(&artifact).await.unwrap().blockers, [why]);
}

#[tokio::test]
async fn a_heat_s_stack_gets_no_other_share() {
    let mut lab = Lab::start().await;
    lab.may_move = false;
    let artifact = lab.copy_at(1).await;
    lab.damage();
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    // Nor does one that Heat would make anew before.
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    assert!(blockers[0].contains("Heat would make another one"), "{blockers:?}");
    lab.manila.change(&lab.share, |share| share.can.revert = false);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("the stack is Heat's") && why.contains("openstack share create --snapshot-id"), "{why}");
    assert_eq!(lab.manila.shares("demo-id").len(), 1);
}

/// What nobody may see is not kept, and not touched either.
#[tokio::test]
async fn a_rule_that_a_lock_hides_stays() {
    let lab = Lab::start().await;
    lab.manila.let_in(&lab.share, "user", "secret", "rw");
    lab.manila.change(&lab.share, |share| share.rules.last_mut().unwrap().hidden = true);
    let artifact = lab.copy_at(1).await;
    assert!(artifact.warnings[1].contains("1 access rules of the share are hidden"), "{artifact:?}");
    assert!(!artifact.data.to_string().contains("secret"));
    lab.damage();
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.manila.rules(&lab.share).len(), 3);
}

/// A copy that a user has taken into a stack carries our marks, which are not to be on what is made of it.
#[tokio::test]
async fn marks_of_ours_are_no_metadata_of_the_share() {
    let lab = Lab::without_revert().await;
    lab.manila.change(&lab.share, |share| drop(share.metadata.insert("stacksnap_step".to_owned(), "s".to_owned())));
    let artifact = lab.copy_at(1).await;
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.shown().metadata.into_keys().collect::<Vec<_>>(), ["purpose"]);
}

#[tokio::test]
async fn a_plan_says_what_a_safety_snapshot_takes() {
    let mut lab = Lab::start().await;
    let artifact = lab.copy_at(1).await;
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("as a share of its own: 1 GiB more")), "{plan:?}");
    // Neither way is left for it.
    lab.manila.change(&lab.share, |share| share.can.create = false);
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.blockers.is_empty() && plan.notes.iter().any(|note| note.contains("--no-safety")), "{plan:?}");
    lab.safety = Safety::Before;
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.blockers[0].contains("--no-safety"), "{plan:?}");
}
