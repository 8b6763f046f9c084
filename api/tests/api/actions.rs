//! Actions on a stack as it is, and the health of its resources.

use serde_json::{Value, json};
use stacksnap_common::operation::Verb;

use crate::support::{World, failing};

#[tokio::test]
async fn suspend_and_resume_change_what_is_shown() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let actions = format!("{stack}/actions");
    for (action, word) in [("suspend", "SUSPEND"), ("resume", "RESUME"), ("suspend", "SUSPEND")] {
        let reply = world.post(&actions, json!({action: null})).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "null"));
        assert_eq!(reply.header("content-type"), "application/json");
        assert!(!reply.operation().is_empty());
        assert_eq!(world.status(&stack).await, format!("{word}_IN_PROGRESS"));
        let (code, kind, _) = world.post(&actions, json!({"check": null})).await.fault();
        assert_eq!((code, kind.as_str()), (409, "ActionInProgress"));
        world.work().await;
        let shown = world.get(&stack).await.json()["stack"].clone();
        assert_eq!(shown["stack_status"], format!("{word}_COMPLETE"));
        assert_eq!(shown["stack_status_reason"], format!("Stack {word} completed successfully"));
        assert!(world.states(&stack).await.values().all(|state| *state == format!("{word}_COMPLETE")));
        let events = world.events(&stack).await;
        assert_eq!(events.last().unwrap(), &format!("gold {word}_COMPLETE"));
        assert!(events.contains(&format!("net {word}_IN_PROGRESS")), "{events:?}");
        // Once more: nothing is to be done.
        let reply = world.post(&actions, json!({action: null})).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str(), reply.operation().as_str()), (200, "null", ""));
        assert_eq!(world.events(&stack).await, events);
    }
    // A suspended stack is not updated, and may be snapshotted, which makes it forget (contract, 2.1).
    let (code, kind, message) = world.patch(&stack, json!({})).await.fault();
    assert_eq!((code, kind.as_str()), (400, "NotSupported"));
    assert_eq!(message, "Updating a stack when it is suspended is not supported.");
    world.snapshot(&stack).await;
    assert_eq!(world.status(&stack).await, "SNAPSHOT_COMPLETE");
}

#[tokio::test]
async fn what_is_not_suspended_does_not_resume() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let reply = world.post(&format!("{stack}/actions"), json!({"resume": null})).await;
    assert_eq!(reply.status, 200);
    world.work().await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "RESUME_FAILED");
    let reason = "Resource RESUME failed: Error: resources.data: State ('CREATE', 'COMPLETE') invalid for resume";
    assert_eq!(shown["stack_status_reason"], reason);
    assert!(world.states(&stack).await.values().all(|state| state == "CREATE_COMPLETE"));
    // It is fit for use.
    world.post(&format!("{stack}/actions"), json!({"suspend": null})).await;
    world.work().await;
    assert_eq!(world.status(&stack).await, "SUSPEND_COMPLETE");
}

#[tokio::test]
async fn a_check_looks_at_each_resource() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let actions = format!("{stack}/actions");
    let reply = world.post(&actions, json!({"check": null})).await;
    assert_eq!(world.status(&stack).await, "CHECK_IN_PROGRESS");
    world.work().await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "CHECK_COMPLETE");
    // `net` has no driver; Heat says it so.
    let reason = "Stack CHECK completed successfully. 'CHECK' not fully supported (see resources)";
    assert_eq!(shown["stack_status_reason"], reason);
    let net = world.get(&format!("{stack}/resources/net")).await.json()["resource"].clone();
    assert_eq!(
        (&net["resource_status"], &net["resource_status_reason"]),
        (&json!("CHECK_COMPLETE"), &json!("CHECK not supported for OS::Neutron::Net"))
    );
    let steps =
        world.get(&format!("/v1/p/operations/{}", reply.operation())).await.json()["operation"]["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 2);
    assert!(steps.as_array().unwrap().iter().all(|step| step["verb"] == "check" && step["state"] == "done"), "{steps}");

    world.post(&actions, json!({"check": null})).await;
    world.work_as(&failing(Verb::Check, "no such directory")).await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "CHECK_FAILED");
    assert!(shown["stack_status_reason"].as_str().unwrap().contains("resources.data: no such directory"), "{shown}");
    assert_eq!(world.states(&stack).await["data"], "CHECK_FAILED");
    // A resource that failed is not suspended.
    world.post(&actions, json!({"suspend": null})).await;
    world.work().await;
    assert_eq!(world.status(&stack).await, "SUSPEND_FAILED");
}

#[tokio::test]
async fn what_is_no_action_is_refused() {
    let world = World::new();
    let stack = world.stack("gold").await;
    for (body, part) in [
        (json!({"zz": null}), "Invalid action zz specified"),
        (json!({"snapshot": null}), "Invalid action snapshot specified"),
        (json!({}), "No action specified"),
        (Value::Null, "No action specified"),
        (json!({"suspend": null, "resume": null}), "Multiple actions specified"),
    ] {
        let fault = world.post(&format!("{stack}/actions"), body.clone()).await.fault();
        assert_eq!(fault, (400, "HTTPBadRequest".to_owned(), part.to_owned()), "{body}");
    }
    assert_eq!(world.get(&format!("{stack}/actions")).await.status, 405);
    let unknown = world.post(&format!("{}/actions", stack.replace("gold", "other")), json!({"check": null})).await;
    assert_eq!(unknown.fault().1, "EntityNotFound");
    world.delete(&stack).await;
    world.work().await;
    assert_eq!(world.post(&format!("{stack}/actions"), json!({"check": null})).await.fault().1, "EntityNotFound");
}

#[tokio::test]
async fn a_create_is_cancelled_without_rollback_only() {
    let world = World::new();
    let body = json!({"stack_name": "gold", "template": crate::support::template()});
    let stack = world.post("/v1/p/stacks", body).await.header("location").replace("http://127.0.0.1:8004", "");
    let actions = format!("{stack}/actions");
    let message = world.post(&actions, json!({"cancel_update": null})).await.fault().2;
    assert_eq!(message, "Cancelling update when stack is CREATE_IN_PROGRESS is not supported.");
    assert_eq!(world.post(&actions, json!({"cancel_without_rollback": null})).await.status, 200);
    world.work().await;
    assert_eq!(world.status(&stack).await, "CREATE_FAILED");
}

/// As heat-tempest-plugin's `resources.yaml` has it.
#[tokio::test]
async fn a_resource_is_marked_as_unhealthy_and_as_healthy_again() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let data = format!("{stack}/resources/data");
    let shown = async || {
        let shown = world.get(&data).await.json()["resource"].clone();
        (shown["resource_status"].clone(), shown["resource_status_reason"].clone())
    };
    // What is not marked is left alone.
    assert_eq!(world.patch(&data, json!({"mark_unhealthy": false})).await.status, 200);
    assert_eq!(shown().await.0, "CREATE_COMPLETE");
    let marked =
        world.patch(&data, json!({"mark_unhealthy": true, "resource_status_reason": "resource deleted"})).await;
    assert_eq!((marked.status.as_u16(), marked.text.as_str()), (200, "null"));
    assert_eq!(shown().await, (json!("CHECK_FAILED"), json!("resource deleted")));
    assert_eq!(world.events(&stack).await.last().unwrap(), "data CHECK_FAILED");
    world.patch(&data, json!({"mark_unhealthy": "False"})).await;
    assert_eq!(shown().await, (json!("CHECK_COMPLETE"), json!("state changed by resource_mark_unhealthy api")));
    // By its physical id.
    let by_id = format!("{stack}/resources/%2Fsrv%2Fdata");
    assert_eq!(world.patch(&by_id, json!({"mark_unhealthy": true})).await.status, 200);
    assert_eq!(shown().await.0, "CHECK_FAILED");
    for (body, part) in [
        (json!({}), "Missing mandatory (mark_unhealthy) key from mark unhealthy request"),
        (json!({"mark_unhealthy": true, "x": 1}), "Invalid keys in resource mark unhealthy {'x'}"),
        (json!({"mark_unhealthy": "maybe"}), "Unrecognized value \"maybe\" for \"mark_unhealthy\""),
        (json!({"mark_unhealthy": true, "resource_status_reason": 5}), "resource_status_reason"),
        (Value::Null, "malformed"),
    ] {
        let (code, _, message) = world.patch(&data, body.clone()).await.fault();
        assert!(code == 400 && message.contains(part), "{body}: {message}");
    }
    let (code, kind, message) =
        world.patch(&format!("{stack}/resources/nope"), json!({"mark_unhealthy": true})).await.fault();
    assert_eq!((code, kind.as_str()), (404, "ResourceNotFound"));
    assert_eq!(message, "The Resource (nope) could not be found in Stack gold.");
    let (code, kind, message) = world.post(&format!("{data}/signal"), Value::Null).await.fault();
    assert_eq!(
        (code, kind.as_str(), message.as_str()),
        (400, "ResourceActionNotSupported", "signal is not supported for resource.")
    );
    assert_eq!(world.post(&format!("{stack}/resources/nope/signal"), json!({})).await.fault().1, "ResourceNotFound");
    world.post(&format!("{stack}/snapshots"), json!({})).await;
    assert_eq!(world.patch(&data, json!({"mark_unhealthy": true})).await.fault().1, "ActionInProgress");
}
