//! Volumes that servers use: detached for the while of a restore, and where they were afterwards, whatever happens.

use std::time::Duration;

use stacksnap_common::types::ServerMode;
use stacksnap_common::types::VolumeMode::{Backup, Snapshot, SnapshotAndBackup};
use stacksnap_openstack::fake::cinder::Ends;
use stacksnap_openstack::fake::nova::{self, Attached, Delays, Fault};

use super::lab::{CONTENT, Lab};
use crate::driver::{Cut, Outcome};
use crate::drivers::openstack::lab::{permanent, until};

/// A volume on a server that runs, at its second device.
struct Used {
    lab: Lab,
    server: String,
}

impl Used {
    async fn start() -> Self {
        let lab = Lab::start(Backup, 1).await;
        lab.nova.delays(Delays { attach: Duration::from_millis(30), ..Delays::default() });
        let server = lab.nova.server("demo-id", b"");
        let other = lab.cinder.volume("demo-id", b"");
        lab.nova.attach(&server, &other, "/dev/vdb");
        lab.nova.attach(&server, &lab.volume, "/dev/vdc");
        Self { lab, server }
    }

    /// Where the volume is, as Nova sees it.
    fn place(&self) -> Option<String> {
        let all = self.lab.nova.attached(&self.server);
        all.into_iter().find(|it| it.volume == self.lab.volume).map(|Attached { device, .. }| device)
    }

    fn status(&self) -> String {
        self.lab.cinder.look(&self.lab.volume, |volume| volume.status.clone()).unwrap()
    }
}

#[tokio::test]
async fn a_volume_in_use_is_restored_and_comes_back_where_it_was() {
    for mode in [Backup, Snapshot] {
        let mut used = Used::start().await;
        used.lab.settings.mode = mode;
        let lab = &used.lab;
        let artifact = lab.copy(Lab::step()).await.unwrap();
        lab.cinder.write(&lab.volume, b"damage");
        let plan = lab.preview(&artifact).await.unwrap();
        assert!(plan.blockers.is_empty(), "{plan:?}");
        let said = format!("is detached from server {} (/dev/vdc) meanwhile", used.server);
        assert!(plan.notes[0].contains(&said) && plan.notes[1].contains("is on:"), "{plan:?}");
        assert_eq!(used.place().as_deref(), Some("/dev/vdc"));
        // Twice: a second restore restores again.
        for _ in 0..2 {
            lab.cinder.write(&lab.volume, b"damage");
            let did = lab.restore(&artifact).await.unwrap();
            assert!(did.notes[0].contains("again, as /dev/vdc"), "{did:?}");
            assert_eq!(
                (lab.content(), used.place(), used.status()),
                (CONTENT.to_vec(), Some("/dev/vdc".to_owned()), "in-use".to_owned())
            );
        }
    }
}

/// Between any two checkpoints, and the one that follows knows nothing but the last of them.
#[tokio::test]
async fn a_worker_killed_at_any_point_leaves_nobody_without_their_volume() {
    let mut kill = 0;
    loop {
        let used = Used::start().await;
        let lab = &used.lab;
        let artifact = lab.copy(Lab::step()).await.unwrap();
        lab.cinder.write(&lab.volume, b"damage");
        let (driver, mut ctx, mut runs) = (lab.driver(), lab.ctx(Lab::step()), 0);
        let killed = loop {
            let ran = driver.restore(&ctx, &artifact).await.unwrap();
            runs += 1;
            match ran {
                _ if runs == kill + 1 => {}
                Outcome::Done(_) => break runs > kill,
                Outcome::Later { checkpoint, .. } => ctx.checkpoint = checkpoint,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let found = (lab.content(), used.place(), used.status());
        assert_eq!(found, (CONTENT.to_vec(), Some("/dev/vdc".to_owned()), "in-use".to_owned()), "killed after {kill}");
        if !killed || kill > 60 {
            assert!(kill > 8, "it was over at once");
            return;
        }
        kill += 1;
    }
}

#[tokio::test]
async fn what_fails_while_it_is_detached_brings_it_back_first() {
    let used = Used::start().await;
    let lab = &used.lab;
    let step = Lab::step();
    let artifact = lab.copy(step).await.unwrap();
    lab.nova.hold();
    let (ended, ()) = tokio::join!(lab.restore(&artifact), async {
        until(|| used.status() == "detaching").await;
        // Somebody removes what it is restored from.
        lab.discard(step, Some(&artifact)).await.unwrap();
        lab.nova.release();
    });
    let why = permanent(ended);
    assert!(why.contains("was removed while it was restored") && why.contains("again, as /dev/vdc"), "{why}");
    assert_eq!((used.place().as_deref(), used.status().as_str()), (Some("/dev/vdc"), "in-use"));
}

#[tokio::test]
async fn what_can_not_be_attached_again_is_said_with_what_to_do() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.ends(Ends::RestoreInError);
    let why = permanent(lab.restore(&artifact).await);
    let (server, volume) = (&used.server, &lab.volume);
    assert!(why.contains("is error_restoring now"), "{why}");
    assert!(
        why.contains(&format!("could not be attached again to server {server} (/dev/vdc): it is error_restoring")),
        "{why}"
    );
    assert!(why.contains(&format!("openstack server add volume --device /dev/vdc {server} {volume}")), "{why}");
}

#[tokio::test]
async fn a_guest_that_does_not_let_go_keeps_its_volume_as_it_was() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.write(&lab.volume, b"newer");
    lab.nova.always(nova::Ends::NotDetached, true);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("does not let go of volume") && why.contains("openstack server stop"), "{why}");
    assert_eq!((lab.content(), used.place().as_deref()), (b"newer".to_vec(), Some("/dev/vdc")));
}

#[tokio::test]
async fn a_server_that_does_not_take_it_back_at_once_is_asked_again() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.nova.ends(nova::Ends::NotAttached);
    lab.restore(&artifact).await.unwrap();
    assert_eq!(used.place().as_deref(), Some("/dev/vdc"));
    lab.nova.always(nova::Ends::NotAttached, true);
    let why = permanent(lab.restore(&artifact).await);
    assert!(why.contains("did not take it in 5 tries") && why.contains("openstack server add volume"), "{why}");
}

#[tokio::test]
async fn a_storm_on_the_way_and_lost_answers_change_nothing() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.write(&lab.volume, b"damage");
    lab.nova.fault("DELETE", Fault::Lost, 1);
    lab.nova.fault("POST", Fault::Lost, 1);
    lab.nova.fault("GET", Fault::Status(503), 9);
    lab.cinder.fault("POST", Fault::Status(503), 3);
    lab.restore(&artifact).await.unwrap();
    assert_eq!((lab.content(), used.place().as_deref()), (CONTENT.to_vec(), Some("/dev/vdc")));
}

#[tokio::test]
async fn a_device_that_is_taken_meanwhile_is_replaced_and_named() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    let (did, ()) = tokio::join!(lab.restore(&artifact), async {
        until(|| used.place().is_none()).await;
        let third = lab.cinder.volume("demo-id", b"");
        lab.nova.attach(&used.server, &third, "/dev/vdc");
    });
    assert!(did.unwrap().notes[0].contains("again, as /dev/vdd"), "{:?}", used.place());
}

#[tokio::test]
async fn a_server_that_is_gone_meanwhile_gets_nothing_back() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.write(&lab.volume, b"damage");
    let (did, ()) = tokio::join!(lab.restore(&artifact), async {
        until(|| lab.cinder.look(&lab.volume, |volume| volume.attached.is_empty()).unwrap()).await;
        lab.nova.lose_server(&used.server);
    });
    assert!(did.unwrap().notes[0].contains("is left detached"));
    assert_eq!(lab.content(), CONTENT);
}

#[tokio::test]
async fn a_volume_of_several_servers_or_of_a_locked_one_is_left_alone() {
    let used = Used::start().await;
    let lab = &used.lab;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.nova.change(&used.server, |server| server.locked = Some("mine".to_owned()));
    assert!(permanent(lab.restore(&artifact).await).contains("openstack server unlock"));
    lab.nova.change(&used.server, |server| server.locked = None);
    let second = lab.nova.server("demo-id", b"");
    lab.nova.attach(&second, &lab.volume, "/dev/vdb");
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    assert!(blockers[0].contains("is used by 2 servers") && blockers[0].contains(&second), "{blockers:?}");
    assert!(permanent(lab.restore(&artifact).await).contains("all but one"));
    lab.nova.lose_server(&second);
    lab.cinder
        .change(&lab.volume, |volume| drop(volume.attached.insert("elsewhere".to_owned(), "/dev/sdz".to_owned())));
    lab.cinder.change(&lab.volume, |volume| drop(volume.attached.remove(&used.server)));
    assert!(permanent(lab.restore(&artifact).await).contains("is no server of this project"));
}

#[tokio::test]
async fn what_a_server_boots_from_is_restored_only_where_an_administrator_declared_it_free() {
    let lab = Lab::start(Backup, 1).await;
    let server = lab.nova.server_from("demo-id", &lab.volume);
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.write(&lab.volume, b"damage");
    let blockers = lab.preview(&artifact).await.unwrap().blockers;
    assert!(blockers[0].contains(&format!("server {server} boots from volume")), "{blockers:?}");
    assert!(permanent(lab.restore(&artifact).await).contains("openstack volume set --state available"));
    // Not while it runs.
    lab.cinder.change(&lab.volume, |volume| volume.status = "available".to_owned());
    permanent(lab.restore(&artifact).await);
    assert_eq!(lab.content(), b"damage");
    lab.nova.change(&server, |server| server.vm_state = "stopped".to_owned());
    let did = lab.restore(&artifact).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    assert!(did.notes[0].contains("openstack volume set --state in-use"), "{did:?}");
}

/// In each mode: a backup alone would be begun when the server runs again.
#[tokio::test]
async fn a_volume_whose_server_was_stopped_is_cut_by_a_snapshot_and_says_so() {
    for mode in [Backup, Snapshot, SnapshotAndBackup] {
        let mut used = Used::start().await;
        used.lab.settings.mode = mode;
        used.lab.cloud.caller.servers = ServerMode::Stop;
        let (lab, step) = (&used.lab, Lab::step());
        let cut = async || match lab.driver().cut(&lab.ctx(step)).await.unwrap() {
            Outcome::Done(Cut::None) => None,
            Outcome::Done(_) | Outcome::Later { .. } => Some(lab.cinder.snapshots().len()),
        };
        // A server that is off by somebody else's order, or on, is not one that was stopped for it.
        assert_eq!(cut().await.is_none(), mode == Backup);
        lab.discard(step, None).await.unwrap();
        lab.nova.change(&used.server, |server| {
            server.vm_state = "stopped".to_owned();
            server.metadata.insert("stacksnap_stopped".to_owned(), step.operation.to_string());
        });
        assert_eq!(cut().await, Some(1), "{mode:?}");
        let artifact = lab.copy(step).await.unwrap();
        assert_eq!(artifact.data["stopped"], serde_json::json!([used.server]));
        assert_eq!(
            (artifact.data["backup"].is_string(), lab.cinder.snapshots().len()),
            (mode != Snapshot, usize::from(mode == Snapshot))
        );
        let plan = lab.preview(&artifact).await.unwrap();
        assert!(plan.notes.iter().any(|note| note.contains("was stopped for the snapshot")), "{plan:?}");
    }
}
