//! A stack of another service as a resource of ours: here that service is another stacksnap, which Keystone's catalogue
//! calls orchestration.

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_openstack::fake;

use crate::support::app::App;

struct There<'a> {
    app: &'a App,
    keystone: &'a fake::Keystone,
    http: Client,
}

impl There<'_> {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let token = self.keystone.token("operator", Some("demo"));
        let request = self.http.request(method.clone(), format!("{}/v1/demo-id{path}", self.app.url));
        let request = request.header("x-auth-token", token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}\n{}", self.app.log());
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn until(&self, stack: &str, status: &str) {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let shown = self.ask(Method::GET, stack, Value::Null).await["stack"]["stack_status"].clone();
            if shown == status {
                return;
            }
            assert!(Instant::now() < until, "{shown} and never {status}\n{}", self.app.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn names(&self, stack: &str) -> Vec<String> {
        let snapshots = self.ask(Method::GET, &format!("{stack}/snapshots"), Value::Null).await["snapshots"].clone();
        snapshots.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn parameter(&self, stack: &str) -> Value {
        self.ask(Method::GET, stack, Value::Null).await["stack"]["parameters"]["content"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_another_stacksnap_is_snapshotted_restored_and_left_as_it_was() {
    let keystone = fake::Keystone::start().await;
    keystone.grant("operator", "demo", &["member", "reader"]);
    let url = keystone.url();
    let app = App::embedded_with(&format!(
        "auth = \"keystone\"\n[keystone]\nauth_url = \"{url}\"\nusername = \"stacksnap\"\n\
         password = \"secret-of-stacksnap\"\nproject = \"service\"\n"
    ))
    .await;
    keystone.list_service("orchestration", &format!("{}/v1/%(project_id)s", app.url));
    let there = There { app: &app, keystone: &keystone, http: Client::builder().build().unwrap() };
    let template = json!({"heat_template_version": "2018-08-31", "parameters": {"content": {"type": "string"}},
        "resources": {"value": {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "content"}}}}});
    let made = json!({"stack_name": "over-there", "template": template, "parameters": {"content": "good"}});
    let id = there.ask(Method::POST, "/stacks", made).await["stack"]["id"].as_str().unwrap().to_owned();
    let stack = format!("/stacks/over-there/{id}");
    there.until(&stack, "CREATE_COMPLETE").await;

    let dir = tempfile::tempdir().unwrap();
    let clouds = dir.path().join("clouds.yaml");
    let auth = json!({"auth_url": url.as_str(), "username": "operator", "password": "secret-of-operator", "project_name": "demo"});
    std::fs::write(&clouds, json!({"clouds": {"test": {"auth": auth}}}).to_string()).unwrap();
    let here = App::embedded_with(&format!(
        "[openstack]\nenabled = true\ncloud = \"test\"\nclouds_file = {clouds:?}\nprojects = [\"default\"]\n"
    ))
    .await;
    let ours = here.stack_of("s", json!({"remote": {"type": "OS::Heat::Stack", "external_id": id}})).await;
    let snapshot = here.snapshot(&ours, "good").await;
    let shown = here.get(&format!("{ours}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("COMPLETE"), &json!(1)), "{shown}");
    let left = there.ask(Method::GET, &format!("{stack}/snapshots"), Value::Null).await;
    assert!(left["snapshots"][0]["name"].as_str().unwrap().starts_with("stacksnap-"), "{left}");

    let name = format!("stacksnap-{}.2.0", uuid::Uuid::now_v7());
    for name in ["stacksnap-of-mine", &name] {
        there.ask(Method::POST, &format!("{stack}/snapshots"), json!({ "name": name })).await;
        there.until(&stack, "SNAPSHOT_COMPLETE").await;
    }
    let orphans = ["orphans", "--json", "--older-than", "0s"];
    let ran = here.ask(&orphans);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("one is listed: {ran:?}"));
    assert_eq!((&found["what"], &found["stack"]), (&json!("stack snapshot"), &json!("over-there")), "{found}");
    let lost = found["id"].as_str().unwrap();
    let ran = here.ask(&[&orphans[..], &["--delete", lost]].concat());
    assert_eq!((ran.status, here.ask(&orphans).stdout.as_str()), (0, ""), "{ran:?}");
    let names = there.names(&stack).await;
    assert!(names.len() == 2 && !names.contains(&name) && names.contains(&"stacksnap-of-mine".to_owned()), "{names:?}");

    for damage in ["damage", "worse"] {
        there.ask(Method::PATCH, &stack, json!({"parameters": {"content": damage}})).await;
        there.until(&stack, "UPDATE_COMPLETE").await;
        assert_eq!(there.parameter(&stack).await, damage);
        here.restore(&ours, &snapshot).await;
        assert_eq!(there.parameter(&stack).await, "good");
    }

    let (_, deleted) = here.change(Method::DELETE, &ours, None).await;
    here.completes(&deleted).await;
    let left = there.ask(Method::GET, &format!("{stack}/snapshots"), Value::Null).await;
    let left = left["snapshots"].as_array().unwrap();
    assert!(left.len() == 1 && left[0]["name"] == "stacksnap-of-mine", "nothing of ours is left there: {left:?}");
    there.until(&stack, "RESTORE_COMPLETE").await;
}
