//! What goes wrong in the cloud, and on the way to it: each ends in a reason that says what to do, and leaves nothing.

use std::time::Duration;

use stacksnap_openstack::fake::nova::{Ends, Fault};

use super::lab::{CONTENT, Lab};
use crate::driver::{Cut, Error, Outcome};
use crate::drivers::openstack::lab::{permanent, step, until};

#[tokio::test]
async fn an_image_that_never_comes_says_why_and_leaves_nothing() {
    for (ends, said) in [
        (Ends::ImageDeleted, "is gone before it was whole. Nova removes one that it can't finish"),
        (Ends::ImageKilled, "ended in killed"),
    ] {
        let lab = Lab::start().await;
        lab.nova.always(ends, true);
        let why = permanent(lab.copy(step()).await);
        assert!(why.contains("Nova made no image in 3 tries") && why.contains(said), "{why}");
        assert!(lab.images().is_empty(), "what failed is removed");
    }
}

/// As after the end of a host's service: the server is free, and its image is nobody's business.
#[tokio::test]
async fn an_image_that_nova_forgot_is_made_again() {
    let lab = Lab::start().await;
    lab.nova.hold();
    let (made, ()) = tokio::join!(lab.copy(step()), async {
        until(|| lab.images().len() == 1).await;
        lab.nova.forget(&lab.server);
        lab.nova.release();
    });
    made.unwrap();
    assert_eq!(lab.images().len(), 1);
}

#[tokio::test]
async fn a_server_in_a_state_without_images_is_named() {
    for (state, fault, said) in [
        ("error", Some("no valid host"), "is in ERROR: no valid host"),
        ("resized", None, "openstack server resize confirm"),
        ("shelved_offloaded", None, "openstack server unshelve"),
    ] {
        let lab = Lab::start().await;
        lab.nova.change(&lab.server, |server| {
            server.vm_state = state.to_owned();
            server.fault = fault.map(str::to_owned);
        });
        let why = permanent(lab.copy(step()).await);
        assert!(why.contains(said), "{why}");
        assert!(lab.images().is_empty());
    }
}

/// The restore of a volume of the same stack begins to detach it between our look at it and Nova's.
#[tokio::test]
async fn a_server_whose_volume_is_detached_just_then_is_rebuilt_later() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.nova.write(&lab.server, b"damage");
    let words = "Invalid volume: volume 'v' status must be 'in-use'. Currently in 'detaching' status";
    lab.nova.fault("/action", Fault::Refused(words.to_owned()), 2);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.nova.content(&lab.server).unwrap(), CONTENT);
    // Any other refusal is one.
    lab.nova.fault("/action", Fault::Refused("Image is unacceptable".to_owned()), 1);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("Image is unacceptable"), "{why}");
}

#[tokio::test]
async fn a_locked_server_is_copied_and_not_rebuilt() {
    let lab = Lab::start().await;
    lab.nova.change(&lab.server, |server| server.locked = Some("maintenance".to_owned()));
    let artifact = lab.copy(step()).await.unwrap();
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    assert!(blockers[0].contains("is locked (maintenance)"), "{blockers:?}");
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains(&format!("openstack server unlock {}", lab.server)), "{why}");
}

#[tokio::test]
async fn a_paused_server_is_copied_and_rebuilt_only_when_it_runs() {
    let lab = Lab::start().await;
    lab.nova.change(&lab.server, |server| server.vm_state = "paused".to_owned());
    let artifact = lab.copy(step()).await.unwrap();
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("openstack server unpause"), "{why}");
}

#[tokio::test]
async fn an_image_that_somebody_removed_or_changed_is_missed() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    let image = artifact.data["image"].as_str().unwrap();
    lab.glance.change(image, |image| image.status = "deactivated".to_owned());
    assert!(permanent(lab.restore(&artifact).await).contains("openstack image set --activate"));
    lab.glance.lose(image);
    let verdict = lab.verify(&artifact).await.unwrap();
    assert!(!verdict.ok && verdict.problems[0].contains("somebody else removed it"), "{verdict:?}");
    assert!(lab.preview(&artifact).await.unwrap().blockers[0].contains("somebody else removed it"));
    assert!(permanent(lab.restore(&artifact).await).contains("somebody else removed it"));
}

#[tokio::test]
async fn a_rebuild_that_fails_says_what_the_server_is_now_and_can_be_tried_again() {
    let lab = Lab::start().await;
    let artifact = lab.copy(step()).await.unwrap();
    lab.nova.ends(Ends::RebuildInError);
    lab.nova.write(&lab.server, b"damage");
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("no room on the host") && why.contains("It is in ERROR now"), "{why}");
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn an_image_that_is_protected_is_named() {
    let lab = Lab::start().await;
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    let image = artifact.data["image"].as_str().unwrap();
    lab.glance.change(image, |image| image.protected = true);
    let why = permanent(lab.discard(step, Some(&artifact)).await);
    assert!(why.contains(&format!("openstack image set --unprotected {image}")), "{why}");
}

/// The services did what was asked, and the answer was lost.
#[tokio::test]
async fn what_was_done_and_not_heard_of_is_found_again() {
    let lab = Lab::start().await;
    lab.nova.fault("POST", Fault::Lost, 1);
    let artifact = lab.copy(step()).await.unwrap();
    assert_eq!(lab.images().len(), 1);
    lab.nova.write(&lab.server, b"damage");
    lab.nova.asked();
    lab.nova.fault("POST", Fault::Lost, 1);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    assert_eq!(lab.nova.look(&lab.server, |server| server.rebuilt), Some(1));
}

#[tokio::test]
async fn a_storm_of_refusals_is_sat_out_and_makes_nothing_twice() {
    let lab = Lab::start().await;
    lab.nova.fault("GET", Fault::Status(503), 3);
    lab.nova.fault("POST", Fault::Status(503), 2);
    lab.glance.fault("GET", Fault::CutOff, 3);
    lab.glance.fault("DELETE", Fault::Status(502), 2);
    let step = step();
    let artifact = lab.copy(step).await.unwrap();
    assert_eq!(lab.images().len(), 1);
    lab.nova.write(&lab.server, b"damage");
    lab.nova.fault("GET", Fault::Status(500), 2);
    lab.nova.fault("POST", Fault::Status(503), 1);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    lab.discard(step, Some(&artifact)).await.unwrap();
    assert!(lab.images().is_empty());
}

/// Nova has no answer but 500, as where Glance's quota is full.
#[tokio::test]
async fn an_answer_that_never_says_anything_ends_the_step() {
    let lab = Lab::start().await;
    lab.nova.fault("POST", Fault::Status(500), usize::MAX);
    let ended = lab.copy(step()).await;
    let Err(Error::Transient { reason, .. }) = ended else { panic!("{ended:?}") };
    assert!(reason.contains("500"), "{reason}");
    assert!(lab.images().is_empty());
}

/// A worker ends between the order and its record, at each point of a restore: one rebuild is seen, and the disk is right.
#[tokio::test]
async fn a_worker_killed_between_any_two_checkpoints_of_a_restore_is_followed() {
    for kill in 0..8 {
        let lab = Lab::start().await;
        let artifact = lab.copy(step()).await.unwrap();
        lab.nova.write(&lab.server, b"damage");
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
        assert_eq!(lab.nova.look(&lab.server, |server| server.rebuilt), Some(1), "killed after run {kill}");
    }
}

#[tokio::test]
async fn a_worker_killed_after_it_began_an_image_is_followed() {
    let lab = Lab::start().await;
    let step = step();
    let ctx = lab.ctx(step);
    let Outcome::Later { .. } = lab.driver().cut(&ctx).await.unwrap() else { panic!("over at once") };
    let artifact = lab.copy(step).await.unwrap();
    let images = lab.images();
    assert_eq!((images.len(), artifact.data["image"].as_str()), (1, Some(images[0].id.as_str())));
    assert!(!matches!(lab.driver().cut(&ctx).await.unwrap(), Outcome::Done(Cut::None)));
}

#[tokio::test]
async fn another_project_s_server_is_not_there() {
    let mut lab = Lab::start().await;
    lab.server = lab.nova.server("other-id", b"secret");
    let ended = lab.copy(step()).await;
    assert!(matches!(ended, Err(Error::Gone(_))), "{ended:?}");
}

#[tokio::test]
async fn what_takes_for_ever_ends() {
    let mut lab = Lab::start().await;
    lab.settings.patience.longest = Duration::ZERO;
    lab.nova.hold();
    let why = permanent(lab.copy(step()).await);
    assert!(why.contains("is still queued, and that for longer than 0 s (nova.longest_wait)"), "{why}");
}
