//! Updates: PUT says all anew, PATCH keeps; a stack is what it was until all that is new was found; a restore of the whole
//! brings back what it was.

use axum::http::Method;
use serde_json::{Value, json};
use stacksnap_common::config::Limits;
use stacksnap_common::operation::Verb;
use stacksnap_common::store::{Claimed, Ended, Settings};

use crate::support::{World, failing, good, template};

fn directory(path: &str) -> Value {
    json!({"type": "Stacksnap::Directory", "external_id": path})
}

/// `data` is the same, `logs` is elsewhere, `net` is gone, `more` is new.
fn changed() -> Value {
    let mut template = template();
    template["description"] = "other".into();
    template["resources"] =
        json!({"data": directory("/srv/data"), "logs": directory("/srv/other"), "more": directory("/srv/more")});
    template["outputs"] = json!({"where": {"value": {"get_resource": "more"}}});
    template
}

#[tokio::test]
async fn put_is_202_and_the_stack_is_what_it_was_until_all_was_found() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let put = world.put(&stack, json!({"template": changed(), "parameters": {"label": "two"}, "tags": ["x"]})).await;
    let body = json!({"message": "The request is accepted for processing.<br /><br />\n\n\n", "code": "202 Accepted", "title": "Accepted"});
    assert_eq!((put.status.as_u16(), put.json()), (202, body));
    assert!(!put.operation().is_empty());
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(
        (&shown["stack_status"], &shown["description"]),
        (&json!("UPDATE_IN_PROGRESS"), &json!("two directories and a network"))
    );
    assert!(shown["updated_time"].is_string());
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), template());

    world.work().await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "UPDATE_COMPLETE");
    assert_eq!(shown["stack_status_reason"], "Stack UPDATE completed successfully");
    assert_eq!((&shown["description"], &shown["tags"]), (&json!("other"), &json!(["x"])));
    assert_eq!(shown["parameters"]["label"], "two");
    assert_eq!(shown["outputs"][0]["output_value"], "/srv/more");
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), changed());
    let states: Vec<_> = world.states(&stack).await.into_iter().collect();
    let states: Vec<_> = states.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
    assert_eq!(states, [("data", "CREATE_COMPLETE"), ("logs", "UPDATE_COMPLETE"), ("more", "CREATE_COMPLETE")]);
    let events = world.events(&stack).await;
    for event in [
        "gold UPDATE_IN_PROGRESS",
        "logs UPDATE_IN_PROGRESS",
        "logs UPDATE_COMPLETE",
        "more CREATE_COMPLETE",
        "net DELETE_IN_PROGRESS",
        "net DELETE_COMPLETE",
        "gold UPDATE_COMPLETE",
    ] {
        assert_eq!(events.iter().filter(|found| *found == event).count(), 1, "{event}: {events:?}");
    }
    assert_eq!(events.last().unwrap(), "gold UPDATE_COMPLETE");
    let operation = world.get(&format!("/v1/p/operations/{}", put.operation())).await.json()["operation"].clone();
    let changes = json!({"added": ["more"], "changed": ["logs"], "removed": ["net"]});
    assert_eq!((&operation["kind"], &operation["definition"]), (&json!("update"), &changes));
    // What was left out of a PUT is gone, but for the timeout and the rollback.
    world.put(&stack, json!({"template": changed(), "disable_rollback": false, "timeout_mins": 7})).await;
    world.work().await;
    let put = world.put(&stack, json!({"template": changed()})).await;
    assert_eq!(put.status, 202);
    world.work().await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(
        (&shown["tags"], &shown["timeout_mins"], &shown["disable_rollback"]),
        (&json!([]), &json!(7), &json!(false))
    );
    assert_eq!(shown["parameters"]["label"], "first");
}

#[tokio::test]
async fn a_preview_says_what_an_update_would_do_and_does_nothing() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let preview = format!("{stack}/preview");
    let reply = world.put(&preview, json!({"template": changed()})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let changes = reply.json()["resource_changes"].clone();
    let names = |key: &str| -> Vec<String> {
        let found = changes[key].as_array().unwrap().iter();
        found.map(|one| one["resource_name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        ["unchanged", "updated", "replaced", "added", "deleted"].map(|key| names(key).join(" ")),
        ["data", "logs", "", "more", "net"]
    );
    let added = &changes["added"][0];
    assert_eq!((&added["resource_action"], &added["resource_status"]), (&json!("INIT"), &json!("COMPLETE")));
    assert_eq!(added["resource_identity"]["path"], "/resources/more");
    let nothing = world.patch(&preview, json!({})).await.json()["resource_changes"].clone();
    assert_eq!(nothing["unchanged"].as_array().unwrap().len(), 3);
    assert_eq!(world.put(&preview, json!({})).await.fault().2, "No template specified");
    assert_eq!(world.status(&stack).await, "CREATE_COMPLETE");
}

#[tokio::test]
async fn what_did_not_change_is_not_looked_at_again() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let put = world.put(&stack, json!({"template": changed()})).await;
    world.work().await;
    let steps = world.get(&format!("/v1/p/operations/{}", put.operation())).await.json()["operation"]["steps"].clone();
    let names: Vec<_> = steps.as_array().unwrap().iter().map(|step| step["resource"].as_str().unwrap()).collect();
    assert_eq!(names, ["logs", "more"]);
}

#[tokio::test]
async fn an_update_that_fails_changes_nothing_and_says_what_to_do() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let before = world.get(&stack).await.json()["stack"].clone();
    let resources = world.states(&stack).await;
    world.put(&stack, json!({"template": changed(), "tags": "x"})).await;
    world.work_as(&failing(Verb::Check, "no such directory")).await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "UPDATE_FAILED");
    let reason = shown["stack_status_reason"].as_str().unwrap();
    assert!(reason.contains("resources.more: no such directory") && reason.contains("update it again"), "{reason}");
    for key in ["description", "parameters", "tags", "outputs"] {
        assert_eq!(shown[key], before[key], "{key}");
    }
    let after = world.states(&stack).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), resources.keys().collect::<Vec<_>>());
    assert_eq!(after["logs"], "UPDATE_FAILED");
    // The limit was given back: the very same update fits.
    world.put(&stack, json!({"template": changed()})).await;
    world.work().await;
    assert_eq!(world.status(&stack).await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn with_rollback_a_failed_update_shows_that_it_was_rolled_back() {
    let world = World::new();
    let stack = world.stack("gold").await;
    world.put(&stack, json!({"template": changed(), "disable_rollback": false})).await;
    world.work_as(&failing(Verb::Check, "no such directory")).await;
    assert_eq!(world.status(&stack).await, "ROLLBACK_COMPLETE");
    let events = world.events(&stack).await;
    let own: Vec<_> = events.iter().filter(|event| event.starts_with("gold ")).collect();
    let last: Vec<_> = own[own.len() - 3..].iter().map(|event| event.as_str()).collect();
    assert_eq!(last, ["gold UPDATE_FAILED", "gold ROLLBACK_IN_PROGRESS", "gold ROLLBACK_COMPLETE"]);
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), template());
}

#[tokio::test]
async fn patch_keeps_what_it_does_not_name() {
    let world = World::new();
    let body = json!({"stack_name": "gold", "template": template(), "parameters": {"label": "one", "word": "w"}, "tags": "a,b", "files": {"f": "1"}});
    let made = world.post("/v1/p/stacks", body).await;
    let stack = made.header("location").replace("http://127.0.0.1:8004", "");
    world.work().await;
    let patched = async |body: Value| {
        let reply = world.patch(&stack, body).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        world.work().await;
        let shown = world.get(&stack).await.json()["stack"].clone();
        assert_eq!(shown["stack_status"], "UPDATE_COMPLETE");
        shown
    };
    let shown = patched(json!({"parameters": {"label": "two"}, "files": {"g": "2"}})).await;
    assert_eq!((&shown["parameters"]["label"], &shown["parameters"]["word"]), (&json!("two"), &json!("******")));
    assert_eq!(shown["tags"], json!(["a", "b"]));
    assert_eq!(world.get(&format!("{stack}/files")).await.json(), json!({"f": "1", "g": "2"}));
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), template());
    let environment = world.get(&format!("{stack}/environment")).await.json();
    assert_eq!(environment["parameters"], json!({"label": "two", "word": "******"}));
    let shown = patched(json!({"clear_parameters": ["label"], "tags": "c"})).await;
    assert_eq!((&shown["parameters"]["label"], &shown["tags"]), (&json!("first"), &json!(["c"])));
    // Nothing at all: looked at again, nothing changes.
    let shown = patched(json!({})).await;
    assert_eq!(shown["parameters"]["label"], "first");
    // A parameter that the new template does not have is dropped.
    let mut other = template();
    other["parameters"] = json!({"label": {"type": "string"}});
    let shown = patched(json!({"template": other, "environment": {"parameters": {"label": "three"}}})).await;
    assert_eq!(shown["parameters"].as_object().unwrap().get("word"), None);
    assert_eq!(shown["parameters"]["label"], "three");
}

#[tokio::test]
async fn what_can_not_be_an_update_is_refused() {
    let world = World::new();
    let mut fixed = template();
    fixed["parameters"]["label"]["immutable"] = true.into();
    let made = world.post("/v1/p/stacks", json!({"stack_name": "gold", "template": fixed})).await;
    let stack = made.header("location").replace("http://127.0.0.1:8004", "");
    world.work().await;
    for (method, body, code, kind, part) in [
        (Method::PUT, Value::Null, 400, "HTTPBadRequest", "malformed"),
        (Method::PATCH, Value::Null, 400, "HTTPBadRequest", "malformed"),
        (Method::PUT, json!({"parameters": {}}), 400, "HTTPBadRequest", "No template specified"),
        (Method::PUT, json!({"template": template(), "parameters": {"x": 1}}), 400, "UnknownUserParameter", "(x)"),
        (Method::PUT, json!({"template": template(), "tags": 5}), 400, "HTTPBadRequest", "Invalid tags"),
        (Method::PUT, json!({"template": template(), "timeout_mins": "x"}), 400, "HTTPBadRequest", "timeout_mins"),
        (Method::PUT, json!({"template": template(), "files": []}), 400, "HTTPBadRequest", "files"),
        (Method::PUT, json!({"template_url": "http://h/t"}), 400, "NotSupported", "template_url"),
        (Method::PATCH, json!({"clear_parameters": "label"}), 400, "HTTPBadRequest", "clear_parameters"),
        (Method::PATCH, json!({"environment": "a: [", "parameters": {}}), 400, "HTTPBadRequest", "Environment"),
        (Method::PATCH, json!({"template": "a: ["}), 400, "HTTPBadRequest", "Template"),
        (Method::PATCH, json!({"parameters": {"label": "x"}}), 400, "ImmutableParameterModified", "updated: label"),
    ] {
        // The new template says what is immutable.
        let mut body = body;
        if kind == "ImmutableParameterModified" {
            body["template"] = fixed.clone();
        }
        let reply = world.change(method.clone(), &stack, body.clone()).await;
        let (found, found_kind, message) = reply.fault();
        assert_eq!((found, found_kind.as_str()), (code, kind), "{method} {body}: {message}");
        assert!(message.contains(part), "{method} {body}: {message}");
    }
    assert_eq!(world.status(&stack).await, "CREATE_COMPLETE");
    world.put(&stack, json!({"template": fixed})).await;
    let busy =
        (409, "ActionInProgress".to_owned(), "Stack gold already has an action (UPDATE) in progress.".to_owned());
    assert_eq!(world.put(&stack, json!({"template": fixed})).await.fault(), busy);
    assert_eq!(world.patch(&stack, json!({})).await.fault(), busy);
    assert_eq!(world.post(&format!("{stack}/snapshots"), json!({})).await.fault(), busy);
    // A delete is not refused: it stops the update.
    assert_eq!(world.delete(&stack).await.status, 204);
    world.work().await;
    assert_eq!(world.status(&stack).await, "DELETE_COMPLETE");
    assert_eq!(world.put(&stack, json!({"template": template()})).await.fault().1, "EntityNotFound");
}

#[tokio::test]
async fn the_limit_of_resources_counts_what_an_update_adds() {
    let world = World::with(
        Settings { resources: 5, ..Settings::default() },
        Limits::default(),
        std::sync::Arc::new(stacksnap_api::auth::none::Open),
    );
    let stack = world.stack("gold").await;
    let with = |many: usize| {
        let resources: serde_json::Map<_, _> =
            (0..many).map(|i| (format!("d{i}"), directory(&format!("/srv/{i}")))).collect();
        json!({"template": {"heat_template_version": "2018-08-31", "resources": resources}})
    };
    let (code, kind, message) = world.put(&stack, with(6)).await.fault();
    assert_eq!((code, kind.as_str()), (400, "RequestLimitExceeded"), "{message}");
    assert!(message.contains("maximum resources per tenant, 5"), "{message}");
    for many in [5, 1, 5, 0, 5] {
        assert_eq!(world.put(&stack, with(many)).await.status, 202, "{many}");
        world.work().await;
        assert_eq!(world.status(&stack).await, "UPDATE_COMPLETE");
    }
    let other = world.post("/v1/p/stacks", json!({"stack_name": "s", "template": with(1)["template"]})).await;
    assert_eq!(other.fault().1, "RequestLimitExceeded");
    world.put(&stack, with(1)).await;
    world.work().await;
    world.put(&stack, with(4)).await;
    world.work_as(&failing(Verb::Check, "no")).await;
    assert_eq!(world.status(&stack).await, "UPDATE_FAILED");
    assert_eq!(world.put(&stack, with(5)).await.status, 202, "a failed update gives back what it had reserved");
}

#[tokio::test]
async fn the_same_key_updates_once() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let body = json!({"template": changed()}).to_string();
    let headers = [("accept", "application/json"), ("idempotency-key", "k")];
    let first = world.ask(Method::PUT, &stack, &headers, body.as_bytes()).await;
    let again = world.ask(Method::PUT, &stack, &headers, body.as_bytes()).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.operation(), again.operation());
    world.work().await;
    let later = world.ask(Method::PUT, &stack, &headers, body.as_bytes()).await;
    assert_eq!(later.operation(), first.operation());
    assert_eq!(world.status(&stack).await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn cancel_update_leaves_the_stack_what_it_was() {
    for (action, status) in [("cancel_update", "ROLLBACK_COMPLETE"), ("cancel_without_rollback", "UPDATE_FAILED")] {
        let world = World::new();
        let stack = world.stack("gold").await;
        let cancel = format!("{stack}/actions");
        let (code, kind, message) = world.post(&cancel, json!({action: null})).await.fault();
        assert_eq!((code, kind.as_str()), (400, "NotSupported"));
        assert_eq!(message, "Cancelling update when stack is CREATE_COMPLETE is not supported.");
        let put = world.put(&stack, json!({"template": changed()})).await;
        let reply = world.post(&cancel, json!({action: null})).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "null"));
        assert_eq!(reply.operation(), put.operation());
        if action == "cancel_update" {
            assert_eq!(world.status(&stack).await, "ROLLBACK_IN_PROGRESS");
        }
        world.work().await;
        let shown = world.get(&stack).await.json()["stack"].clone();
        assert_eq!(shown["stack_status"], status);
        if status == "UPDATE_FAILED" {
            let reason = shown["stack_status_reason"].as_str().unwrap();
            assert!(reason.starts_with("Stack UPDATE cancelled by anonymous at"), "{reason}");
        }
        assert_eq!(world.get(&format!("{stack}/template")).await.json(), template());
        assert_eq!(
            world.get(&format!("/v1/p/operations/{}", put.operation())).await.json()["operation"]["state"],
            "cancelled"
        );
    }
}

/// A snapshot from before an update, restored after it.
#[tokio::test]
async fn a_restore_of_the_whole_brings_the_definition_back() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    world
        .put(&stack, json!({"template": changed(), "tags": "new", "timeout_mins": 9, "parameters": {"label": "two"}}))
        .await;
    world.work().await;

    let plan = world.post(&format!("{snapshot}/plan"), Value::Null).await.json()["operation"].clone();
    let changes = json!({"added": ["net"], "changed": ["logs"], "removed": ["more"]});
    assert_eq!(plan["definition"], changes);
    world.work().await;
    let plan = world.get(&format!("/v1/p/operations/{}", plan["id"].as_str().unwrap())).await.json();
    assert_eq!(plan["operation"]["plan"]["definition"], changes);
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), changed(), "a plan changes nothing");

    // Chosen resources: the definition stays.
    world.post(&format!("{snapshot}/restore"), json!({"resources": ["data"]})).await;
    world.work().await;
    assert_eq!(world.status(&stack).await, "RESTORE_COMPLETE");
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), changed());

    // One that fails: it stays too.
    world.post(&format!("{snapshot}/restore"), json!({})).await;
    world.work_as(&failing(Verb::Restore, "disk full")).await;
    assert_eq!(world.status(&stack).await, "RESTORE_FAILED");
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), changed());
    assert_eq!(world.states(&stack).await.len(), 3);

    let restore = world.post(&format!("{snapshot}/restore"), json!({})).await;
    let places = std::sync::Mutex::new(Vec::new());
    let note = |step: &Claimed| -> Ended {
        if let (Verb::Restore, Some(resource)) = (step.verb, &step.item.resource) {
            places.lock().unwrap().push((resource.name.to_string(), resource.external_id.clone().unwrap()));
        }
        good(step)
    };
    world.work_as(&note).await;
    let at = |name: &str, path: &str| (name.to_owned(), path.to_owned());
    assert_eq!(*places.lock().unwrap(), [at("data", "/srv/data"), at("logs", "/srv/logs")]);
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "RESTORE_COMPLETE");
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), template());
    assert_eq!(
        (&shown["description"], &shown["parameters"]["label"]),
        (&json!("two directories and a network"), &json!("first"))
    );
    // These are not of the definition (contract, 2.3).
    assert_eq!((&shown["tags"], &shown["timeout_mins"]), (&json!(["new"]), &json!(9)));
    let states: Vec<_> = world.states(&stack).await.into_iter().collect();
    let states: Vec<_> = states.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
    // As Heat shows a restore on resources (contract, 2.3).
    assert_eq!(states, [("data", "UPDATE_COMPLETE"), ("logs", "UPDATE_COMPLETE"), ("net", "CREATE_COMPLETE")]);
    assert!(world.events(&stack).await.contains(&"more DELETE_COMPLETE".to_owned()));

    // And back again: the safety snapshot has the definition from before the restore, and the data where it was.
    let operation = world.get(&format!("/v1/p/operations/{}", restore.operation())).await.json()["operation"].clone();
    let safety = format!("{stack}/snapshots/{}", operation["safety_snapshot_id"].as_str().unwrap());
    places.lock().unwrap().clear();
    let undo = world.post(&format!("{safety}/restore"), json!({"safety": false})).await;
    assert_eq!(undo.status, 202, "{}", undo.text);
    world.work_as(&note).await;
    assert_eq!(*places.lock().unwrap(), [at("data", "/srv/data"), at("logs", "/srv/logs")]);
    assert_eq!(world.get(&format!("{stack}/template")).await.json(), changed());
    let logs = world.get(&format!("{stack}/resources/logs")).await.json();
    assert_eq!(logs["resource"]["physical_resource_id"], "/srv/other");
    assert_eq!(world.states(&stack).await.len(), 3);
}
