//! Operations: shown, listed, followed and cancelled.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::StreamExt;
use serde_json::{Value, json};
use stacksnap_common::operation::Verb;
use tower::ServiceExt;

use crate::support::{HOST, World, failing};

#[tokio::test]
async fn an_operation_is_shown_with_its_steps() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made = world.post(&format!("{stack}/snapshots"), json!({})).await;
    let path = format!("/v1/p/operations/{}", made.operation());
    let shown = world.get(&path).await.json()["operation"].clone();
    assert_eq!(
        (&shown["kind"], &shown["state"], &shown["phase"]),
        (&json!("snapshot"), &json!("running"), &json!("copy"))
    );
    assert_eq!(shown["snapshot_id"], made.json()["id"]);
    assert_eq!(shown["steps_total"], 3);
    assert_eq!(shown["steps"][0]["resource"], "data");
    assert_eq!((&shown["steps"][0]["verb"], &shown["steps"][0]["state"]), (&json!("copy"), &json!("waiting")));
    assert_eq!(
        world.get(&format!("{path}?steps_from=1&steps_limit=1")).await.json()["operation"]["steps"][0]["index"],
        1
    );
    world.work().await;
    let shown = world.get(&path).await.json()["operation"].clone();
    assert_eq!((&shown["state"], &shown["phase"], &shown["steps_done"]), (&json!("complete"), &Value::Null, &json!(3)));
    assert!(shown["steps"].as_array().unwrap().iter().all(|step| step["state"] == "done"), "{shown}");
    assert!(shown["ended_at"].is_string());
    for unknown in ["0198a000-0000-7000-8000-000000000000", "x"] {
        let (code, kind, message) = world.get(&format!("/v1/p/operations/{unknown}")).await.fault();
        assert_eq!((code, kind.as_str()), (404, "NotFound"));
        assert_eq!(message, format!("Operation with id {unknown} not found"));
    }
    assert_eq!(world.get(&path.replace("/p/", "/q/")).await.status, 404);
}

#[tokio::test]
async fn the_newest_come_first_in_pages() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.post(&format!("{stack}/snapshots"), json!({})).await.operation());
        world.work().await;
    }
    made.reverse();
    let ids = async |query: &str| -> Vec<String> {
        let body = world.get(&format!("/v1/p/operations{query}")).await.json();
        body["operations"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("?kind=snapshot").await, made);
    assert_eq!(ids("").await.len(), 6);
    assert_eq!(ids("?limit=2").await, made[..2]);
    assert_eq!(ids(&format!("?limit=2&marker={}", made[1])).await, made[2..4]);
    assert_eq!(ids("?state=failed").await, [""; 0]);
    assert_eq!(ids("?stack=0198a000-0000-7000-8000-000000000000").await, [""; 0]);
    assert_eq!(world.get("/v1/p/operations?limit=2").await.json()["next_marker"], made[1]);
    assert_eq!(world.get("/v1/p/operations?marker=x").await.fault().0, 400);
    assert_eq!(world.get("/v1/p/operations?state=bogus").await.fault().0, 400);
}

#[tokio::test]
async fn cancel_is_202_and_the_snapshot_says_by_whom() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made = world.post(&format!("{stack}/snapshots"), json!({})).await;
    let cancel = format!("/v1/p/operations/{}/cancel", made.operation());
    let first = world.post(&cancel, Value::Null).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_eq!(first.json()["operation"]["stopping"], true);
    assert_eq!(world.post(&cancel, json!({})).await.status, 202);
    world.work().await;
    let snapshot = world.get(&format!("{stack}/snapshots/{}", made.json()["id"].as_str().unwrap())).await.json();
    assert_eq!(snapshot["snapshot"]["status"], "FAILED");
    assert!(
        snapshot["snapshot"]["status_reason"].as_str().unwrap().contains("cancelled by anonymous at"),
        "{snapshot}"
    );
    let (code, _, message) = world.post(&cancel, Value::Null).await.fault();
    assert_eq!(code, 409);
    assert!(message.contains("it has ended"), "{message}");
    assert_eq!(world.post(&cancel, json!({"x": 1})).await.fault().0, 400);
}

#[tokio::test]
async fn a_restore_tells_what_it_restored_and_what_not() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    let restore = world.post(&format!("{snapshot}/restore"), json!({"safety": false})).await;
    world.work_as(&failing(Verb::Restore, "disk full")).await;
    let files = world.get(&format!("/v1/p/operations/{}/files", restore.operation())).await.json();
    let states: Vec<_> = files["resources"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "untouched"], "{files}");
    assert!(files["resources"][0]["reason"].as_str().unwrap().contains("disk full"));
    let again = world.post(&format!("{snapshot}/restore"), json!({"safety": false})).await;
    world.work().await;
    let files = world.get(&format!("/v1/p/operations/{}/files", again.operation())).await.json();
    assert_eq!(files["resources"][0]["result"]["restored"], json!(["a", "b"]), "{files}");
    let other = world.post(&format!("{stack}/snapshots"), json!({})).await;
    assert_eq!(world.get(&format!("/v1/p/operations/{}/files", other.operation())).await.fault().0, 400);
}

#[tokio::test]
async fn events_follow_an_operation_to_its_end() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made = world.post(&format!("{stack}/snapshots"), json!({})).await;
    let path = format!("/v1/p/operations/{}/events", made.operation());
    let request = Request::builder().uri(&path).header("host", HOST).body(Body::empty()).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    let mut text = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    while !text.contains("event: operation") {
        text.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.contains("event: step") && text.contains("\"state\":\"waiting\""), "{text}");
    world.work().await;
    let rest = tokio::time::timeout(Duration::from_secs(20), async {
        let mut rest = String::new();
        while let Some(part) = stream.next().await {
            rest.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
        }
        rest
    });
    let rest = rest.await.expect("the stream ends after the operation");
    let last = rest.trim().rsplit("data: ").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["state"], "complete", "{rest}");
    assert_eq!(world.ask(Method::GET, &path.replace("/p/", "/q/"), &[], b"").await.status, 404);
}
