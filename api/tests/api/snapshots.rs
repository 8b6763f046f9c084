//! The five operations of Heat on snapshots, and ours beside them, as clients see them.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use stacksnap_common::operation::Verb;
use stacksnap_common::store::{Claimed, Ended, Settings};

use crate::support::{World, failing, good, keys, kinds};

/// Heat 27's keys, in its order (transcripts 028 and 053).
const HEATS: [&str; 7] = ["id", "name", "action", "status", "status_reason", "data", "creation_time"];
const DATA: [&str; 11] = [
    "name",
    "id",
    "action",
    "environment",
    "files",
    "status",
    "template",
    "resources",
    "project_id",
    "stack_user_project_id",
    "tags",
];

async fn status(world: &World, stack: &str) -> String {
    world.get(stack).await.json()["stack"]["stack_status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn create_answers_200_bare_and_the_stack_is_in_progress_by_then() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made =
        world.post(&format!("{stack}/snapshots"), json!({"name": "snap1", "labels": {"a": "b"}, "other": 1})).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(!made.operation().is_empty());
    let body = made.json();
    assert_eq!(keys(&body)[..7], HEATS);
    assert_eq!(keys(&body["data"]), DATA);
    assert_eq!(
        (&body["name"], &body["action"], &body["status"]),
        (&json!("snap1"), &json!("CREATE"), &json!("IN_PROGRESS"))
    );
    assert_eq!(body["status_reason"], Value::Null);
    assert_eq!(body["data"]["resources"], json!({}));
    assert_eq!((&body["data"]["action"], &body["data"]["status"]), (&json!("CREATE"), &json!("COMPLETE")));
    let environment = ["resource_registry", "parameters", "parameter_defaults", "event_sinks"];
    assert_eq!(keys(&body["data"]["environment"]), environment);
    assert_eq!(body["labels"], json!({"a": "b"}));
    assert!(body["creation_time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(status(&world, &stack).await, "SNAPSHOT_IN_PROGRESS");

    let path = format!("{stack}/snapshots/{}", body["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.json()["snapshot"]["status"], "IN_PROGRESS");
    let (code, kind, message) = world.post(&format!("{stack}/snapshots"), json!({})).await.fault();
    assert_eq!((code, kind.as_str()), (409, "ActionInProgress"));
    assert_eq!(message, "Stack gold already has an action (SNAPSHOT) in progress.");
    let (code, kind, message) = world.delete(&path).await.fault();
    assert_eq!((code, kind.as_str()), (400, "NotSupported"));
    assert_eq!(message, "Deleting in-progress snapshot is not supported.");
    let (code, kind, message) = world.post(&format!("{path}/restore"), Value::Null).await.fault();
    assert_eq!((code, kind.as_str()), (400, "NotSupported"));
    assert_eq!(message, "Restoring incomplete snapshot is not supported.");
    for (verb, doing) in [("plan", "Planning the restore of"), ("verify", "Verifying")] {
        let (code, kind, message) = world.post(&format!("{path}/{verb}"), json!({})).await.fault();
        assert_eq!((code, kind.as_str()), (400, "NotSupported"));
        assert_eq!(message, format!("{doing} incomplete snapshot is not supported."));
    }
}

#[tokio::test]
async fn a_complete_snapshot_says_what_it_protects_and_what_not() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let path = world.snapshot(&stack).await;
    assert_eq!(status(&world, &stack).await, "SNAPSHOT_COMPLETE");
    let body = world.get(&path).await.json();
    assert_eq!(keys(&body), ["snapshot"]);
    let snapshot = &body["snapshot"];
    assert_eq!(snapshot["status"], "COMPLETE");
    assert!(snapshot["status_reason"].as_str().unwrap().contains("2 of 3 resources protected"), "{snapshot}");
    assert_eq!((&snapshot["resources"], &snapshot["protected"]), (&json!(3), &json!(2)));
    let data = &snapshot["data"];
    assert_eq!((&data["action"], &data["status"]), (&json!("SNAPSHOT"), &json!("COMPLETE")));
    assert_eq!(keys(&data["resources"]), ["data", "logs", "net"]);
    let resource = ["name", "resource_id", "type", "action", "status", "metadata", "resource_data", "artifact"];
    assert_eq!(keys(&data["resources"]["data"]), resource);
    assert_eq!(data["resources"]["data"]["resource_id"], "/srv/data");
    let facts = &data["resources"]["data"]["artifact"];
    assert_eq!((&facts["protected"], &facts["bytes"], &facts["digest"]), (&json!(true), &json!(4096), &json!("d1")));
    let net = &data["resources"]["net"];
    assert_eq!(net["artifact"]["protected"], false);
    assert_eq!(net["artifact"]["why"], "no driver for OS::Neutron::Net");
    assert_eq!(net["metadata"], json!({"k": "v"}));
}

#[tokio::test]
async fn lists_are_ordered_paged_and_hide_safety_snapshots() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let mut paths = Vec::new();
    for _ in 0..3 {
        paths.push(world.snapshot(&stack).await);
    }
    let restore = world.post(&format!("{}/restore", paths[0]), Value::Null).await;
    assert_eq!(restore.status, 202, "{}", restore.text);
    world.work().await;
    let ids = async |query: &str| -> Vec<String> {
        let body = world.get(&format!("{stack}/snapshots{query}")).await.json();
        assert_eq!(keys(&body), ["snapshots"]);
        body["snapshots"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<_> = paths.iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(ids("").await, all);
    assert_eq!(ids("?limit=2").await, all[..2]);
    assert_eq!(ids(&format!("?limit=2&marker={}", all[1])).await, all[2..]);
    assert_eq!(ids("?sort_dir=desc&limit=1").await, all[2..]);
    assert_eq!(ids("?status=FAILED").await, [""; 0]);
    assert_eq!(ids("?kind=safety").await.len(), 1);
    assert_eq!(ids("?kind=all").await.len(), 4);
    let body = world.get(&format!("{stack}/snapshots?with_data=false")).await.json();
    assert_eq!(body["snapshots"][0]["data"], Value::Null);
    for wrong in ["?limit=x", "?limit=-1", "?kind=some", "?with_data=perhaps", "?sort_dir=up"] {
        assert_eq!(world.get(&format!("{stack}/snapshots{wrong}")).await.fault().0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn restore_is_202_as_accept_asks_and_works_twice() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let path = format!("{}/restore", world.snapshot(&stack).await);
    let first = world.post(&path, Value::Null).await;
    assert_eq!(first.status, 202);
    assert_eq!(first.header("content-type"), "application/json");
    let body = json!({"message": "The request is accepted for processing.<br /><br />\n\n\n", "code": "202 Accepted", "title": "Accepted"});
    assert_eq!(first.json(), body);
    assert_eq!(first.header("location"), "");
    assert_eq!(status(&world, &stack).await, "RESTORE_IN_PROGRESS");
    assert_eq!(world.post(&path, Value::Null).await.fault().1, "ActionInProgress");
    world.work().await;
    assert_eq!(status(&world, &stack).await, "RESTORE_COMPLETE");
    let second = world.ask(Method::POST, &path, &[("accept", "*/*")], b"").await;
    assert_eq!(second.header("content-type"), "text/html; charset=UTF-8");
    assert_ne!(first.operation(), second.operation());
    world.work().await;
    let third = world.ask(Method::POST, &path, &[], b"xyz").await;
    assert_eq!(third.status, 202);
    assert_eq!(third.text, "202 Accepted\n\nThe request is accepted for processing.\n\n   ");
    world.work().await;
    assert_eq!(status(&world, &stack).await, "RESTORE_COMPLETE");
}

#[tokio::test]
async fn a_restore_may_choose_resources_and_decline_safety() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let path = format!("{}/restore", world.snapshot(&stack).await);
    let operation = async |reply: crate::support::Reply| {
        assert_eq!(reply.status, 202, "{}", reply.text);
        world.work().await;
        let shown = world.get(&format!("/v1/p/operations/{}", reply.operation())).await.json()["operation"].clone();
        assert_eq!(shown["state"], "complete", "{shown}");
        (shown["safety_snapshot_id"].is_null(), shown["steps"].as_array().unwrap().len())
    };
    assert_eq!(operation(world.post(&path, json!({})).await).await, (false, 3));
    assert_eq!(operation(world.post(&path, json!({"safety": false, "resources": ["logs"]})).await).await, (true, 2));
    assert_eq!(
        operation(world.post(&format!("{path}?safety=false&resource=data"), Value::Null).await).await,
        (true, 2)
    );
    let headers = [("x-stacksnap-safety", "false")];
    assert_eq!(operation(world.ask(Method::POST, &path, &headers, b"").await).await, (true, 3));
    for wrong in [
        json!({"anything": 1}),
        json!({"resources": "data"}),
        json!({"resources": []}),
        json!({"resources": ["a/b"]}),
        json!({"resources": ["unknown"]}),
        json!({"resources": ["net"]}),
        json!({"safety": "no"}),
    ] {
        assert_eq!(world.post(&path, wrong.clone()).await.fault().0, 400, "{wrong}");
    }
    let headers = [("x-stacksnap-safety", "perhaps")];
    assert_eq!(world.ask(Method::POST, &path, &headers, b"").await.fault().0, 400);
}

#[tokio::test]
async fn delete_is_204_then_404() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let path = world.snapshot(&stack).await;
    let first = world.delete(&path).await;
    assert_eq!((first.status.as_u16(), first.text.as_str(), first.header("content-type")), (204, "", ""));
    assert!(!first.operation().is_empty());
    let shown = world.get(&path).await.json()["snapshot"].clone();
    assert_eq!((&shown["action"], &shown["status"]), (&json!("DELETE"), &json!("IN_PROGRESS")));
    assert_eq!(shown["status_reason"], "Snapshot delete started");
    assert_eq!(world.delete(&path).await.status, 204);
    assert_eq!(status(&world, &stack).await, "SNAPSHOT_COMPLETE");
    world.work().await;
    let id = path.rsplit('/').next().unwrap();
    for reply in
        [world.get(&path).await, world.delete(&path).await, world.post(&format!("{path}/restore"), Value::Null).await]
    {
        let (code, kind, message) = reply.fault();
        assert_eq!((code, kind.as_str()), (404, "NotFound"));
        assert_eq!(message, format!("Snapshot with id {id} not found"));
    }
}

/// What is kept in memory of a snapshot is what the store has of it, at each moment of its life; others change it too.
#[tokio::test]
async fn what_is_shown_again_is_what_is_there() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made = world.post(&format!("{stack}/snapshots"), json!({})).await.json();
    let path = format!("{stack}/snapshots/{}", made["id"].as_str().unwrap());
    let agree = async |moment: &str| {
        for asked in [path.clone(), format!("{stack}/snapshots")] {
            // Twice: the second time from memory, where it is kept.
            for _ in 0..2 {
                let (ours, fresh) = (world.get(&asked).await, world.another().get(&asked).await);
                assert_eq!((ours.status, ours.text), (fresh.status, fresh.text), "{moment}");
            }
        }
    };
    agree("being made").await;
    world.work().await;
    agree("complete").await;
    assert_eq!(keys(&world.get(&path).await.json()["snapshot"]["data"]["resources"]).len(), 3);
    let others = world.another();
    assert_eq!(others.post(&format!("{path}/verify"), json!({})).await.status, 202);
    agree("being verified").await;
    world.work().await;
    agree("verified").await;
    assert_eq!(others.delete(&path).await.status, 204);
    agree("being removed").await;
    world.work().await;
    agree("removed").await;
    assert_eq!(world.get(&path).await.status, 404);
}

#[tokio::test]
async fn nobody_is_told_how_a_snapshot_ended_before_it_has() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made = world.post(&format!("{stack}/snapshots"), json!({})).await.json();
    let hour = Some(Duration::from_secs(3600));
    let unsealed = |step: &Claimed| match step.verb {
        Verb::Seal => Ended::Retry { reason: "the vault is away".to_owned(), after: hour, away: false },
        _ => good(step),
    };
    world.work_as(&unsealed).await;
    let path = format!("{stack}/snapshots/{}", made["id"].as_str().unwrap());
    let shown = world.get(&path).await.json()["snapshot"].clone();
    assert_eq!((&shown["status"], &shown["protected"]), (&json!("IN_PROGRESS"), &json!(2)), "{shown}");
    assert_eq!(shown["status_reason"], Value::Null);
}

#[tokio::test]
async fn a_failed_snapshot_says_why_and_can_be_deleted() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let made = world.post(&format!("{stack}/snapshots"), json!({})).await.json();
    let reason = format!("/srv/data/{}: permission denied", "long/".repeat(100));
    world.work_as(&failing(Verb::Copy, &reason)).await;
    let path = format!("{stack}/snapshots/{}", made["id"].as_str().unwrap());
    let shown = world.get(&path).await.json()["snapshot"].clone();
    assert_eq!(shown["status"], "FAILED");
    assert!(shown["status_reason"].as_str().unwrap().contains(&reason), "{shown}");
    assert_eq!(status(&world, &stack).await, "SNAPSHOT_FAILED");
    assert_eq!(world.post(&format!("{path}/restore"), Value::Null).await.fault().1, "NotSupported");
    assert_eq!(world.delete(&path).await.status, 204);
    world.work().await;
    assert_eq!(world.get(&path).await.status, 404);
}

/// The rows of the contract's error matrix (1.3) that need no other project.
#[tokio::test]
async fn what_is_not_there_is_told_in_heats_words() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let other = world.stack("other").await;
    let snapshot = world.snapshot(&other).await;
    let id = snapshot.rsplit('/').next().unwrap();
    let nobody = "00000000-0000-4000-8000-000000000000";
    let gold = stack.rsplit('/').next().unwrap();
    for unknown in
        [format!("none/{nobody}"), format!("none/{gold}"), "none/not-a-uuid".to_owned(), "none/snapshots".to_owned()]
    {
        let base = format!("/v1/p/stacks/{unknown}/snapshots");
        let restore = world.post(&format!("{base}/{id}/restore"), Value::Null).await;
        let replies = [
            world.get(&base).await,
            world.post(&base, json!({})).await,
            world.get(&format!("{base}/{id}")).await,
            restore,
        ];
        for reply in replies {
            let expected = (404, "EntityNotFound".to_owned(), "The Stack (none) could not be found.".to_owned());
            assert_eq!(reply.fault(), expected, "{unknown}");
        }
    }
    for (id, kind, message) in [
        (nobody, "NotFound", format!("Snapshot with id {nobody} not found")),
        ("not-a-uuid", "NotFound", "Snapshot with id not-a-uuid not found".to_owned()),
        (id, "SnapshotNotFound", format!("The Snapshot ({id}) for Stack (gold) could not be found.")),
    ] {
        let path = format!("{stack}/snapshots/{id}");
        for reply in [
            world.get(&path).await,
            world.delete(&path).await,
            world.post(&format!("{path}/restore"), Value::Null).await,
        ] {
            assert_eq!(reply.fault(), (404, kind.to_owned(), message.clone()));
        }
    }
    assert_eq!(
        world
            .get(
                &snapshot
                    .to_uppercase()
                    .replace("/V1/P/STACKS/OTHER", "/v1/p/stacks/other")
                    .replace("SNAPSHOTS", "snapshots")
            )
            .await
            .status,
        200
    );
    world.delete(&stack).await;
    world.work().await;
    assert_eq!(world.post(&format!("{stack}/snapshots"), json!({})).await.fault().1, "EntityNotFound");
    assert_eq!(world.get(&format!("{stack}/snapshots")).await.fault().1, "EntityNotFound");
}

#[tokio::test]
async fn limits_are_400_and_too_much_at_once_is_429() {
    let world = World::with(
        Settings { snapshots_per_stack: 1, steps: 4, ..Settings::default() },
        stacksnap_common::config::Limits::default(),
        std::sync::Arc::new(stacksnap_api::auth::none::Open),
    );
    let stack = world.stack("gold").await;
    world.snapshot(&stack).await;
    let (code, kind, message) = world.post(&format!("{stack}/snapshots"), json!({})).await.fault();
    assert_eq!((code, kind.as_str()), (400, "RequestLimitExceeded"));
    let text =
        "Request limit exceeded: You have reached the maximum snapshots per stack, 1. Please delete some snapshots.";
    assert_eq!(message, text);
    let mut refused = None;
    for name in ["a", "b", "c", "d"] {
        let body = json!({"stack_name": name, "template": crate::support::template()});
        let reply = world.post("/v1/p/stacks", body).await;
        if reply.status != 201 {
            refused = Some(reply);
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.fault().0, 429);
    assert_eq!(refused.header("retry-after"), "5");
}

#[tokio::test]
async fn hidden_values_are_shown_nowhere() {
    let world = World::new();
    let body = json!({"stack_name": "s", "template": crate::support::template(), "parameters": {"word": "hush-hush"}});
    let stack = world.post("/v1/p/stacks", body).await.header("location").replace("http://127.0.0.1:8004", "");
    world.work().await;
    let snapshot = world.snapshot(&stack).await;
    for path in [stack.clone(), format!("{stack}/environment"), snapshot, format!("{stack}/snapshots")] {
        let text = world.get(&path).await.text;
        assert!(!text.contains("hush-hush"), "{path}: {text}");
        assert!(text.contains("******"), "{path}: {text}");
    }
}

#[tokio::test]
async fn plan_and_verify_answer_with_an_operation() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    let before = status(&world, &stack).await;
    let plan = world.post(&format!("{snapshot}/plan"), json!({"resources": ["data"]})).await;
    assert_eq!(plan.status, 202, "{}", plan.text);
    assert_eq!(plan.json()["operation"]["id"], plan.operation());
    assert_eq!(status(&world, &stack).await, before);
    world.work().await;
    let shown = world.get(&format!("/v1/p/operations/{}", plan.operation())).await.json();
    let preview = &shown["operation"]["plan"]["resources"]["data"];
    assert_eq!((&preview["creates"], &preview["overwrites"]), (&json!(1), &json!(2)), "{shown}");
    assert_eq!(keys(&shown["operation"]["plan"]["resources"]), ["data"]);

    let verify = world.post(&format!("{snapshot}/verify"), Value::Null).await;
    assert_eq!(verify.status, 202, "{}", verify.text);
    world.work().await;
    let shown = world.get(&snapshot).await.json();
    assert!(shown["snapshot"]["last_verified"].is_string(), "{shown}");
    assert_eq!(world.post(&format!("{snapshot}/plan"), json!({"x": 1})).await.fault().0, 400);
    assert_eq!(kinds(&verify.json()["operation"])["id"], "string");
}
