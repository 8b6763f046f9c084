//! What goes wrong in the cloud, and on the way to it: each ends in a reason that says what to do, and leaves nothing.

use std::time::Duration;

use stacksnap_openstack::fake::trove::{Ends, Fault, Quota, Swift};

use super::lab::{CONTENT, Lab, backup};
use crate::driver::Error;
use crate::drivers::openstack::lab::{copy, permanent, step, until};

#[tokio::test]
async fn a_backup_that_never_comes_says_so_and_leaves_nothing() {
    let lab = Lab::start(1).await;
    lab.trove.always(Ends::BackupFailed, true);
    let why = permanent(lab.copy(step()).await);
    assert!(
        why.contains("Trove made no backup in 3 tries") && why.contains("ended in FAILED: Trove gives no reason"),
        "{why}"
    );
    assert!(lab.backups().is_empty(), "what failed is removed");
    assert_eq!(lab.trove.counted("demo-id"), 0);
}

#[tokio::test]
async fn an_instance_that_never_comes_says_why_and_leaves_nothing() {
    let lab = Lab::start(1).await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.trove.always(Ends::BuildInError, true);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("Trove made no instance in 3 tries") && why.contains("no valid host was found"), "{why}");
    assert_eq!((lab.trove.instances().len(), lab.left().len()), (1, 1));
    // The next one may be luckier, and one that fails once is made again.
    lab.trove.always(Ends::BuildInError, false);
    lab.trove.ends(Ends::BuildInError);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn an_instance_in_a_state_without_backups_is_named() {
    for (status, fault, said) in [
        ("ERROR", Some("guest agent timed out"), "is in ERROR: guest agent timed out"),
        ("SHUTDOWN", None, "is in SHUTDOWN"),
        ("NEVER_SEEN", None, "is in NEVER_SEEN; Trove makes backups of one that is ACTIVE"),
    ] {
        let lab = Lab::start(1).await;
        lab.trove.change(&lab.instance, |it| {
            it.status = status.to_owned();
            it.fault = fault.map(str::to_owned);
        });
        let why = permanent(lab.copy(step()).await);
        assert!(why.contains(said), "{why}");
        assert!(lab.backups().is_empty());
    }
    // It needs a restart, and is backed up as it is.
    let lab = Lab::start(1).await;
    lab.trove.change(&lab.instance, |it| it.status = "RESTART_REQUIRED".to_owned());
    lab.copy(step()).await.unwrap();
}

#[tokio::test]
async fn a_cloud_without_trove_says_so() {
    let lab = Lab::without_trove().await;
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("no database") && why.contains("without the database service"), "{why}");
}

#[tokio::test]
async fn a_store_for_backups_that_can_not_be_used_is_named() {
    for (swift, said) in [
        (Swift::Refuses, "whoever asks may not use that: give a role for it"),
        (Swift::Missing, "Trove has no object store there"),
    ] {
        let lab = Lab::start(1).await;
        let artifact = lab.copy(step()).await.unwrap();
        lab.trove.swift(swift);
        for ended in [lab.copy(step()).await.map(drop), lab.restore(&artifact).await.map(drop)] {
            let why = permanent(ended);
            assert!(why.contains(said) || why.contains("Swift is disabled"), "{why}");
        }
        assert_eq!(lab.backups().len(), 1);
        assert_eq!(lab.trove.instances().len(), 1);
    }
    // It is away for a moment.
    let lab = Lab::start(1).await;
    lab.trove.swift(Swift::Away);
    let (copied, ()) = tokio::join!(lab.copy(step()), async {
        lab.asked("POST", 2).await;
        lab.trove.swift(Swift::There);
    });
    copied.unwrap();
    assert_eq!(lab.backups().len(), 1);
}

#[tokio::test]
async fn a_full_quota_says_what_to_do() {
    let lab = Lab::start(1).await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.trove.quota(Quota { instances: 1, backups: 1 });
    for (ended, what) in
        [(lab.copy(step()).await.map(drop), "['backups']"), (lab.restore(&artifact).await.map(drop), "['instances']")]
    {
        let why = permanent(ended);
        assert!(why.contains(what) && why.contains("the project's quota is full: remove something"), "{why}");
    }
    assert_eq!((lab.backups().len(), lab.trove.instances().len()), (1, 1));
}

#[tokio::test]
async fn a_backup_that_somebody_removed_is_missed_and_so_is_what_it_is_built_on() {
    let lab = Lab::start(5).await;
    let (first, second) = (lab.copy(step()).await.unwrap(), lab.copy(step()).await.unwrap());
    lab.trove.lose_backup(&backup(&first));
    for artifact in [&first, &second] {
        let blockers = lab.preview(artifact).await.unwrap().blockers;
        assert!(blockers[0].contains("somebody else removed it"), "{blockers:?}");
        assert_eq!(permanent(lab.restore(artifact).await), blockers[0]);
        assert_eq!(lab.verify(artifact).await.unwrap().problems, blockers);
    }
    assert_eq!(lab.trove.instances().len(), 1);
}

#[tokio::test]
async fn an_instance_deleted_while_it_is_copied_is_said_to_be_gone() {
    let lab = Lab::start(1).await;
    lab.trove.fault("POST", Fault::Slow(Duration::from_millis(200)), 1);
    let (ended, ()) = tokio::join!(lab.copy(step()), async {
        lab.asked("POST", 1).await;
        lab.trove.lose_instance(&lab.instance);
    });
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");
    assert!(lab.backups().is_empty());
}

#[tokio::test]
async fn what_is_deleted_while_it_is_made_is_made_again() {
    let lab = Lab::start(1).await;
    lab.trove.hold();
    let (copied, ()) = tokio::join!(lab.copy(step()), async {
        until(|| lab.backups().len() == 1).await;
        lab.trove.lose_backup(&lab.backups()[0]);
        lab.trove.release();
    });
    let artifact = copied.unwrap();
    lab.trove.hold();
    let (restored, ()) = tokio::join!(lab.restore(&artifact), async {
        until(|| lab.trove.instances().len() == 2).await;
        lab.trove.lose_instance(&lab.trove.instances()[1].id);
        lab.trove.release();
    });
    restored.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

/// Trove did what was asked, and the answer was lost.
#[tokio::test]
async fn what_was_done_and_not_heard_of_is_found_again() {
    let lab = Lab::start(1).await;
    lab.trove.fault("POST /backups", Fault::Lost, 1);
    let artifact = lab.copy(step()).await.unwrap();
    assert_eq!(lab.backups().len(), 1);
    lab.trove.fault("POST /instances", Fault::Lost, 1);
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.trove.instances().len(), lab.content()), (2, CONTENT.to_vec()));
}

#[tokio::test]
async fn a_storm_of_refusals_is_sat_out_and_makes_nothing_twice() {
    let lab = Lab::start(1).await;
    lab.trove.fault("GET", Fault::Status(503), 3);
    lab.trove.fault("POST", Fault::Status(500), 2);
    lab.trove.fault("DELETE", Fault::Status(502), 1);
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    lab.trove.fault("GET", Fault::CutOff, 2);
    lab.trove.fault("POST", Fault::Status(503), 1);
    lab.trove.fault("PATCH", Fault::Status(500), 1);
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.backups().len(), lab.trove.instances().len(), lab.content()), (1, 2, CONTENT.to_vec()));
    lab.discard(step, Some(&artifact)).await.unwrap();
    assert!(lab.backups().is_empty());
}

#[tokio::test]
async fn a_right_that_is_taken_back_in_the_middle_is_named_with_what_was_begun() {
    let lab = Lab::start(1).await;
    lab.trove.hold();
    let (ended, ()) = tokio::join!(lab.copy(step()), async {
        until(|| lab.backups().len() == 1).await;
        lab.trove.fault("GET", Fault::Status(401), 1000);
    });
    let why = permanent(ended);
    assert!(why.contains("the right to act was taken back"), "{why}");
    assert!(why.contains(&lab.backups()[0]), "{why}");
}

#[tokio::test]
async fn what_can_not_be_deleted_is_an_error_with_a_reason() {
    let lab = Lab::start(1).await;
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    lab.trove.ends(Ends::DeleteFailed);
    let why = permanent(lab.discard(step, Some(&artifact)).await);
    assert!(why.contains("(DELETE_FAILED)") && why.contains("see to the object store"), "{why}");
}

/// Trove deletes nothing that it is making.
#[tokio::test]
async fn a_backup_that_is_being_made_is_waited_for_and_then_removed() {
    let lab = Lab::start(1).await;
    lab.trove.hold();
    let (driver, ctx) = (lab.driver(), lab.ctx(step()));
    let (cancel, of) = (ctx.cancel.clone(), ctx.step);
    let (ended, ()) = tokio::join!(copy(&*driver, ctx), async {
        until(|| lab.backups().len() == 1).await;
        cancel.cancel();
    });
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    let (ended, ()) = tokio::join!(lab.discard(of, None), async {
        lab.asked("DELETE", 3).await;
        lab.trove.release();
    });
    ended.unwrap();
    assert!(lab.backups().is_empty());
    assert_eq!(lab.trove.counted("demo-id"), 0);
}

#[tokio::test]
async fn another_project_s_instance_is_not_there() {
    let mut lab = Lab::start(1).await;
    lab.trove.lose_instance(&lab.instance);
    lab.instance = lab.trove.instance("other-id", b"secret");
    let ended = lab.copy(step()).await;
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");
    assert!(lab.backups().is_empty());
}

#[tokio::test]
async fn what_takes_for_ever_ends() {
    let mut lab = Lab::start(1).await;
    lab.settings.patience.longest = Duration::ZERO;
    lab.trove.hold();
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("is still NEW, and that for longer than 0 s (openstack.longest_wait)"), "{why}");
}
