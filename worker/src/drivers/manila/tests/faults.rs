//! What goes wrong in the cloud, and on the way to it: each ends in a reason that says what to do, and leaves nothing.

use std::cell::Cell;
use std::time::Duration;

use stacksnap_openstack::fake::manila::{Ends, Fault, Quota};

use super::lab::{CONTENT, Lab};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::lab::{permanent, step, until};

#[tokio::test]
async fn a_project_whose_quota_is_full_gets_to_know() {
    let lab = Lab::without_revert().await;
    let artifact = lab.copy(step()).await.unwrap();
    for (quota, said) in [
        (Quota { snapshots: 1, ..Quota::default() }, "Maximum number of snapshots allowed (1)"),
        (Quota { snapshot_gigabytes: 1, ..Quota::default() }, "snapshot exceeds allowed project/user"),
    ] {
        lab.manila.quota(quota);
        let step = step();
        let why = permanent(lab.copy(step).await);
        assert!(why.contains(said) && why.contains("the project's quota is full"), "{why}");
        lab.discard(step, None).await.unwrap();
    }
    lab.manila.quota(Quota { shares: 1, ..Quota::default() });
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("Maximum number of shares allowed (1)"), "{why}");
    assert_eq!((lab.left().len(), lab.manila.shares("demo-id").len()), (1, 1));

    // One that was shrunk is to be as large again.
    let lab = Lab::start().await;
    lab.manila.change(&lab.share, |share| share.size = 2);
    let artifact = lab.copy(step()).await.unwrap();
    lab.manila.change(&lab.share, |share| share.size = 1);
    lab.manila.quota(Quota { gigabytes: 1, ..Quota::default() });
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("increase the share's size by 1G") && why.contains("the project's quota is full"), "{why}");
}

#[tokio::test]
async fn a_cloud_without_shares_says_so() {
    let lab = Lab::without_manila().await;
    let why = permanent(lab.copy(step()).await);
    assert!(
        why.contains("the service catalogue has no shared-file-system") && why.contains("no share is protected"),
        "{why}"
    );
}

#[tokio::test]
async fn a_cloud_that_is_too_old_says_so() {
    let lab = Lab::start().await;
    lab.manila.knows((2, 44));
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("Version 2.45 is not supported") && why.contains("Manila's 2.45 (Queens)"), "{why}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_and_a_right_that_is_gone_is_named() {
    let lab = Lab::start().await;
    let step_ = step();
    lab.keystone.revoke_all("alice");
    lab.copy(step_).await.unwrap();
    lab.keystone.revoke_all("alice");
    lab.discard(step_, None).await.unwrap();
    // Not with a new one either, in the middle of it: what had been begun is named.
    lab.manila.hold();
    let (ended, ()) = tokio::join!(lab.copy(step()), async {
        until(|| !lab.manila.snapshots().is_empty()).await;
        lab.manila.fault("", Fault::Status(401), usize::MAX);
    });
    let why = permanent(ended);
    assert!(why.contains("401") && why.contains("the right to act was taken back"), "{why}");
    assert!(why.contains(&lab.manila.snapshots()[0].id), "{why}");
}

#[tokio::test]
async fn a_storm_of_refusals_is_sat_out_and_makes_nothing_twice() {
    for lab in [Lab::start().await, Lab::without_revert().await] {
        lab.manila.fault("GET", Fault::Status(503), 4);
        lab.manila.fault("POST", Fault::Status(503), 2);
        lab.manila.fault("DELETE", Fault::Status(502), 2);
        lab.manila.fault("GET", Fault::CutOff, 3);
        let step = step();
        let artifact = lab.copy(step).await.unwrap();
        assert_eq!(lab.left().len(), 1, "{:?}", lab.left());
        lab.damage();
        lab.manila.fault("GET", Fault::Status(500), 2);
        lab.manila.fault("POST", Fault::Status(503), 1);
        lab.manila.fault("PUT", Fault::Status(503), 1);
        lab.restore(&artifact).await.unwrap();
        assert_eq!(lab.content(), CONTENT);
        lab.discard(step, Some(&artifact)).await.unwrap();
        assert_eq!(lab.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_storm_that_does_not_end_fails_the_step_with_the_services_words() {
    let lab = Lab::start().await;
    lab.manila.fault("", Fault::Status(503), usize::MAX);
    let ended = lab.copy(step()).await;
    let Err(Error::Transient { reason, .. }) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("503 Service Unavailable"), "{reason}");
}

/// Manila did what was asked, and the answer was lost.
#[tokio::test]
async fn what_was_done_and_not_heard_of_is_found_again() {
    for (lab, shares) in [(Lab::start().await, 1), (Lab::without_revert().await, 2)] {
        lab.manila.fault("POST", Fault::Lost, 1);
        let artifact = lab.copy(step()).await.unwrap();
        assert_eq!(lab.left().len(), 1, "{:?}", lab.left());
        lab.damage();
        lab.manila.change(&lab.share, |share| share.rules.clear());
        lab.manila.asked();
        lab.manila.fault("POST", Fault::Lost, 2);
        lab.restore(&artifact).await.unwrap();
        assert_eq!((lab.content(), lab.manila.shares("demo-id").len()), (CONTENT.to_vec(), shares));
        assert_eq!(lab.manila.rules(&lab.current()).len(), 2);
        let asked = lab.manila.asked();
        let reverted = asked.iter().filter(|asked| asked.body.get("revert").is_some()).count();
        assert_eq!(reverted, usize::from(shares == 1));
    }
}

#[tokio::test]
async fn a_service_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let lab = Lab::start().await;
    lab.manila.fault("POST /snapshots", Fault::Busy(90), usize::MAX);
    let ended = lab.copy(step()).await;
    let Err(Error::Transient { after, .. }) = ended else { panic!("{ended:?}") };
    assert_eq!(after, Some(Duration::from_secs(90)));
}

#[tokio::test]
async fn what_fails_once_is_made_again_and_what_always_fails_says_why() {
    let lab = Lab::without_revert().await;
    lab.manila.ends(Ends::SnapshotInError);
    let step_ = step();
    let artifact = lab.copy(step_).await.unwrap();
    assert_eq!(lab.left().len(), 1);
    lab.manila.ends(Ends::ShareInError);
    lab.restore(&artifact).await.unwrap();

    lab.manila.always(Ends::ShareInError, true);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("no share in 3 tries") && why.contains("failed to create the share from snapshot"), "{why}");
    assert_eq!(lab.left().len(), 1, "what failed is removed");
    lab.discard(step_, None).await.unwrap();
    lab.manila.always(Ends::SnapshotInError, true);
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("no snapshot in 3 tries") && why.contains("Manila gives no reason"), "{why}");
    assert_eq!(lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_share_in_a_state_in_which_manila_does_nothing_is_named() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    for (status, said) in [
        ("shrinking_possible_data_loss_error", "openstack share set --status available"),
        ("quantum_state", "is quantum_state; it must be available"),
    ] {
        lab.manila.change(&lab.share, |share| share.status = status.to_owned());
        assert!(permanent(lab.copy(step()).await).contains(said));
        assert!(permanent(lab.restore(&artifact).await).contains(said));
    }
    lab.manila.change(&lab.share, |share| {
        share.status = "available".to_owned();
        share.soft_deleted = true;
    });
    assert!(permanent(lab.restore(&artifact).await).contains(&format!("openstack share restore {}", lab.share)));
    lab.manila.change(&lab.share, |share| {
        share.soft_deleted = false;
        share.rules[0].state = "error".to_owned();
    });
    assert!(permanent(lab.restore(&artifact).await).contains("openstack share access delete"));
}

/// What Manila works on by itself is waited for.
#[tokio::test]
async fn a_share_that_is_moved_meanwhile_is_waited_for() {
    let lab = Lab::start().await;
    lab.manila.change(&lab.share, |share| share.task = Some("migration_in_progress".to_owned()));
    let (made, ()) = tokio::join!(lab.copy(step()), async {
        let asked = Cell::new(0);
        until(|| asked.replace(asked.get() + lab.manila.asked().len()) > 8).await;
        assert_eq!(lab.manila.snapshots().len(), 0);
        lab.manila.change(&lab.share, |share| share.task = Some("migration_success".to_owned()));
    });
    made.unwrap();
}

#[tokio::test]
async fn a_revert_that_fails_says_what_the_share_is_now() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.damage();
    lab.manila.ends(Ends::RevertInError);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("is reverting_error now: revert to snapshot: An unknown error occurred."), "{why}");
    assert!(why.contains("not to be trusted"), "{why}");
    // Until somebody has seen to it.
    assert!(permanent(lab.restore(&artifact).await).contains("is reverting_error; it must be available"));
    lab.manila.change(&lab.share, |share| share.status = "available".to_owned());
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn a_share_that_can_not_be_as_large_again_is_restored_all_the_same() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.damage();
    lab.manila.change(&lab.share, |share| share.size = 4);
    lab.manila.ends(Ends::SizeInError);
    let did = lab.restore(&artifact).await;
    // Manila takes no rules then, and there is nothing to be changed about them.
    let notes = did.unwrap().notes;
    assert!(notes[0].contains("had grown to 4 GiB, and is of 1 GiB now: it is extending_error"), "{notes:?}");
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn a_rule_that_manila_can_not_set_is_named_with_the_share_that_was_made() {
    let lab = Lab::without_revert().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.manila.always(Ends::RuleInError, true);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("could not set its access rule") && why.contains("was made for the restore"), "{why}");
    assert_eq!(lab.left().len(), 2, "{:?}", lab.left());
    // The next one takes it away.
    lab.manila.always(Ends::RuleInError, false);
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.left().len(), lab.manila.shares("demo-id").len()), (1, 2));
}

#[tokio::test]
async fn what_somebody_removed_is_missed() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.manila.lose_snapshot(artifact.data["snapshot"].as_str().unwrap());
    let verdict = lab.verify(&artifact).await.unwrap();
    assert!(!verdict.ok && verdict.problems[0].contains("somebody else removed it"), "{verdict:?}");
    assert!(lab.preview(&artifact).await.unwrap().blockers[0].contains("somebody else removed it"));
    assert!(permanent(lab.restore(&artifact).await).contains("somebody else removed it"));
}

#[tokio::test]
async fn a_share_deleted_while_it_is_copied_or_restored_is_said_to_be_gone() {
    let lab = Lab::start().await;
    lab.manila.fault("POST", Fault::Slow(Duration::from_millis(200)), 1);
    let (ended, ()) = tokio::join!(lab.copy(step()), async {
        until(|| lab.manila.asked().iter().any(|asked| asked.method == "POST")).await;
        lab.manila.lose_share(&lab.share);
    });
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");

    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.manila.hold();
    let (ended, ()) = tokio::join!(lab.restore(&artifact), async {
        until(|| lab.manila.look(&lab.share, |share| share.status == "reverting") == Some(true)).await;
        lab.manila.lose_share(&lab.share);
    });
    assert!(permanent(ended).contains("was deleted while it was restored"));
}

#[tokio::test]
async fn what_can_not_be_deleted_is_an_error_with_a_reason() {
    let lab = Lab::start().await;
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    lab.manila.ends(Ends::DeleteInError);
    let why = permanent(lab.discard(step, Some(&artifact)).await);
    assert!(why.contains("error_deleting") && why.contains("openstack share snapshot set --status error"), "{why}");
    lab.manila.change_snapshot(artifact.data["snapshot"].as_str().unwrap(), |it| it.status = "error".to_owned());
    lab.discard(step, Some(&artifact)).await.unwrap();
    assert_eq!(lab.left(), Vec::<String>::new());
}

#[tokio::test]
async fn another_project_s_share_is_not_there() {
    let mut lab = Lab::start().await;
    lab.manila.lose_share(&lab.share);
    lab.share = lab.manila.share("other-id", b"secret");
    let ended = lab.copy(step()).await;
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");
    assert_eq!(lab.manila.snapshots().len(), 0);
}

#[tokio::test]
async fn what_takes_for_ever_ends() {
    let mut lab = Lab::start().await;
    lab.settings.patience.longest = Duration::ZERO;
    lab.manila.hold();
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("is still creating, and that for longer than 0 s (manila.longest_wait)"), "{why}");
}

/// A worker ends between what it did and its record, at each point of a restore: the share is right, and there is one more
/// at most.
#[tokio::test]
async fn a_worker_killed_between_any_two_checkpoints_of_a_restore_is_followed() {
    for reverts in [true, false] {
        for kill in 0..10 {
            let lab = if reverts { Lab::start().await } else { Lab::without_revert().await };
            let artifact = lab.copy(step()).await.unwrap();
            lab.damage();
            lab.manila.change(&lab.share, |share| share.rules.clear());
            let (driver, mut ctx, mut runs) = (lab.driver(), lab.ctx(step()), 0);
            loop {
                let ran = driver.restore(&ctx, &artifact).await.unwrap();
                runs += 1;
                match ran {
                    // What this run did nobody recorded: the next one has the checkpoint of the last.
                    _ if runs == kill + 1 => {}
                    Outcome::Done(_) => break,
                    Outcome::Later { checkpoint, .. } => ctx.checkpoint = checkpoint,
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(lab.content(), CONTENT, "killed after run {kill}");
            assert_eq!(lab.manila.rules(&lab.current()).len(), 2, "killed after run {kill}");
            let shares = lab.manila.shares("demo-id").len();
            assert_eq!((shares, lab.left().len()), (1 + usize::from(!reverts), 1), "killed after run {kill}");
        }
    }
}
