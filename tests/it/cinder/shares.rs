//! Shares: in place where Manila can, else as new ones which the stack has then; in front of a Heat too.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_openstack::fake::heat::Heat;

use super::Cloud;
use super::trusts::Alice;
use crate::support::app::App;

impl Cloud {
    fn share(&self, content: &str) -> String {
        let id = self.manila.share("demo-id", content.as_bytes());
        self.manila.change(&id, |share| share.name = Some("files".to_owned()));
        self.manila.let_in(&id, "ip", "10.0.0.0/24", "rw");
        id
    }

    fn in_share(&self, share: &str) -> String {
        String::from_utf8(self.manila.content(share).unwrap()).unwrap()
    }

    fn shares(&self) -> usize {
        self.manila.shares("demo-id").len()
    }
}

fn one(share: &str) -> Value {
    json!({"files": {"type": "OS::Manila::Share", "external_id": share}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_taken_back_in_place_and_what_was_there_before_is_kept_safe() {
    let cloud = Cloud::start().await;
    let share = cloud.share("one");
    let app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", one(&share)).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(1)), "{shown}");
    assert!(shown.to_string().contains("on the share's own backend and is lost with it"), "{shown}");

    // Twice: a second restore restores again.
    for damage in ["damage", "worse"] {
        cloud.manila.write(&share, damage.as_bytes());
        app.restore(&stack, &snapshot).await;
        assert_eq!(cloud.in_share(&share), "one");
        assert_eq!((cloud.manila.snapshots().len(), cloud.manila.rules(&share).len()), (1, 1));
    }
    // The safety snapshots are shares of their own.
    let kept: Vec<_> = cloud.manila.shares("demo-id").into_iter().skip(1).map(|it| it.content).collect();
    assert_eq!(kept, [b"damage".to_vec(), b"worse".to_vec()]);
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots/{snapshot}/verify"), None).await;
    app.completes(&operation).await;

    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
    assert_eq!((cloud.manila.snapshots().len(), cloud.shares()), (0, 1), "the share itself is not ours to delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_can_not_go_back_comes_back_under_another_id_which_is_kept() {
    let cloud = Cloud::start().await;
    let share = cloud.share("one");
    cloud.manila.change(&share, |share| share.can.revert = false);
    let app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", one(&share)).await;
    let snapshot = app.snapshot(&stack, "good").await;
    cloud.manila.write(&share, b"damage");
    app.restore(&stack, &snapshot).await;
    let shown = app.get(&format!("{stack}/resources/files")).await["resource"].clone();
    let new = shown["physical_resource_id"].as_str().unwrap().to_owned();
    assert_ne!(new, share);
    assert_eq!((cloud.in_share(&new), cloud.in_share(&share)), ("one".to_owned(), "damage".to_owned()));
    assert_eq!(cloud.manila.rules(&new), ["ip 10.0.0.0/24 rw"]);

    // A new snapshot is of that one.
    cloud.manila.write(&new, b"newer");
    let newer = app.snapshot(&stack, "newer").await;
    let of: Vec<_> = cloud.manila.snapshots().into_iter().map(|it| it.share).collect();
    assert!(of.contains(&new), "{of:?}");
    app.restore(&stack, &newer).await;
    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
    assert_eq!((cloud.manila.snapshots().len(), cloud.shares()), (0, 3), "those that the stack had are the user's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_a_snapshot_is_creating_leaves_one() {
    let cloud = Cloud::start().await;
    let share = cloud.share("one");
    let mut app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", one(&share)).await;
    cloud.manila.hold();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    app.until("the snapshot is creating", async |_| cloud.manila.snapshots().len() == 1).await;
    app.api.kill();
    app.start_again().await;
    cloud.manila.release();
    app.completes(&operation).await;
    assert_eq!(cloud.manila.snapshots().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_the_user_s_own_is_named_before_anything_is_touched() {
    let cloud = Cloud::start().await;
    let share = cloud.share("one");
    let app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", one(&share)).await;
    let snapshot = app.snapshot(&stack, "good").await;
    let theirs = cloud.manila.foreign_snapshot(&share, "mine");
    cloud.manila.write(&share, b"damage");
    let path = format!("{stack}/snapshots/{snapshot}/restore");
    let (_, operation) = app.change(Method::POST, &path, None).await;
    let ended = app.ended(&operation).await;
    let reason = ended["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("{theirs} (mine)")) && reason.contains("openstack share snapshot delete"),
        "{reason}"
    );
    assert_eq!((cloud.in_share(&share), cloud.shares()), ("damage".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_record_knows_is_listed_and_removed() {
    let cloud = Cloud::start().await;
    let share = cloud.share("one");
    let app = App::embedded_with(&cloud.config("")).await;
    let stack = app.stack_of("s", one(&share)).await;
    app.snapshot(&stack, "good").await;
    let orphans = |more: &[&str]| app.ask(&[&["orphans", "--json", "--older-than", "0s"], more].concat());
    let ran = orphans(&[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);

    let step = format!("{}.2.0", uuid::Uuid::now_v7());
    let marks = [("stacksnap_step", step.as_str()), ("stacksnap_project", "default"), ("stacksnap_resource", "files")];
    let marks = marks.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (mine, lost) = (cloud.manila.foreign_snapshot(&share, "mine"), cloud.manila.foreign_snapshot(&share, "lost"));
    cloud.manila.change_snapshot(&lost, |it| it.metadata = marks.clone().into());
    // As before snapshots had metadata.
    let old = cloud.manila.foreign_snapshot(&share, &format!("stacksnap-{step}"));
    let stack_id = uuid::Uuid::new_v4();
    cloud.manila.change_snapshot(&old, |it| {
        it.description =
            Some(format!("files of stack {stack_id} of project default; made by stacksnap, which removes it"));
    });
    let half = cloud.share("half");
    cloud.manila.change(&half, |it| it.metadata = marks.into());
    let ran = orphans(&[]);
    let found: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut ids: Vec<_> = found.iter().map(|it| it["id"].as_str().unwrap()).collect();
    ids.sort();
    assert_eq!(ids, [&lost, &old, &half], "{found:#?}");
    assert!(found.iter().any(|it| it["stack"] == json!(stack_id.to_string())), "{found:#?}");
    let ran = orphans(&["--delete", &format!("{lost},{old},{half}")]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let left: Vec<_> = cloud.manila.snapshots().into_iter().map(|it| it.id).collect();
    assert!(left.len() == 2 && left.contains(&mine), "{left:?}");
    assert_eq!(cloud.shares(), 1);
}

/// A stack that is Heat's: the share keeps its id.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_a_heat_s_stack_comes_back_in_place() {
    let cloud = Cloud::start().await;
    cloud.keystone.grant("alice", "demo", &["member", "reader"]);
    let heat = Heat::start_in(&cloud.keystone, &cloud.cinder).await;
    let (keystone, url) = (cloud.keystone.url(), heat.url());
    let config = format!(
        "auth = \"keystone\"\n[keystone]\nauth_url = \"{keystone}\"\nusername = \"stacksnap\"\n\
         password = \"secret-of-stacksnap\"\nproject = \"service\"\n[heat]\nurl = \"{url}\"\n[openstack]\nenabled = true\n\
         [worker]\nlease = \"2s\"\nrenew = \"500ms\"\n"
    );
    let app = App::embedded_with(&config).await;
    let share = cloud.share("one");
    let template = json!({"heat_template_version": "2018-08-31", "resources": one(&share)});
    let id = heat.stack_of("demo-id", &json!({"stack_name": "s", "template": template}));
    let alice = Alice { cloud: &cloud, app: &app, http: Client::builder().build().unwrap() };
    let path = format!("/stacks/s/{id}");
    let (made, operation) = alice.ask(Method::POST, &format!("{path}/snapshots"), json!({})).await;
    alice.completes(&operation).await;
    cloud.manila.write(&share, b"damage");
    let snapshot = format!("{path}/snapshots/{}", made["id"].as_str().unwrap());
    let (_, operation) = alice.ask(Method::POST, &format!("{snapshot}/restore"), Value::Null).await;
    alice.completes(&operation).await;
    assert_eq!(cloud.in_share(&share), "one");
    let (_, operation) = alice.ask(Method::DELETE, &path, Value::Null).await;
    alice.completes(&operation).await;
    assert_eq!((cloud.manila.snapshots().len(), cloud.shares()), (0, 1));
    app.until("no trust is left", async |_| cloud.keystone.trusts() == 0).await;
}
