//! A stack is abandoned, and comes back with its snapshots when it is adopted again.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{World, keys, template};

fn adopt(name: &str, document: &Value) -> Value {
    json!({"stack_name": name, "adopt_stack_data": document.to_string()})
}

#[tokio::test]
async fn abandon_and_export_hand_out_the_same_document() {
    let world = World::new();
    let stack = world.stack("gold").await;
    world.snapshot(&stack).await;
    let exported = world.get(&format!("{stack}/export")).await;
    assert_eq!(exported.status, 200, "{}", exported.text);
    assert_eq!(world.status(&stack).await, "SNAPSHOT_COMPLETE");
    let document = exported.json();
    // Transcript 451.
    let heats = [
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
    assert_eq!(keys(&document), heats);
    assert_eq!((&document["action"], &document["status"]), (&json!("SNAPSHOT"), &json!("COMPLETE")));
    let data = json!({"name": "data", "resource_id": "/srv/data", "type": "Stacksnap::Directory", "action": "SNAPSHOT", "status": "COMPLETE", "metadata": {}, "resource_data": {}});
    assert_eq!(document["resources"]["data"], data);
    assert_eq!(document["resources"]["net"]["metadata"], json!({"k": "v"}));

    let abandoned = world.delete(&format!("{stack}/abandon")).await;
    assert_eq!((abandoned.status.as_u16(), abandoned.json()), (200, document));
    assert!(!abandoned.operation().is_empty());
    world.work().await;
    let shown = world.get(&stack).await.json()["stack"].clone();
    assert_eq!((&shown["stack_status"], shown["deletion_time"].is_string()), (&json!("DELETE_COMPLETE"), true));
    assert_eq!(world.get("/v1/p/stacks").await.json()["stacks"], json!([]));
    assert_eq!(world.get("/v1/p/stacks/gold").await.fault().1, "EntityNotFound");
    assert_eq!(world.get(&format!("{stack}/snapshots")).await.fault().1, "EntityNotFound");
    for (method, path) in [(Method::DELETE, "/abandon"), (Method::GET, "/export"), (Method::DELETE, "")] {
        let reply = world.ask(method.clone(), &format!("{stack}{path}"), &[], b"").await;
        assert_eq!(reply.fault().1, "EntityNotFound", "{method} {path}");
    }
}

#[tokio::test]
async fn the_same_stack_adopted_again_has_its_snapshots() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    let before = world.get(&snapshot).await.json()["snapshot"].clone();
    let document = world.delete(&format!("{stack}/abandon")).await.json();
    world.work().await;

    let made = world.post("/v1/p/stacks", adopt("again", &document)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let again = made.header("location").replace("http://127.0.0.1:8004", "");
    assert_eq!(again, stack.replace("gold", "again"), "it has its id again");
    assert_eq!(world.status(&again).await, "ADOPT_IN_PROGRESS");
    world.work().await;
    let shown = world.get(&again).await.json()["stack"].clone();
    assert_eq!(
        (&shown["stack_status"], &shown["stack_status_reason"]),
        (&json!("ADOPT_COMPLETE"), &json!("Stack ADOPT completed successfully"))
    );
    assert_eq!(shown["deletion_time"], Value::Null);
    assert!(world.states(&again).await.values().all(|state| state == "ADOPT_COMPLETE"));
    // Nothing from its life before, which a client that waits would take for news.
    let events = world.events(&again).await;
    assert_eq!(
        (events.first().unwrap().as_str(), events.last().unwrap().as_str()),
        ("again ADOPT_IN_PROGRESS", "again ADOPT_COMPLETE")
    );

    let snapshot = snapshot.replace("gold", "again");
    assert_eq!(world.get(&snapshot).await.json()["snapshot"], before);
    assert_eq!(world.post(&format!("{snapshot}/restore"), json!({})).await.status, 202);
    world.work().await;
    assert_eq!(world.status(&again).await, "RESTORE_COMPLETE");
    assert_eq!(world.delete(&again).await.status, 204);
    world.work().await;
    // Deleted for good: the document makes another stack, without snapshots.
    let made = world.post("/v1/p/stacks", adopt("again", &document)).await;
    let other = made.header("location").replace("http://127.0.0.1:8004", "");
    assert_ne!(other, again);
    world.work().await;
    assert_eq!(world.get(&format!("{other}/snapshots")).await.json(), json!({"snapshots": []}));
}

#[tokio::test]
async fn an_id_that_somebody_has_and_another_projects_snapshots_are_not_had_again() {
    let world = World::new();
    let stack = world.stack("gold").await;
    world.snapshot(&stack).await;
    let document = world.get(&format!("{stack}/export")).await.json();
    let copy = world.post("/v1/p/stacks", adopt("copy", &document)).await.header("location").to_owned();
    assert_ne!(copy.rsplit('/').next(), stack.rsplit('/').next());
    world.work().await;
    world.delete(&format!("{stack}/abandon")).await;
    world.work().await;
    let made = world.post("/v1/q/stacks", adopt("gold", &document)).await;
    assert_eq!(made.status, 201);
    world.work().await;
    let foreign = made.header("location").replace("http://127.0.0.1:8004", "");
    assert_eq!(world.get(&format!("{foreign}/snapshots")).await.json(), json!({"snapshots": []}));
    // It still waits for its own.
    let made = world.post("/v1/p/stacks", adopt("gold", &document)).await;
    world.work().await;
    let own = made.header("location").replace("http://127.0.0.1:8004", "");
    assert_eq!(own, stack);
    assert_eq!(world.get(&format!("{own}/snapshots")).await.json()["snapshots"].as_array().unwrap().len(), 1);
}

/// Heat's own document: its template has no `external_id`.
#[tokio::test]
async fn the_documents_ids_are_the_resources_ids() {
    let world = World::new();
    let document = json!({
        "name": "s",
        "template": {"heat_template_version": "2015-04-30", "resources": {
            "data": {"type": "Stacksnap::Directory"},
            "vol": {"type": "OS::Cinder::Volume", "properties": {"size": 1}},
        }},
        "resources": {
            "data": {"resource_id": "/srv/data", "type": "Stacksnap::Directory"},
            "vol": {"resource_id": "b1", "type": "OS::Cinder::Volume"},
        },
        "environment": {"parameters": {}},
    });
    let made = world.post("/v1/p/stacks", adopt("s", &document)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let stack = made.header("location").replace("http://127.0.0.1:8004", "");
    world.work().await;
    let id = async |name: &str| {
        world.get(&format!("{stack}/resources/{name}")).await.json()["resource"]["physical_resource_id"].clone()
    };
    assert_eq!((id("data").await, id("vol").await), (json!("/srv/data"), json!("b1")));
    // An update with the same template keeps them.
    world.patch(&stack, json!({})).await;
    world.work().await;
    assert_eq!(world.status(&stack).await, "UPDATE_COMPLETE");
    assert_eq!((id("data").await, id("vol").await), (json!("/srv/data"), json!("b1")));
}

#[tokio::test]
async fn hidden_values_are_masked_and_known_again() {
    let world = World::new();
    let mut secret = template();
    secret["resources"]["net"]["properties"]["name"] = json!({"get_param": "word"});
    secret["outputs"] = json!({"word": {"value": {"get_param": "word"}}});
    let body = json!({"stack_name": "gold", "template": secret, "parameters": {"word": "s3cret", "label": "one"}});
    let stack = world.post("/v1/p/stacks", body).await.header("location").replace("http://127.0.0.1:8004", "");
    world.work().await;
    let exported = world.get(&format!("{stack}/export")).await;
    assert!(!exported.text.contains("s3cret"), "{}", exported.text);
    let document = world.delete(&format!("{stack}/abandon")).await.json();
    assert_eq!(document["environment"]["parameters"], json!({"word": "******", "label": "one"}));
    world.work().await;
    // In another project nobody knows it.
    let (code, kind, message) = world.post("/v1/q/stacks", adopt("gold", &document)).await.fault();
    assert_eq!((code, kind.as_str()), (400, "UserParameterMissing"));
    assert!(message.contains("(word)") && message.contains("parameters"), "{message}");
    let mut given = adopt("gold", &document);
    given["parameters"] = json!({"word": "other"});
    assert_eq!(world.post("/v1/q/stacks", given).await.status, 201);
    let made = world.post("/v1/p/stacks", adopt("gold", &document)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    world.work().await;
    let shown = world.get(&made.header("location").replace("http://127.0.0.1:8004", "")).await.json()["stack"].clone();
    assert_eq!(
        (&shown["parameters"]["word"], &shown["outputs"][0]["output_value"]),
        (&json!("******"), &json!("s3cret"))
    );
}

#[tokio::test]
async fn what_can_not_be_adopted_or_abandoned_is_refused() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let document = world.get(&format!("{stack}/export")).await.json();
    for (data, part) in [
        (json!({"template": {}}), "Invalid adopt data: it must be a string"),
        (json!("{}"), "Invalid adopt data: 'template'"),
        (json!("[1]"), "Invalid adopt data: it must be a JSON object"),
        (json!("a: ["), "Invalid adopt data: "),
        (json!("{\"template\": 5}"), "not a JSON object"),
        (json!("{\"template\": {\"heat_template_version\": \"2018-08-31\"}, \"resources\": []}"), "'resources'"),
    ] {
        let (code, _, message) =
            world.post("/v1/p/stacks", json!({"stack_name": "s", "adopt_stack_data": data})).await.fault();
        assert!(code == 400 && message.contains(part), "{data}: {message}");
    }
    let mut without = document.clone();
    without["template"]["resources"]["data"].as_object_mut().unwrap().remove("external_id");
    without["resources"]["data"]["resource_id"] = Value::Null;
    let (_, kind, message) = world.post("/v1/p/stacks", adopt("s", &without)).await.fault();
    assert_eq!(kind, "StackValidationFailed");
    assert!(message.contains("external_id is missing"), "{message}");
    assert_eq!(world.post("/v1/p/stacks", adopt("gold", &document)).await.fault().1, "StackExists");
    world.post(&format!("{stack}/snapshots"), json!({})).await;
    assert_eq!(world.delete(&format!("{stack}/abandon")).await.fault().1, "ActionInProgress");
    let body = world.ask(Method::DELETE, &format!("{stack}/abandon"), &[], b"{}").await;
    assert_eq!(body.fault().0, 400);
}

#[tokio::test]
async fn the_same_key_is_answered_with_the_document_again() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let headers = [("idempotency-key", "k")];
    let path = format!("{stack}/abandon");
    let first = world.ask(Method::DELETE, &path, &headers, b"").await;
    world.work().await;
    let again = world.ask(Method::DELETE, &path, &headers, b"").await;
    assert_eq!((first.status.as_u16(), first.json()), (again.status.as_u16(), again.json()));
    assert_eq!(first.operation(), again.operation());
    let body = adopt("gold", &first.json()).to_string();
    let first = world.ask(Method::POST, "/v1/p/stacks", &headers, body.as_bytes()).await;
    let again = world.ask(Method::POST, "/v1/p/stacks", &headers, body.as_bytes()).await;
    assert_eq!((first.status.as_u16(), first.text), (201, again.text));
}

#[tokio::test]
async fn both_can_be_switched_off() {
    let world = World::as_heat();
    let stack = world.stack("gold").await;
    for (method, path) in [(Method::DELETE, "/abandon"), (Method::GET, "/export")] {
        let fault = world.ask(method, &format!("{stack}{path}"), &[], b"").await.fault();
        assert_eq!(fault, (400, "NotSupported".to_owned(), "Stack Abandon is not supported.".to_owned()));
    }
    let body = adopt("s", &json!({"template": template()}));
    let fault = world.post("/v1/p/stacks", body).await.fault();
    assert_eq!(fault, (400, "NotSupported".to_owned(), "Stack Adopt is not supported.".to_owned()));
}
