//! Callers whom Keystone knows: workers act in the cloud in their name, by a trust, long after their tokens are gone.

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::Cloud;
use crate::support::app::App;

/// A member of `demo`.
pub(super) struct Alice<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) app: &'a App,
    pub(super) http: Client,
}

impl Alice<'_> {
    /// With a token of her own for this request. The answer, and the operation that it names.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Value) -> (Value, String) {
        let token = self.cloud.keystone.token("alice", Some("demo"));
        let mut request = self.http.request(method.clone(), format!("{}/v1/demo-id{path}", self.app.url));
        request = request.header("x-auth-token", token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}\n{}", self.app.log());
        let operation = headers.get("x-stacksnap-operation").map(|id| id.to_str().unwrap().to_owned());
        (serde_json::from_str(&text).unwrap_or_default(), operation.unwrap_or_default())
    }

    pub(super) async fn ended(&self, operation: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let (body, _) = self.ask(Method::GET, &format!("/operations/{operation}"), Value::Null).await;
            let state = body["operation"]["state"].as_str().unwrap_or_default();
            if ["complete", "failed", "cancelled"].contains(&state) {
                return body["operation"].clone();
            }
            assert!(Instant::now() < until, "never ended: {body:#}\n{}", self.app.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn completes(&self, operation: &str) {
        let ended = self.ended(operation).await;
        assert_eq!(ended["state"], "complete", "{ended:#}\n{}", self.app.log());
    }

    /// The path of a stack that has this volume, complete.
    pub(super) async fn stack(&self, volume: &str) -> String {
        let resources = json!({"data": {"type": "OS::Cinder::Volume", "external_id": volume}});
        let template = json!({"heat_template_version": "2018-08-31", "resources": resources});
        let body = json!({"stack_name": "s", "template": template});
        let (made, operation) = self.ask(Method::POST, "/stacks", body).await;
        self.completes(&operation).await;
        format!("/stacks/s/{}", made["stack"]["id"].as_str().unwrap())
    }
}

pub(super) fn config(cloud: &Cloud) -> String {
    let url = cloud.keystone.url();
    format!(
        "auth = \"keystone\"\n[keystone]\nauth_url = \"{url}\"\nusername = \"stacksnap\"\npassword = \"secret-of-stacksnap\"\n\
         project = \"service\"\n[openstack]\nenabled = true\n[worker]\nlease = \"2s\"\nrenew = \"500ms\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_acts_by_a_trust_that_outlives_the_token_and_ends_with_the_operation() {
    let cloud = Cloud::start().await;
    cloud.keystone.grant("alice", "demo", &["member", "reader"]);
    let volume = cloud.volume("one");
    let app = App::embedded_with(&config(&cloud)).await;
    let alice = Alice { cloud: &cloud, app: &app, http: Client::builder().build().unwrap() };
    let stack = alice.stack(&volume).await;

    // Every token that she has is revoked while the backup is made.
    cloud.cinder.hold();
    let (snapshot, operation) = alice.ask(Method::POST, &format!("{stack}/snapshots"), json!({})).await;
    app.until("the backup is creating", async |_| !cloud.cinder.backups().is_empty()).await;
    cloud.keystone.revoke_all("alice");
    cloud.cinder.release();
    alice.completes(&operation).await;
    cloud.cinder.write(&volume, b"damage");
    let path = format!("{stack}/snapshots/{}", snapshot["id"].as_str().unwrap());
    let (_, operation) = alice.ask(Method::POST, &format!("{path}/restore"), Value::Null).await;
    alice.completes(&operation).await;
    assert_eq!(cloud.content(&volume), "one");
    let (_, operation) = alice.ask(Method::POST, &format!("{path}/verify"), Value::Null).await;
    alice.completes(&operation).await;
    let (_, operation) = alice.ask(Method::DELETE, &stack, Value::Null).await;
    alice.completes(&operation).await;
    assert_eq!(cloud.cinder.backups().len(), 0);
    app.until("no trust is left", async |_| cloud.keystone.trusts() == 0).await;

    // A stack of which nothing is in a cloud needs none.
    let template = json!({"heat_template_version": "2018-08-31", "resources": {"v": {"type": "OS::Heat::Value",
        "properties": {"value": 1}}}});
    let body = json!({"stack_name": "plain", "template": template});
    let (_, operation) = alice.ask(Method::POST, "/stacks", body).await;
    assert_eq!(cloud.keystone.trusts(), 0);
    alice.completes(&operation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_that_is_taken_back_half_way_fails_the_snapshot_with_that_reason() {
    let cloud = Cloud::start().await;
    cloud.keystone.grant("alice", "demo", &["member", "reader"]);
    let volume = cloud.volume("one");
    let app = App::embedded_with(&config(&cloud)).await;
    let alice = Alice { cloud: &cloud, app: &app, http: Client::builder().build().unwrap() };
    let stack = alice.stack(&volume).await;
    cloud.cinder.hold();
    let (_, operation) = alice.ask(Method::POST, &format!("{stack}/snapshots"), json!({})).await;
    app.until("the backup is creating", async |_| !cloud.cinder.backups().is_empty()).await;
    cloud.keystone.drop_trusts();
    cloud.cinder.release();
    let ended = alice.ended(&operation).await;
    assert_eq!(ended["state"], "failed", "{ended:#}");
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.contains("401") && reason.contains("the right to act was taken back"), "{reason}");
    // It may not remove what it began either, so that is named.
    assert!(reason.contains(&cloud.cinder.backups()[0].id), "{reason}");
}
