//! Volumes of a stack that is Heat's: Heat has the volumes, we their bytes. A whole cloud, and the binary in front of it.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_openstack::fake::heat::Heat;

use super::Cloud;
use super::trusts::Alice;
use crate::support::app::App;

/// Two volumes, and a third in a nested stack.
fn template() -> Value {
    json!({
        "heat_template_version": "2018-08-31",
        "resources": {
            "data": {"type": "OS::Cinder::Volume", "properties": {"size": 1, "metadata": {"purpose": "data"}}},
            "logs": {"type": "OS::Cinder::Volume", "properties": {"size": 1}, "depends_on": "data"},
            "nested": {"type": "nested.yaml"},
        },
    })
}

fn files() -> Value {
    let nested = json!({"heat_template_version": "2018-08-31", "resources": {
        "inner": {"type": "OS::Cinder::Volume", "properties": {"size": 1}}}});
    json!({"nested.yaml": nested.to_string()})
}

const PATHS: [&str; 3] = ["data", "logs", "nested.inner"];

struct Front {
    cloud: Cloud,
    heat: Heat,
    app: App,
    /// In Heat.
    id: String,
}

impl Front {
    /// With the stack `s`.
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// And with this in the configuration.
    async fn start_with(more: &str) -> Self {
        let cloud = Cloud::start().await;
        cloud.keystone.grant("alice", "demo", &["member", "reader"]);
        let heat = Heat::start_in(&cloud.keystone, &cloud.cinder).await;
        let (keystone, url) = (cloud.keystone.url(), heat.url());
        let config = format!(
            "auth = \"keystone\"\n[keystone]\nauth_url = \"{keystone}\"\nusername = \"stacksnap\"\n\
             password = \"secret-of-stacksnap\"\nproject = \"service\"\n[heat]\nurl = \"{url}\"\n[openstack]\nenabled = true\n\
             [worker]\nlease = \"2s\"\nrenew = \"500ms\"\n{more}"
        );
        let app = App::embedded_with(&config).await;
        let body = json!({"stack_name": "s", "template": template(), "files": files()});
        let id = heat.stack_of("demo-id", &body);
        Self { cloud, heat, app, id }
    }

    fn alice(&self) -> Alice<'_> {
        Alice { cloud: &self.cloud, app: &self.app, http: Client::builder().build().unwrap() }
    }

    fn path(&self) -> String {
        format!("/stacks/s/{}", self.id)
    }

    fn volumes(&self) -> Vec<String> {
        PATHS.iter().map(|path| self.heat.physical(&self.id, path).unwrap()).collect()
    }

    fn write(&self, what: &str) {
        for (path, volume) in PATHS.iter().zip(self.volumes()) {
            self.cloud.cinder.write(&volume, format!("{what} of {path}").as_bytes());
        }
    }

    fn holds(&self, what: &str) {
        for (path, volume) in PATHS.iter().zip(self.volumes()) {
            assert_eq!(self.cloud.content(&volume), format!("{what} of {path}"));
        }
    }

    async fn shows(&self, wanted: &str) -> Value {
        let alice = self.alice();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
        loop {
            let (body, _) = alice.ask(Method::GET, &self.path(), Value::Null).await;
            let stack = body["stack"].clone();
            if stack["stack_status"] == wanted {
                return stack;
            }
            assert!(std::time::Instant::now() < until, "{stack} and not {wanted}; {}", self.app.log());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    async fn snapshot(&self) -> String {
        let alice = self.alice();
        let (made, operation) = alice.ask(Method::POST, &format!("{}/snapshots", self.path()), json!({})).await;
        alice.completes(&operation).await;
        format!("{}/snapshots/{}", self.path(), made["id"].as_str().unwrap())
    }

    async fn restore(&self, snapshot: &str) {
        let alice = self.alice();
        let (_, operation) = alice.ask(Method::POST, &format!("{snapshot}/restore"), Value::Null).await;
        alice.completes(&operation).await;
        self.shows("RESTORE_COMPLETE").await;
    }

    async fn update(&self, body: Value) {
        self.alice().ask(Method::PUT, &self.path(), body).await;
        self.shows("UPDATE_COMPLETE").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_and_the_stack_in_it_come_back_byte_for_byte_as_often_as_one_likes() {
    let front = Front::start().await;
    let before = front.volumes();
    front.write("good");
    let snapshot = front.snapshot().await;
    let (shown, _) = front.alice().ask(Method::GET, &snapshot, Value::Null).await;
    let shown = &shown["snapshot"];
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(4)), "{shown}");

    for damage in ["damage", "worse"] {
        front.write(damage);
        front.restore(&snapshot).await;
        front.holds("good");
        assert_eq!(front.volumes(), before, "the same volumes");
    }
    // Nothing was rewritten in the template: the user's own goes on to work, and changes nothing about the volumes.
    assert_eq!(front.heat.template(&front.id), template());
    front.update(json!({"template": template(), "files": files()})).await;
    assert_eq!(front.volumes(), before);
    front.holds("good");

    let alice = front.alice();
    let (_, operation) = alice.ask(Method::DELETE, &front.path(), Value::Null).await;
    alice.completes(&operation).await;
    assert_eq!(front.heat.status(&front.id), "DELETE_COMPLETE");
    let cinder = &front.cloud.cinder;
    assert_eq!((cinder.backups().len(), cinder.snapshots().len(), cinder.volumes("demo-id").len()), (0, 0, 0));
    front.app.until("no trust is left", async |_| front.cloud.keystone.trusts() == 0).await;
}

/// A volume with a snapshot can't be deleted in Cinder: ours are gone before Heat begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_whose_snapshots_are_on_the_backend_is_deleted() {
    let front = Front::start().await;
    let alice = front.alice();
    let body = json!({"volumes": "snapshot"});
    let (_, operation) = alice.ask(Method::POST, &format!("{}/snapshots", front.path()), body).await;
    alice.completes(&operation).await;
    assert_eq!(front.cloud.cinder.snapshots().len(), 3);
    let (_, operation) = alice.ask(Method::DELETE, &front.path(), Value::Null).await;
    alice.completes(&operation).await;
    let cinder = &front.cloud.cinder;
    assert_eq!((cinder.snapshots().len(), cinder.volumes("demo-id").len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_of_the_stack_is_made_anew_by_heat_with_its_bytes() {
    let front = Front::start().await;
    front.write("good");
    let snapshot = front.snapshot().await;
    let before = front.volumes();
    let mut smaller = template();
    smaller["resources"].as_object_mut().unwrap().remove("logs");
    smaller["resources"]["more"] = json!({"type": "OS::Cinder::Volume", "properties": {"size": 1}});
    let nothing = json!({"heat_template_version": "2018-08-31", "resources": {}});
    front.update(json!({"template": smaller, "files": {"nested.yaml": nothing.to_string()}})).await;
    assert!(
        front.heat.physical(&front.id, "logs").is_none() && front.heat.physical(&front.id, "nested.inner").is_none()
    );
    let more = front.heat.physical(&front.id, "more").unwrap();

    // The plan says so before anything is touched.
    let alice = front.alice();
    let (_, operation) = alice.ask(Method::POST, &format!("{snapshot}/plan"), Value::Null).await;
    let plan = alice.ended(&operation).await;
    let text = plan.to_string();
    assert!(plan["state"] == "complete" && text.contains("create logs") && text.contains("delete more"), "{plan:#}");
    assert!(text.contains("Heat makes another one"), "{plan:#}");

    front.restore(&snapshot).await;
    front.holds("good");
    let after = front.volumes();
    assert_eq!(after[0], before[0]);
    assert!(after[1] != before[1] && after[2] != before[2]);
    assert!(front.cloud.cinder.content(&more).is_none(), "what was added since is gone");
    front.write("damage");
    front.restore(&snapshot).await;
    front.holds("good");
    assert_eq!(front.volumes(), after);

    // A snapshot from now on is of the new ones.
    front.write("newer");
    let newer = front.snapshot().await;
    front.write("damage");
    front.restore(&newer).await;
    front.holds("newer");
}

/// Heat deletes it, so the safety snapshot is of it too; and not as a snapshot on its backend, with which Cinder would not
/// delete it.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_into_the_stack_since_is_kept_before_heat_deletes_it() {
    let front = Front::start_with("[cinder]\nmode = \"snapshot\"\n").await;
    let alice = front.alice();
    front.write("good");
    let snapshot = front.snapshot().await;
    let mut larger = template();
    larger["resources"]["more"] = json!({"type": "OS::Cinder::Volume", "properties": {"size": 1}});
    front.update(json!({"template": larger, "files": files()})).await;
    let more = front.heat.physical(&front.id, "more").unwrap();
    front.cloud.cinder.write(&more, b"new since");
    front.write("newer");

    front.restore(&snapshot).await;
    front.holds("good");
    assert_eq!((front.heat.physical(&front.id, "more"), front.cloud.cinder.content(&more)), (None, None));
    let (events, _) = alice.ask(Method::GET, &format!("{}/events", front.path()), Value::Null).await;
    let shown = |event: &&Value| event["resource_name"] == "more" && event["resource_status"] == "IN_PROGRESS";
    let shown: Vec<_> = events["events"].as_array().unwrap().iter().filter(shown).collect();
    assert!(shown.iter().all(|event| event["resource_action"] != "UPDATE"), "only what Heat says: {shown:#?}");

    let (listed, _) = alice.ask(Method::GET, &format!("{}/snapshots?kind=safety", front.path()), Value::Null).await;
    let safety = &listed["snapshots"][0];
    assert_eq!((&safety["status"], &safety["protected"]), (&json!("COMPLETE"), &json!(5)), "{safety:#}");
    front.restore(&format!("{}/snapshots/{}", front.path(), safety["id"].as_str().unwrap())).await;
    front.holds("newer");
    let again = front.heat.physical(&front.id, "more").unwrap();
    assert_eq!(front.cloud.content(&again), "new since");
}

/// Heat can't be told of another volume, so nothing is touched.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_somebody_deleted_behind_heat_blocks_the_restore_and_says_what_to_do() {
    let front = Front::start().await;
    front.write("good");
    let snapshot = front.snapshot().await;
    let volumes = front.volumes();
    front.cloud.cinder.lose_volume(&volumes[1]);
    front.cloud.cinder.write(&volumes[0], b"newer");
    let alice = front.alice();
    let (_, operation) = alice.ask(Method::POST, &format!("{snapshot}/restore"), Value::Null).await;
    let ended = alice.ended(&operation).await;
    assert_eq!(ended["state"], "failed", "{ended:#}");
    assert!(ended["reason"].as_str().unwrap().contains("mark unhealthy"), "{ended:#}");
    assert_eq!(front.cloud.content(&volumes[0]), "newer");
}
