//! Databases of a cloud, end to end: the binary, its embedded default, and a cloud with state.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stacksnap_openstack::fake;
use stacksnap_openstack::fake::trove::Delays;
use tempfile::TempDir;

use crate::support::app::App;

struct Cloud {
    _others: (fake::Keystone, fake::Cinder),
    trove: fake::Trove,
    instance: String,
    dir: TempDir,
}

impl Cloud {
    async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        keystone.grant("operator", "demo", &["member"]);
        let cinder = fake::Cinder::start(&keystone).await;
        let trove = fake::Trove::start(&keystone).await;
        let takes = Duration::from_millis(300);
        trove.delays(Delays { backup: takes, build: takes, delete: takes });
        let instance = trove.instance("demo-id", b"rows");
        let dir = tempfile::tempdir().unwrap();
        let clouds = json!({"clouds": {"test": {"auth": {
            "auth_url": keystone.url().as_str(), "username": "operator", "password": "secret-of-operator", "project_name": "demo"}}}});
        std::fs::write(dir.path().join("clouds.yaml"), clouds.to_string()).unwrap();
        Self { _others: (keystone, cinder), trove, instance, dir }
    }

    async fn app(&self) -> App {
        let file = self.dir.path().join("clouds.yaml");
        App::embedded_with(&format!(
            "[openstack]\nenabled = true\ncloud = \"test\"\nclouds_file = {file:?}\nprojects = [\"default\"]\n\
             [worker]\nlease = \"2s\"\nrenew = \"500ms\"\n"
        ))
        .await
    }

    fn resources(&self) -> Value {
        let properties = json!({"flavor": "6", "size": 2, "datastore_type": "mysql", "users": []});
        json!({"db": {"type": "OS::Trove::Instance", "external_id": self.instance, "properties": properties}})
    }

    fn content(&self, instance: &str) -> String {
        String::from_utf8(self.trove.content(instance).unwrap()).unwrap()
    }
}

/// The instance that is in the stack.
async fn current(app: &App, stack: &str) -> String {
    let shown = app.get(&format!("{stack}/resources/db")).await["resource"].clone();
    shown["physical_resource_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_comes_back_beside_the_old_one_and_no_backup_is_left() {
    let cloud = Cloud::start().await;
    let app = cloud.app().await;
    let stack = app.stack_of("s", cloud.resources()).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(1)), "{shown}");
    assert_eq!(shown["consistency"], "application", "{shown}");

    // Twice: a second restore restores again, into another one still.
    let mut seen = vec![cloud.instance.clone()];
    for damage in ["damage", "worse"] {
        cloud.trove.write(seen.last().unwrap(), damage.as_bytes());
        app.restore(&stack, &snapshot).await;
        let now = current(&app, &stack).await;
        assert_eq!((cloud.content(&now), cloud.content(seen.last().unwrap())), ("rows".to_owned(), damage.to_owned()));
        assert!(!seen.contains(&now));
        seen.push(now);
    }
    // What is snapshotted next is the new one.
    cloud.trove.write(seen.last().unwrap(), b"newer rows");
    let newer = app.snapshot(&stack, "newer").await;
    app.restore(&stack, &newer).await;
    let now = current(&app, &stack).await;
    assert_eq!(
        (cloud.content(&now), cloud.trove.look(&now, |it| it.name.clone())),
        ("newer rows".to_owned(), Some("orders".to_owned()))
    );

    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
    assert_eq!(cloud.trove.backups().len(), 0, "{:?}", cloud.trove.backups());
    assert_eq!(cloud.trove.counted("demo-id"), 0);
    assert_eq!(cloud.trove.instances().len(), 4, "instances are not ours to delete");
}

/// The records say which backups are wanted: nothing can be written on one of Trove's.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_with_its_last_snapshot() {
    let cloud = Cloud::start().await;
    let app = cloud.app().await;
    let stack = app.stack_of("s", cloud.resources()).await;
    let mut snapshots = Vec::new();
    for name in ["a", "b", "c", "d"] {
        snapshots.push(app.snapshot(&stack, name).await);
    }
    let parents: Vec<_> = cloud.trove.backups().into_iter().map(|it| it.parent).collect();
    assert!(parents[0].is_none() && parents[1..].iter().all(Option::is_some), "{parents:?}");
    let delete =
        async |snapshot: &str| app.change(Method::DELETE, &format!("{stack}/snapshots/{snapshot}"), None).await.1;
    app.completes(&delete(&snapshots[0]).await).await;
    assert_eq!(cloud.trove.backups().len(), 4, "the others are built on it");
    cloud.trove.write(&cloud.instance, b"damage");
    let body = Some(json!({"safety": false}));
    let path = format!("{stack}/snapshots/{}/restore", snapshots[1]);
    app.completes(&app.change(Method::POST, &path, body).await.1).await;
    assert_eq!(cloud.content(&current(&app, &stack).await), "rows");
    // Two at the same time, then the last.
    let (two, three) = (delete(&snapshots[1]).await, delete(&snapshots[2]).await);
    app.completes(&two).await;
    app.completes(&three).await;
    app.completes(&delete(&snapshots[3]).await).await;
    assert_eq!(cloud.trove.backups().len(), 0, "{:?}", cloud.trove.backups());
    assert_eq!(cloud.trove.counted("demo-id"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_trove_works_leaves_one_of_each() {
    let cloud = Cloud::start().await;
    let mut app = cloud.app().await;
    let stack = app.stack_of("s", cloud.resources()).await;
    cloud.trove.hold();
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("the backup is made", async |_| cloud.trove.backups().len() == 1).await;
    app.api.kill();
    app.start_again().await;
    cloud.trove.release();
    app.completes(&operation).await;
    assert_eq!(cloud.trove.backups().len(), 1, "{:?}", cloud.trove.backups());

    cloud.trove.write(&cloud.instance, b"damage");
    let path = format!("{stack}/snapshots/{}/restore", made["id"].as_str().unwrap());
    let (_, operation) = app.change(Method::POST, &path, Some(json!({"safety": false}))).await;
    cloud.trove.hold();
    app.until("the instance is made", async |_| cloud.trove.instances().len() == 2).await;
    app.api.kill();
    app.start_again().await;
    cloud.trove.release();
    app.completes(&operation).await;
    assert_eq!(cloud.trove.instances().len(), 2);
    assert_eq!(cloud.content(&current(&app, &stack).await), "rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_record_knows_is_found_and_what_a_chain_needs_is_not() {
    let cloud = Cloud::start().await;
    let app = cloud.app().await;
    let stack = app.stack_of("s", cloud.resources()).await;
    let first = app.snapshot(&stack, "a").await;
    app.snapshot(&stack, "b").await;
    let (_, deleted) = app.change(Method::DELETE, &format!("{stack}/snapshots/{first}"), None).await;
    app.completes(&deleted).await;
    let listed = |more: &[&str]| {
        let ran = app.ask(&[&["orphans", "--json", "--older-than", "0s"], more].concat());
        let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        lines
    };
    assert_eq!(listed(&[]), Vec::<Value>::new(), "the first is condemned, and the second is known");

    // A copy of the second's mark, of a step that nobody knows; and an instance that a restore left half-made.
    let of_second = cloud.trove.backups()[1].clone();
    let step = format!("{}.3.0", uuid::Uuid::now_v7());
    let lost = cloud.trove.foreign_backup(&cloud.instance, None);
    cloud.trove.foreign_backup(&cloud.instance, None);
    cloud.trove.change_backup(&lost, |it| {
        it.name = format!("stacksnap-{step}");
        it.description.clone_from(&of_second.description);
    });
    let half = cloud.trove.instance("demo-id", b"");
    let stack_id = stack.rsplit('/').next().unwrap();
    cloud.trove.change(&half, |it| {
        it.name = format!("stacksnap-{step} for project default, stack {stack_id}, resource db");
    });
    let found = listed(&[]);
    let what: Vec<_> = found.iter().map(|it| (it["what"].as_str().unwrap(), it["id"].as_str().unwrap())).collect();
    assert_eq!(what, [("backup", lost.as_str()), ("instance", half.as_str())], "{found:#?}");
    assert_eq!((&found[0]["resource"], &found[1]["stack"]), (&json!("db"), &json!(stack_id)));
    let removed = listed(&["--delete", &lost, "--delete", &half]);
    assert!(removed.iter().all(|it| it["removed"] == true), "{removed:#?}");
    assert_eq!((cloud.trove.backups().len(), cloud.trove.instances().len()), (3, 1));
}
