//! Stacks of native types: their values made, shown, captured in the manifest alone, and put back.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::App;

fn resources() -> Value {
    json!({
        "secret": {"type": "OS::Heat::RandomString", "properties": {"length": 16}},
        "t": {"type": "OS::Heat::TestResource", "properties": {
            "value": {"str_replace": {"template": "one-s", "params": {"s": {"get_attr": ["secret", "value"]}}}}}},
        "v": {"type": "OS::Heat::Value", "properties": {"type": "json", "value": {"f": 0.1, "t": {"get_resource": "t"}}}},
        "n": {"type": "OS::Heat::None", "properties": {"any": "thing"}},
    })
}

async fn attributes(app: &App, stack: &str, resource: &str) -> Value {
    app.get(&format!("{stack}/resources/{resource}")).await["resource"]["attributes"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_made_kept_and_verified_without_an_entry_of_their_own() {
    let app = App::embedded().await;
    let stack = app.stack_of("s", resources()).await;
    let secret = attributes(&app, &stack, "secret").await["value"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 16);
    assert_eq!(attributes(&app, &stack, "t").await, json!({"output": format!("one-{secret}")}));
    let shown = app.get(&format!("{stack}/resources/t")).await["resource"].clone();
    let physical = shown["physical_resource_id"].as_str().unwrap().to_owned();
    assert!(physical.starts_with("s-t-"), "{physical}");
    assert_eq!(attributes(&app, &stack, "v").await, json!({"value": {"f": 0.1, "t": physical}}));
    assert_eq!(attributes(&app, &stack, "n").await, json!({}));

    let snapshot = app.snapshot(&stack, "one").await;
    let shown = app.get(&format!("{stack}/snapshots/{snapshot}")).await["snapshot"].clone();
    assert_eq!(shown["status_reason"], "Stack SNAPSHOT completed successfully");
    let (_, verified) = app.change(Method::POST, &format!("{stack}/snapshots/{snapshot}/verify"), None).await;
    app.completes(&verified).await;
    let (_, planned) = app.change(Method::POST, &format!("{stack}/snapshots/{snapshot}/plan"), None).await;
    let plan = app.completes(&planned).await["plan"].clone();
    for name in ["secret", "t", "v", "n"] {
        assert_eq!(plan["resources"][name]["unchanged"], 1, "{plan}");
    }
    app.restore(&stack, &snapshot).await;
    assert_eq!(attributes(&app, &stack, "secret").await["value"], secret, "a restore makes no new one");

    let (_, deleted) = app.change(Method::DELETE, &format!("{stack}/snapshots/{snapshot}"), None).await;
    app.completes(&deleted).await;
    let (_, deleted) = app.change(Method::DELETE, &stack, None).await;
    app.completes(&deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_resource_waits_and_fails_as_it_is_told() {
    let app = App::embedded().await;
    let template = |fail: bool| {
        json!({"heat_template_version": "2015-04-30", "resources": {"bad": {
        "type": "OS::Heat::TestResource", "properties": {"fail": fail, "action_wait_secs": {"create": 1}}}}})
    };
    let body = |name: &str, fail| Some(json!({"stack_name": name, "template": template(fail)}));
    let (made, operation) = app.change(Method::POST, "/stacks", body("slow", false)).await;
    let stack = format!("/stacks/slow/{}", made["stack"]["id"].as_str().unwrap());
    assert_eq!(app.get(&stack).await["stack"]["stack_status"], "CREATE_IN_PROGRESS");
    app.completes(&operation).await;
    assert_eq!(app.get(&stack).await["stack"]["stack_status"], "CREATE_COMPLETE");

    let (made, operation) = app.change(Method::POST, "/stacks", body("bad", true)).await;
    assert_eq!(app.ended(&operation).await["state"], "failed");
    let stack = format!("/stacks/bad/{}", made["stack"]["id"].as_str().unwrap());
    let shown = app.get(&stack).await["stack"].clone();
    assert_eq!(shown["stack_status"], "CREATE_FAILED");
    let reason = shown["stack_status_reason"].as_str().unwrap();
    assert!(reason.contains("Test Resource failed bad"), "{reason}");
    assert_eq!(app.get(&format!("{stack}/resources/bad")).await["resource"]["physical_resource_id"], "");
}

/// From the request to COMPLETE, on RabbitMQ and Redis, nearly two windows of steps; each of them is protected. How long
/// it takes is printed and not judged here.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_resources_are_snapshotted_at_once() {
    let app = App::distributed(1, &[]).await;
    let resources: serde_json::Map<_, _> = (0..60)
        .map(|i| (format!("t{i}"), json!({"type": "OS::Heat::TestResource", "properties": {"value": i}})))
        .collect();
    let stack = app.stack_of("s", Value::Object(resources)).await;
    let mut took = Vec::new();
    for round in 0..11 {
        let began = Instant::now();
        let body = Some(json!({"name": format!("{round}")}));
        let (made, _) = app.change(Method::POST, &format!("{stack}/snapshots"), body).await;
        let path = format!("{stack}/snapshots/{}", made["id"].as_str().unwrap());
        let snapshot = loop {
            let snapshot = app.get(&path).await["snapshot"].clone();
            if snapshot["status"] != "IN_PROGRESS" {
                break snapshot;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{}", app.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        took.push(began.elapsed());
        assert_eq!((&snapshot["status"], &snapshot["protected"]), (&json!("COMPLETE"), &json!(60)), "{snapshot}");
    }
    // The first one opens the vault.
    took.remove(0);
    took.sort();
    println!("60 resources, 10 rounds: median {:?}, slowest {:?}", took[5], took[9]);
}
