//! What is a volume's own: growth, other ids, chains of backups, snapshots that are not the newest.

use stacksnap_common::types::Artifact;
use stacksnap_common::types::VolumeMode::{Backup, Snapshot, SnapshotAndBackup};

use super::lab::{CONTENT, Lab};
use crate::drivers::cinder::TYPE;
use crate::drivers::openstack::lab;

fn backup(artifact: &Artifact) -> String {
    artifact.data["backup"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_thing_that_is_made_says_whose_it_is() {
    let lab = Lab::start(Backup, 1).await;
    let step = Lab::step();
    lab.copy(step).await.unwrap();
    let backup = &lab.cinder.backups()[0];
    assert_eq!(backup.name, Some(format!("stacksnap-{step}")));
    let ctx = lab.ctx(step);
    let expected = [
        ("stacksnap_project", "demo-id".to_owned()),
        ("stacksnap_resource", "data".to_owned()),
        ("stacksnap_snapshot", ctx.snapshot.unwrap().to_string()),
        ("stacksnap_stack", ctx.stack.to_string()),
        ("stacksnap_step", step.to_string()),
    ];
    let found: Vec<_> = backup.metadata.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(found, expected);
    assert!(backup.description.as_ref().unwrap().starts_with("data of stack "), "{:?}", backup.description);
}

/// A nested resource's path may be as long as all that Cinder takes of a description.
#[tokio::test]
async fn a_long_name_stands_in_no_ones_way() {
    let lab = Lab::start(SnapshotAndBackup, 1).await;
    let named = lab::resource(&"r".repeat(250), TYPE, &lab.volume);
    let artifact = lab::copy(&*lab.driver(), lab.cloud.ctx(Lab::step(), named.clone())).await.unwrap();
    let description = lab.cinder.backups()[0].description.clone().unwrap();
    assert!(description.ends_with("; made by stacksnap, which removes it"), "{description}");
    assert_eq!(description.chars().count(), 255);
    lab.cinder.lose_volume(&lab.volume);
    lab::restore(&*lab.driver(), lab.cloud.ctx(Lab::step(), named), &artifact).await.unwrap();
}

#[tokio::test]
async fn a_chain_is_full_every_so_often_and_goes_with_its_last_link() {
    let lab = Lab::start(Backup, 3).await;
    let mut steps = Vec::new();
    for _ in 0..4 {
        let step = Lab::step();
        steps.push((step, lab.copy(step).await.unwrap()));
        // Cinder's times are to the second.
        lab.cinder.change_backup(&backup(&steps.last().unwrap().1), |it| {
            it.data_timestamp = format!("2026-11-26T00:00:{:02}.000000", steps.len());
            it.created.clone_from(&it.data_timestamp);
        });
    }
    let parents: Vec<_> = lab.cinder.backups().into_iter().map(|it| it.parent).collect();
    let ids: Vec<_> = steps.iter().map(|(_, artifact)| Some(backup(artifact))).collect();
    assert_eq!(parents, [None, ids[0].clone(), ids[1].clone(), None]);
    assert_eq!(steps[2].1.data["parent"]["backup"].as_str(), ids[1].as_deref());
    assert_eq!(steps[2].1.data["parent"]["ours"], true);

    // The first is condemned: two are built on it. The last link takes both with it.
    lab.discard(steps[0].0, Some(&steps[0].1)).await.unwrap();
    lab.discard(steps[1].0, Some(&steps[1].1)).await.unwrap();
    assert_eq!((lab.cinder.backups().len(), lab.left().len()), (4, 2));
    lab.cinder.write(&lab.volume, b"damage");
    lab.restore(&steps[2].1).await.unwrap();
    assert_eq!(lab.content(), CONTENT);
    lab.discard(steps[2].0, Some(&steps[2].1)).await.unwrap();
    let left: Vec<_> = lab.cinder.backups().into_iter().map(|it| Some(it.id)).collect();
    assert_eq!(left, [ids[3].clone()]);
}

#[tokio::test]
async fn a_chain_that_is_discarded_all_at_once_goes_whole() {
    let lab = Lab::start(Backup, 9).await;
    let mut steps = Vec::new();
    for _ in 0..5 {
        let step = Lab::step();
        steps.push((step, lab.copy(step).await.unwrap()));
    }
    let all = steps.iter().map(|(step, artifact)| lab.discard(*step, Some(artifact)));
    for ended in futures_util::future::join_all(all).await {
        ended.unwrap();
    }
    assert_eq!(lab.cinder.backups().len(), 0, "{:?}", lab.cinder.backups());
}

#[tokio::test]
async fn a_parent_that_is_not_ours_is_named() {
    let lab = Lab::start(Backup, 9).await;
    let theirs = lab.cinder.foreign_backup(&lab.volume, false);
    let step = Lab::step();
    let artifact = lab.copy(step).await.unwrap();
    assert_eq!(artifact.data["parent"]["ours"], false);
    assert!(artifact.warnings[0].contains(&theirs) && artifact.warnings[0].contains("not this service's"));
    lab.discard(step, Some(&artifact)).await.unwrap();
    let left: Vec<_> = lab.cinder.backups().into_iter().map(|it| it.id).collect();
    assert_eq!(left, [theirs], "the user's own backup stays");
}

/// Ours is kept while a user's own is built on it, out of sight.
#[tokio::test]
async fn a_user_s_backup_keeps_ours_that_it_is_built_on() {
    let lab = Lab::start(Backup, 1).await;
    let step = Lab::step();
    let artifact = lab.copy(step).await.unwrap();
    lab.cinder.foreign_backup(&lab.volume, true);
    lab.discard(step, Some(&artifact)).await.unwrap();
    assert_eq!((lab.cinder.backups().len(), lab.left().len()), (2, 0));
}

#[tokio::test]
async fn a_volume_that_has_grown_keeps_its_size() {
    for mode in [Backup, Snapshot] {
        let lab = Lab::start(mode, 1).await;
        let artifact = lab.copy(Lab::step()).await.unwrap();
        lab.cinder.write(&lab.volume, b"damage");
        lab.cinder.change(&lab.volume, |volume| volume.size = 3);
        let plan = lab.preview(&artifact).await.unwrap();
        assert!(plan.blockers.is_empty() && plan.notes[0].contains("has grown from 1 to 3 GiB"), "{plan:?}");
        lab.restore(&artifact).await.unwrap();
        assert_eq!((lab.content(), lab.cinder.look(&lab.volume, |volume| volume.size)), (CONTENT.to_vec(), Some(3)));
        let backups = if mode == Backup { 1 } else { 0 };
        assert_eq!(lab.cinder.backups().len(), backups, "the bridge is gone");
    }
}

#[tokio::test]
async fn a_volume_that_is_gone_is_made_anew_as_it_was() {
    let lab = Lab::start(Backup, 1).await;
    lab.cinder.change(&lab.volume, |volume| {
        volume.bootable = true;
        volume.size = 2;
        volume.kind = "fast".to_owned();
        volume.description = Some("the data".to_owned());
    });
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.lose_volume(&lab.volume);
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.creates == 1 && plan.blockers.is_empty() && plan.notes[0].contains("another id"), "{plan:?}");
    let did = lab.restore(&artifact).await.unwrap();
    let new = did.physical_id.unwrap();
    assert_ne!(new, lab.volume);
    let made = lab.cinder.look(&new, Clone::clone).unwrap();
    assert_eq!((made.content, made.name.as_deref(), made.size), (CONTENT.to_vec(), Some("data"), 2));
    assert_eq!((made.bootable, made.kind.as_str(), made.description.as_deref()), (true, "fast", Some("the data")));
    assert_eq!(made.metadata.into_iter().collect::<Vec<_>>(), [("purpose".to_owned(), "first".to_owned())]);
    assert_eq!(lab.cinder.volumes("demo-id"), [new]);
}

#[tokio::test]
async fn a_volume_of_a_heat_s_stack_that_is_gone_is_heat_s_to_make() {
    let mut lab = Lab::start(Backup, 1).await;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    lab.cinder.lose_volume(&lab.volume);
    lab.cloud.caller.may_move = false;
    // The stack has it no more: the plan counts on Heat to make another one first.
    let plan = lab.preview(&artifact).await.unwrap();
    assert!(plan.creates == 1 && plan.notes[0].contains("Heat makes another one"), "{plan:?}");
    let refused = lab.restore(&artifact).await.unwrap_err().to_string();
    assert!(refused.contains("mark unhealthy"), "{refused}");
    assert_eq!(lab.cinder.volumes("demo-id").len(), 0);
}

#[tokio::test]
async fn the_newest_snapshot_is_reverted_to_and_an_older_one_is_bridged() {
    let lab = Lab::start(Snapshot, 1).await;
    let artifact = lab.copy(Lab::step()).await.unwrap();
    for newer in [false, true] {
        if newer {
            lab.copy(Lab::step()).await.unwrap();
        }
        lab.cinder.write(&lab.volume, b"damage");
        lab.cinder.asked();
        lab.restore(&artifact).await.unwrap();
        assert_eq!(lab.content(), CONTENT);
        let asked = lab.cinder.asked();
        let reverted = asked.iter().any(|asked| asked.body.get("revert").is_some());
        let bridged = asked.iter().any(|asked| asked.path.ends_with("/restore"));
        assert_eq!((reverted, bridged), (!newer, newer));
        assert_eq!(lab.cinder.backups().len(), 0);
    }
}
