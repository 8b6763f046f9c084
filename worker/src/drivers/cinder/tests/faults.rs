//! What goes wrong in the cloud, and on the way to it: each ends in a reason that says what to do, and leaves nothing.

use std::time::Duration;

use stacksnap_common::types::VolumeMode::{Backup, Snapshot, SnapshotAndBackup};
use stacksnap_openstack::fake::cinder::{Ends, Fault, Quota};

use super::lab::{CONTENT, Lab};
use crate::driver::Error;
use crate::drivers::openstack::lab::{permanent, until};

#[tokio::test]
async fn a_project_whose_quota_is_full_gets_to_know() {
    for (mode, word) in [(Backup, "backups"), (Snapshot, "snapshots"), (SnapshotAndBackup, "snapshots")] {
        let lab = Lab::start(mode, 1).await;
        lab.cinder.quota(Quota { backups: 0, snapshots: 0, ..Quota::default() });
        let step = Lab::step();
        let why = permanent(lab.copy(step).await);
        let said = format!("Maximum number of {word} allowed (0) exceeded");
        assert!(why.contains(&said) && why.contains("the project's quota is full"), "{why}");
        lab.discard(step, None).await.unwrap();
        assert_eq!(lab.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_cloud_without_block_storage_says_so() {
    let lab = Lab::without_cinder().await;
    let why = permanent(lab.copy(Lab::step()).await);
    assert!(why.contains("the service catalogue has no block-storage"), "{why}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_and_a_right_that_is_gone_is_named() {
    let lab = Lab::start(Backup, 1).await;
    let step = Lab::step();
    lab.keystone.revoke_all("alice");
    lab.copy(step).await.unwrap();
    lab.keystone.revoke_all("alice");
    lab.discard(step, None).await.unwrap();
    // Not with a new one either.
    lab.cinder.fault("", Fault::Status(401), usize::MAX);
    let why = permanent(lab.copy(Lab::step()).await);
    assert!(why.contains("401") && why.contains("the right to act was taken back"), "{why}");
}

#[tokio::test]
async fn a_storm_of_refusals_is_sat_out_and_makes_nothing_twice() {
    for mode in [Backup, Snapshot, SnapshotAndBackup] {
        let lab = Lab::start(mode, 1).await;
        lab.cinder.fault("GET", Fault::Status(503), 4);
        lab.cinder.fault("POST", Fault::Status(503), 2);
        lab.cinder.fault("DELETE", Fault::Status(502), 2);
        lab.cinder.fault("GET", Fault::CutOff, 3);
        let step = Lab::step();
        let artifact = lab.copy(step).await.unwrap();
        assert_eq!(lab.left().len(), 1, "{mode:?}: {:?}", lab.left());
        lab.cinder.write(&lab.volume, b"damage");
        lab.cinder.fault("GET", Fault::Status(500), 2);
        lab.cinder.fault("POST", Fault::Status(503), 1);
        lab.cinder.fault("PUT", Fault::Status(503), 1);
        lab.restore(&artifact).await.unwrap();
        assert_eq!(lab.content(), CONTENT);
        lab.discard(step, Some(&artifact)).await.unwrap();
        assert_eq!(lab.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_storm_that_does_not_end_fails_the_step_with_the_services_words() {
    let lab = Lab::start(Backup, 1).await;
    lab.cinder.fault("", Fault::Status(503), usize::MAX);
    let ended = lab.copy(Lab::step()).await;
    let Err(Error::Transient { reason, .. }) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("503 Service Unavailable"), "{reason}");
}

/// Cinder did what was asked, and the answer was lost.
#[tokio::test]
async fn what_was_done_and_not_heard_of_is_found_again() {
    for mode in [Backup, Snapshot, SnapshotAndBackup] {
        let lab = Lab::start(mode, 1).await;
        lab.cinder.fault("POST", Fault::Lost, 2);
        let artifact = lab.copy(Lab::step()).await.unwrap();
        assert_eq!(lab.left().len(), 1, "{mode:?}: {:?}", lab.left());
        lab.cinder.write(&lab.volume, b"damage");
        lab.cinder.asked();
        lab.cinder.fault("POST", Fault::Lost, 1);
        lab.restore(&artifact).await.unwrap();
        assert_eq!(lab.content(), CONTENT);
        let sent = lab.cinder.asked().into_iter().filter(|asked| asked.path.ends_with("/restore")).count();
        assert!(sent <= 1, "{mode:?}: restored {sent} times");
    }
}

#[tokio::test]
async fn a_service_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let lab = Lab::start(Backup, 1).await;
    lab.cinder.fault("POST /backups", Fault::Busy(90), usize::MAX);
    let ended = lab.copy(Lab::step()).await;
    let Err(Error::Transient { after, .. }) = ended else { panic!("{ended:?}") };
    assert_eq!(after, Some(Duration::from_secs(90)));
}

#[tokio::test]
async fn a_backup_that_fails_once_is_made_again_and_one_that_always_fails_says_why() {
    let lab = Lab::start(Backup, 1).await;
    lab.cinder.ends(Ends::BackupInError);
    let step = Lab::step();
    lab.copy(step).await.unwrap();
    assert_eq!(lab.left().len(), 1);
    lab.discard(step, None).await.unwrap();

    lab.cinder.always(Ends::BackupInError, true);
    let why = permanent(lab.copy(Lab::step()).await);
    assert!(why.contains("no backup in 3 tries") && why.contains("the backup's place is full"), "{why}");
    assert_eq!(lab.left(), Vec::<String>::new(), "what failed is removed");
}

#[tokio::test]
async fn a_snapshot_that_always_fails_leaves_nothing() {
    let lab = Lab::start(Snapshot, 1).await;
    lab.cinder.always(Ends::SnapshotInError, true);
    let why = permanent(lab.copy(Lab::step()).await);
    assert!(why.contains("no snapshot in 3 tries"), "{why}");
    assert_eq!(lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_volume_in_error_is_not_copied_and_one_in_use_is() {
    let lab = Lab::start(Backup, 1).await;
    lab.cinder.change(&lab.volume, |volume| volume.status = "error_extending".to_owned());
    let why = permanent(lab.copy(Lab::step()).await);
    assert!(why.contains("is error_extending; it must be available or in-use"), "{why}");

    lab.cinder.change(&lab.volume, |volume| volume.status = "in-use".to_owned());
    lab.copy(Lab::step()).await.unwrap();
}

#[tokio::test]
async fn a_restore_that_cinder_can_not_do_says_what_the_volume_is_now() {
    let lab = Lab::start(Backup, 1).await;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.ends(Ends::RestoreInError);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("is error_restoring now") && why.contains("not to be trusted"), "{why}");
    // Until somebody has seen to it.
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("is error_restoring; it must be available"), "{why}");
    lab.cinder.change(&lab.volume, |volume| volume.status = "available".to_owned());
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn what_somebody_removed_is_missed() {
    let lab = Lab::start(Backup, 1).await;
    let step = Lab::step();
    let artifact = lab.copy(step).await.unwrap();
    lab.discard(step, None).await.unwrap();
    let refused = lab.preview(&artifact).await.unwrap().blockers;
    assert!(refused[0].contains("somebody else removed it"), "{refused:?}");
    assert!(permanent(lab.restore(&artifact).await).contains("somebody else removed it"));
}

#[tokio::test]
async fn a_volume_deleted_while_it_is_copied_or_restored_is_said_to_be_gone() {
    let lab = Lab::start(Backup, 1).await;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.fault("POST", Fault::Slow(Duration::from_millis(200)), 1);
    let (ended, ()) = tokio::join!(lab.copy(Lab::step()), async {
        until(|| lab.cinder.asked().iter().any(|asked| asked.method == "POST")).await;
        lab.cinder.lose_volume(&lab.volume);
    });
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");

    let lab2 = Lab::start(Backup, 1).await;
    let artifact2 = lab2.copy(Lab::step()).await.unwrap();
    lab2.cinder.hold();
    let (ended, ()) = tokio::join!(lab2.restore(&artifact2), async {
        until(|| lab2.cinder.backups().iter().any(|backup| backup.status == "restoring")).await;
        lab2.cinder.lose_volume(&lab2.volume);
    });
    assert!(permanent(ended).contains("was deleted while it was restored"));
    drop(artifact);
}

#[tokio::test]
async fn what_can_not_be_deleted_is_an_error_with_a_reason() {
    let lab = Lab::start(Backup, 1).await;
    let step = Lab::step();
    let artifact = lab.copy(step).await.unwrap();
    lab.cinder.ends(Ends::DeleteInError);
    let why = permanent(lab.discard(step, Some(&artifact)).await);
    assert!(why.contains("error_deleting") && why.contains("openstack volume backup set --state error"), "{why}");

    // Of a snapshot Cinder takes another try.
    let lab = Lab::start(Snapshot, 1).await;
    let step = Lab::step();
    let artifact = lab.copy(step).await.unwrap();
    lab.cinder.ends(Ends::DeleteInError);
    assert!(permanent(lab.discard(step, Some(&artifact)).await).contains("error_deleting"));
    lab.discard(step, Some(&artifact)).await.unwrap();
    assert_eq!(lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn another_project_s_volume_is_not_there() {
    let mut lab = Lab::start(Backup, 1).await;
    lab.volume = lab.cinder.volume("other-id", b"secret");
    let ended = lab.copy(Lab::step()).await;
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");
    assert_eq!(lab.cinder.backups().len(), 0);
}

#[tokio::test]
async fn what_takes_for_ever_ends() {
    let mut lab = Lab::start(Backup, 1).await;
    lab.settings.patience.longest = Duration::ZERO;
    lab.cinder.hold();
    let why = permanent(lab.copy(Lab::step()).await);
    assert!(why.contains("is still creating, and that for longer than 0 s (cinder.longest_wait)"), "{why}");
}
