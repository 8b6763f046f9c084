//! Volumes, servers and shares of a cloud, end to end: the binary, its embedded default, and a cloud with state.

mod groups;
mod heat;
mod many;
mod orphans;
mod servers;
mod shares;
mod stopped;
mod trusts;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stacksnap_openstack::fake;
use stacksnap_openstack::fake::cinder::Delays;
use stacksnap_openstack::fake::{manila, nova};
use tempfile::TempDir;

use crate::support::app::App;

struct Cloud {
    keystone: fake::Keystone,
    cinder: fake::Cinder,
    glance: fake::Glance,
    nova: fake::Nova,
    manila: fake::Manila,
    dir: TempDir,
}

impl Cloud {
    async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        keystone.grant("operator", "demo", &["member"]);
        let cinder = fake::Cinder::start(&keystone).await;
        let glance = fake::Glance::start(&keystone).await;
        let nova = fake::Nova::start(&keystone, &cinder, &glance).await;
        let manila = fake::Manila::start(&keystone).await;
        let takes = Duration::from_millis(300);
        cinder.delays(Delays { volume: takes, snapshot: takes, backup: takes, restore: takes, delete: takes });
        nova.delays(nova::Delays { image: takes, image_lag: takes, rebuild: takes, power: takes, attach: takes });
        manila.delays(manila::Delays {
            share: takes,
            snapshot: takes,
            revert: takes,
            size: takes,
            rule: takes,
            delete: takes,
        });
        let dir = tempfile::tempdir().unwrap();
        let clouds = json!({"clouds": {"test": {"auth": {
            "auth_url": keystone.url().as_str(), "username": "operator", "password": "secret-of-operator", "project_name": "demo"}}}});
        std::fs::write(dir.path().join("clouds.yaml"), clouds.to_string()).unwrap();
        Self { keystone, cinder, glance, nova, manila, dir }
    }

    fn config(&self, cinder: &str) -> String {
        let file = self.dir.path().join("clouds.yaml");
        format!(
            "[openstack]\nenabled = true\ncloud = \"test\"\nclouds_file = {file:?}\nprojects = [\"default\"]\n[cinder]\n{cinder}\n\
             [worker]\nlease = \"2s\"\nrenew = \"500ms\"\n"
        )
    }

    fn volume(&self, content: &str) -> String {
        self.cinder.volume("demo-id", content.as_bytes())
    }

    fn content(&self, volume: &str) -> String {
        String::from_utf8(self.cinder.content(volume).unwrap()).unwrap()
    }
}

fn two(first: &str, second: &str) -> Value {
    json!({
        "data": {"type": "OS::Cinder::Volume", "external_id": first},
        "logs": {"type": "OS::Cinder::Volume", "external_id": second, "depends_on": "data"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_volumes_are_brought_back_byte_for_byte_and_nothing_is_left() {
    for mode in ["backup", "snapshot", "snapshot+backup"] {
        let cloud = Cloud::start().await;
        let (first, second) = (cloud.volume("one"), cloud.volume("two"));
        let app = App::embedded_with(&cloud.config(&format!("mode = {mode:?}"))).await;
        let stack = app.stack_of("s", two(&first, &second)).await;
        let snapshot = app.snapshot(&stack, "good").await;
        let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
        assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(2)), "{mode}: {shown}");

        // Twice: a second restore restores again.
        for damage in ["damage", "worse"] {
            cloud.cinder.write(&first, damage.as_bytes());
            cloud.cinder.write(&second, damage.as_bytes());
            app.restore(&stack, &snapshot).await;
            assert_eq!((cloud.content(&first), cloud.content(&second)), ("one".to_owned(), "two".to_owned()), "{mode}");
        }

        let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
        app.completes(&deleted).await;
        assert_eq!((cloud.cinder.backups().len(), cloud.cinder.snapshots().len()), (0, 0), "{mode}");
        assert_eq!(cloud.cinder.volumes("demo-id").len(), 2, "{mode}: the volumes themselves are not ours to delete");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_gone_comes_back_under_another_id_which_is_kept() {
    let cloud = Cloud::start().await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    let app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", two(&first, &second)).await;
    let snapshot = app.snapshot(&stack, "good").await;
    cloud.cinder.lose_volume(&second);
    app.restore(&stack, &snapshot).await;
    let shown = app.get(&format!("{stack}/resources/logs")).await["resource"].clone();
    let new = shown["physical_resource_id"].as_str().unwrap().to_owned();
    assert_ne!(new, second);
    assert_eq!(cloud.content(&new), "two");

    // The same snapshot again goes into that one, and a new snapshot is of it.
    cloud.cinder.write(&new, b"newer");
    let newer = app.snapshot(&stack, "newer").await;
    app.restore(&stack, &snapshot).await;
    assert_eq!(cloud.content(&new), "two");
    app.restore(&stack, &newer).await;
    assert_eq!(cloud.content(&new), "newer");
    assert_eq!(cloud.cinder.volumes("demo-id").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_a_backup_is_creating_leaves_one_backup() {
    let cloud = Cloud::start().await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    let mut app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", two(&first, &second)).await;
    cloud.cinder.hold();
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("both backups are creating", async |_| {
        cloud.cinder.backups().iter().filter(|backup| backup.status == "creating").count() == 2
    })
    .await;
    app.api.kill();
    app.start_again().await;
    cloud.cinder.release();
    app.completes(&operation).await;
    let backups = cloud.cinder.backups();
    assert_eq!(backups.len(), 2, "{backups:?}");
    cloud.cinder.write(&first, b"damage");
    app.restore(&stack, made["id"].as_str().unwrap()).await;
    assert_eq!(cloud.content(&first), "one");
}

/// A request says otherwise than the configuration, for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_chooses_what_is_made_of_volumes() {
    let cloud = Cloud::start().await;
    let volume = cloud.volume("one");
    let app = App::embedded_with(&cloud.config("mode = \"backup\"")).await;
    let stack = app.stack_of("s", json!({"data": {"type": "OS::Cinder::Volume", "external_id": volume}})).await;
    let body = Some(json!({"volumes": "snapshot"}));
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), body).await;
    app.completes(&operation).await;
    assert_eq!((cloud.cinder.backups().len(), cloud.cinder.snapshots().len()), (0, 1));
    let body = Some(json!({"volumes": "clone"}));
    assert_eq!(app.send(Method::POST, &format!("{stack}/snapshots"), body).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_the_operator_does_not_name_gets_nowhere() {
    let cloud = Cloud::start().await;
    let volume = cloud.volume("one");
    let app = App::embedded_with(&cloud.config("").replace("projects = [\"default\"]", "projects = [\"other\"]")).await;
    let template = json!({"heat_template_version": "2018-08-31", "resources": {
        "data": {"type": "OS::Cinder::Volume", "external_id": volume}}});
    let body = Some(json!({"stack_name": "s", "template": template}));
    let (_, operation) = app.change(Method::POST, "/stacks", body).await;
    let ended = app.ended(&operation).await;
    assert_eq!(ended["state"], "failed");
    assert!(ended["reason"].as_str().unwrap().contains("openstack.projects"), "{ended}");
    assert_eq!(cloud.cinder.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_cancelled_while_its_backups_are_made_leaves_none() {
    let cloud = Cloud::start().await;
    let (first, second) = (cloud.volume("one"), cloud.volume("two"));
    let app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", two(&first, &second)).await;
    cloud.cinder.hold();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("both backups are creating", async |_| cloud.cinder.backups().len() == 2).await;
    app.change(Method::POST, &format!("/operations/{operation}/cancel"), None).await;
    cloud.cinder.release();
    assert_eq!(app.ended(&operation).await["state"], "cancelled");
    assert_eq!(cloud.cinder.backups().len(), 0);
}
