//! What carries our mark in a cloud and has no record: listed, and deleted only by its id.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_openstack::fake::cinder::Backup;

use super::trusts::{Alice, config};
use super::{Cloud, two};
use crate::support::app::App;

fn listed(app: &App, more: &[&str]) -> (i32, Vec<Value>, String) {
    let ran = app.ask(&[&["orphans", "--json", "--older-than", "0s"], more].concat());
    let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    (ran.status, lines.collect(), ran.stderr)
}

fn ids(listed: &[Value]) -> Vec<&str> {
    listed.iter().map(|it| it["id"].as_str().unwrap()).collect()
}

/// A backup that says it is of a step that no record knows; its id.
fn left_behind(cloud: &Cloud, project: &str, marked: &str) -> String {
    let volume = cloud.cinder.volume(project, b"left");
    let backup = cloud.cinder.foreign_backup(&volume, false);
    cloud.cinder.change_backup(&backup, |backup: &mut Backup| {
        let step = format!("{}.2.0", uuid::Uuid::now_v7());
        backup.metadata =
            [("stacksnap_step", step.as_str()), ("stacksnap_project", marked), ("stacksnap_resource", "data")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
    });
    backup
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_no_record_knows_is_listed_and_only_what_is_named_is_deleted() {
    let cloud = Cloud::start().await;
    cloud.keystone.grant("alice", "demo", &["member", "reader"]);
    cloud.keystone.grant("stacksnap", "service", &["admin", "service"]);
    let app = App::embedded_with(&config(&cloud)).await;
    let alice = Alice { cloud: &cloud, app: &app, http: Client::builder().build().unwrap() };
    let volume = cloud.volume("one");
    let stack = alice.stack(&volume).await;
    let (kept, operation) = alice.ask(Method::POST, &format!("{stack}/snapshots"), json!({})).await;
    alice.completes(&operation).await;

    // A user's own, and one that lies elsewhere than its mark says, are none of ours.
    cloud.cinder.foreign_backup(&volume, false);
    left_behind(&cloud, "other-id", "demo-id");
    assert_eq!(listed(&app, &[]).1, Vec::<Value>::new());

    // Nor is what is being made now, though its snapshot has no record of it yet.
    cloud.cinder.hold();
    let (_, running) = alice.ask(Method::POST, &format!("{stack}/snapshots"), json!({})).await;
    app.until("the backup is creating", async |_| cloud.cinder.backups().iter().any(|it| it.status == "creating"))
        .await;
    assert_eq!(listed(&app, &[]).1, Vec::<Value>::new());
    cloud.cinder.release();
    alice.completes(&running).await;

    // One of a project that is there no more too, and a trust that no grant names.
    let (lost, vanished) = (left_behind(&cloud, "demo-id", "demo-id"), left_behind(&cloud, "gone-id", "gone-id"));
    let lasts = Duration::from_secs(20 * 3600);
    let trust = cloud.keystone.trust("alice", "stacksnap", "demo", lasts);
    cloud.keystone.trust("alice", "somebody", "demo", lasts);
    let (status, found, _) = listed(&app, &[]);
    assert_eq!((status, found.len()), (0, 3), "{found:#?}");
    for id in [&lost, &vanished, &trust] {
        assert!(ids(&found).contains(&id.as_str()), "{id}: {found:#?}");
    }
    let young = app.ask(&["orphans"]);
    assert!(young.stdout.contains(&trust) && !young.stdout.contains(&lost), "by default only the older: {young:?}");

    // The backup of a snapshot is not deleted, whoever names it.
    let good = cloud.cinder.backups()[0].id.clone();
    let before = cloud.cinder.backups().len();
    let (status, found, stderr) = listed(&app, &["--delete", &format!("{lost},{good}")]);
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains(&format!("{good} is no orphan")), "{stderr}");
    let removed: Vec<_> = found.iter().filter(|it| it["removed"] == true).map(|it| it["id"].clone()).collect();
    assert_eq!(removed, [lost.as_str()]);
    assert_eq!(cloud.cinder.backups().len(), before - 1);
    let (status, _, stderr) = listed(&app, &["--delete", &vanished, "--delete", &trust]);
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(listed(&app, &[]).1, Vec::<Value>::new());

    // What was kept is restored.
    cloud.cinder.write(&volume, b"damage");
    let path = format!("{stack}/snapshots/{}", kept["id"].as_str().unwrap());
    let (_, operation) = alice.ask(Method::POST, &format!("{path}/restore"), Value::Null).await;
    alice.completes(&operation).await;
    assert_eq!(cloud.content(&volume), "one");
    assert_eq!(listed(&app, &[]).1, Vec::<Value>::new(), "nor the bridge or the trust of a restore");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_searched_is_said() {
    let cloud = Cloud::start().await;
    let app = App::embedded_with(&cloud.config("")).await;
    let lost = left_behind(&cloud, "demo-id", "default");
    let (status, found, stderr) = listed(&app, &[]);
    assert_eq!((status, ids(&found)), (0, vec![lost.as_str()]), "our projects are not Keystone's here: {stderr}");
    assert!(stderr.contains("project demo-id only"), "{stderr}");
    cloud.cinder.ends(stacksnap_openstack::fake::cinder::Ends::DeleteInError);
    let (status, found, _) = listed(&app, &["--delete", &lost]);
    assert_eq!(status, 1);
    assert!(found[0]["failed"].as_str().unwrap().contains("error_deleting"), "{found:#?}");
    cloud.keystone.away(true);
    let (status, found, stderr) = listed(&app, &[]);
    assert_eq!((status, found.len()), (1, 0));
    assert!(stderr.contains("Cinder could not be searched"), "{stderr}");
    cloud.keystone.away(false);
}

/// It has no metadata, so its name says which step has taken it.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_group_is_found_by_its_name_and_goes_with_its_parts() {
    let cloud = Cloud::start().await;
    let app = App::embedded_with(&cloud.config("mode = \"snapshot\"")).await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    let group = cloud.cinder.group("demo-id", &[&first, &second]);
    let stack = app.stack_of("s", two(&first, &second)).await;
    app.snapshot(&stack, "good").await;
    let kept = cloud.cinder.group_snapshots()[0].id.clone();
    cloud.cinder.foreign_group_snapshot(&group, "stacksnap-of-mine");
    assert_eq!(listed(&app, &[]).1, Vec::<Value>::new(), "one is a snapshot's, the other a user's");

    let lost = cloud.cinder.foreign_group_snapshot(&group, &format!("stacksnap-{}.1.0", uuid::Uuid::now_v7()));
    let (status, found, stderr) = listed(&app, &["--delete", &format!("{lost},{kept}")]);
    assert_eq!((status, ids(&found)), (1, vec![lost.as_str()]), "{stderr}");
    assert_eq!(
        (&found[0]["what"], &found[0]["project"], &found[0]["bytes"]),
        (&json!("group snapshot"), &json!("demo-id"), &json!(2_u64 << 30))
    );
    assert!(stderr.contains(&format!("{kept} is no orphan")), "{stderr}");
    assert_eq!((cloud.cinder.group_snapshots().len(), cloud.cinder.snapshots().len()), (2, 4));
}

/// An image that says it is of a step that no record knows; its id.
fn image_left_behind(cloud: &Cloud, project: &str, marked: &str) -> String {
    let image = cloud.glance.image(project, "stacksnap-left", b"left");
    cloud.glance.change(&image, |image| {
        let step = format!("{}.2.0", uuid::Uuid::now_v7());
        image.properties =
            [("stacksnap_step", step.as_str()), ("stacksnap_project", marked), ("image_type", "snapshot")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
    });
    image
}

/// Whether the service may see all projects, or its user's only.
#[tokio::test(flavor = "multi_thread")]
async fn images_of_servers_are_found_too() {
    for admin in [true, false] {
        let cloud = Cloud::start().await;
        if admin {
            cloud.keystone.grant("operator", "demo", &["member", "admin"]);
        }
        let app = App::embedded_with(&cloud.config("")).await;
        let server = cloud.nova.server("demo-id", b"disk");
        let stack = app.stack_of("s", json!({"web": {"type": "OS::Nova::Server", "external_id": server}})).await;
        let snapshot = app.snapshot(&stack, "good").await;
        // A user's own image of a server, whatever it is called, is none of ours.
        let own = image_left_behind(&cloud, "demo-id", "default");
        cloud.glance.change(&own, |image| drop(image.properties.remove("stacksnap_step")));
        assert_eq!(listed(&app, &[]).1, Vec::<Value>::new(), "admin {admin}");

        let (lost, afar) =
            (image_left_behind(&cloud, "demo-id", "default"), image_left_behind(&cloud, "other-id", "default"));
        let (status, found, stderr) = listed(&app, &[]);
        let mut found_ids = ids(&found);
        found_ids.sort();
        let expected = if admin { vec![lost.as_str(), afar.as_str()] } else { vec![lost.as_str()] };
        assert_eq!((status, found_ids), (0, expected), "admin {admin}: {stderr}");
        assert_eq!(stderr.contains("Glance was searched in project demo-id only"), !admin, "{stderr}");
        assert_eq!((&found[0]["what"], &found[0]["bytes"]), (&json!("image"), &json!(4)));
        let kept = cloud.glance.images().into_iter().find(|image| image.properties.contains_key("stacksnap_snapshot"));
        let kept = kept.unwrap().id;
        let (status, _, stderr) = listed(&app, &["--delete", &format!("{lost},{kept}")]);
        assert!(status == 1 && stderr.contains(&format!("{kept} is no orphan")), "{stderr}");
        let left = cloud.glance.images();
        assert!(!left.iter().any(|image| image.id == lost) && left.iter().any(|image| image.id == own));
        cloud.nova.write(&server, b"damage");
        app.restore(&stack, &snapshot).await;
        assert_eq!(cloud.nova.content(&server).unwrap(), b"disk");

        // One that somebody protects is said to be there still.
        let lost = image_left_behind(&cloud, "demo-id", "default");
        cloud.glance.change(&lost, |image| image.protected = true);
        let (status, found, _) = listed(&app, &["--delete", &lost]);
        let lost = found.iter().find(|it| it["id"] == lost.as_str()).unwrap();
        assert!(status == 1 && lost["failed"].as_str().unwrap().contains("is protected"), "{found:#?}");
    }
}

/// In a cloud whose projects are ours, what lies elsewhere than its mark says is another installation's.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_project_than_its_mark_says_is_none_of_ours() {
    let cloud = Cloud::start().await;
    cloud.keystone.grant("stacksnap", "service", &["admin", "service"]);
    let app = App::embedded_with(&config(&cloud)).await;
    image_left_behind(&cloud, "other-id", "demo-id");
    assert_eq!(listed(&app, &[]).1, Vec::<Value>::new());
    let lost = image_left_behind(&cloud, "demo-id", "demo-id");
    assert_eq!(ids(&listed(&app, &[]).1), [lost.as_str()]);
}
