//! Stacks that change, are looked at, given up and taken up again, on real directories.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::App;

fn directory(root: &Path, name: &str) -> Value {
    let path = root.join(name);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("file"), name).unwrap();
    json!({ "type": "Stacksnap::Directory", "external_id": path })
}

fn template(resources: &Value) -> Value {
    json!({ "template": { "heat_template_version": "2018-08-31", "resources": resources } })
}

async fn shown(app: &App, stack: &str) -> (String, String) {
    let stack = app.get(stack).await["stack"].clone();
    let text = |key: &str| stack[key].as_str().unwrap().to_owned();
    (text("stack_status"), text("stack_status_reason"))
}

#[tokio::test]
async fn an_update_is_looked_at_and_a_restore_brings_back_what_was() {
    let app = App::embedded().await;
    let (data, more) = (directory(&app.root(), "data"), directory(&app.root(), "more"));
    let stack = app.stack_of("web", json!({ "data": data })).await;
    let snapshot = app.snapshot(&stack, "before").await;

    let missing = json!({ "type": "Stacksnap::Directory", "external_id": app.root().join("nowhere") });
    let body = template(&json!({ "data": data, "more": more, "missing": missing }));
    let (_, operation) = app.change(Method::PUT, &stack, Some(body)).await;
    assert_eq!(app.ended(&operation).await["state"], "failed");
    let (status, reason) = shown(&app, &stack).await;
    assert_eq!(status, "UPDATE_FAILED");
    assert!(reason.contains("resources.missing") && reason.contains("update it again"), "{reason}");
    assert_eq!(app.get(&format!("{stack}/resources")).await["resources"].as_array().unwrap().len(), 1);

    let (_, operation) = app.change(Method::PUT, &stack, Some(template(&json!({ "data": data, "more": more })))).await;
    app.completes(&operation).await;
    assert_eq!(shown(&app, &stack).await.0, "UPDATE_COMPLETE");
    // The stack that is protected from now on is the new one.
    let later = app.snapshot(&stack, "after").await;
    let later = app.get(&format!("{stack}/snapshots/{later}")).await["snapshot"].clone();
    assert_eq!((&later["resources"], &later["protected"]), (&json!(2), &json!(2)));

    // A check finds what went away, and what came back.
    let check = Some(json!({ "check": null }));
    std::fs::rename(app.root().join("more"), app.root().join("gone")).unwrap();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/actions"), check.clone()).await;
    assert_eq!(app.ended(&operation).await["state"], "failed");
    let (status, reason) = shown(&app, &stack).await;
    assert!(status == "CHECK_FAILED" && reason.contains("resources.more"), "{status}: {reason}");
    std::fs::rename(app.root().join("gone"), app.root().join("more")).unwrap();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/actions"), check).await;
    app.completes(&operation).await;
    assert_eq!(shown(&app, &stack).await.0, "CHECK_COMPLETE");

    std::fs::write(app.root().join("data/file"), "spoilt").unwrap();
    let (_, operation) = app.change(Method::POST, &format!("{stack}/snapshots/{snapshot}/plan"), None).await;
    let plan = app.completes(&operation).await["plan"].clone();
    assert_eq!(plan["definition"], json!({ "added": [], "changed": [], "removed": ["more"] }));
    app.restore(&stack, &snapshot).await;
    assert_eq!(std::fs::read_to_string(app.root().join("data/file")).unwrap(), "data");
    let resources = app.get(&format!("{stack}/resources")).await["resources"].clone();
    assert_eq!((resources.as_array().unwrap().len(), &resources[0]["resource_name"]), (1, &json!("data")));
    // What left the stack was not touched.
    assert_eq!(std::fs::read_to_string(app.root().join("more/file")).unwrap(), "more");
}

/// Every service that a test leaves is asked for orphans: an abandoned stack's artifacts are none.
#[tokio::test]
async fn an_abandoned_stack_comes_back_with_its_snapshots() {
    let mut app = App::embedded().await;
    let stack = app.stack_of("web", json!({ "data": directory(&app.root(), "data") })).await;
    let snapshot = app.snapshot(&stack, "before").await;
    let (document, operation) = app.change(Method::DELETE, &format!("{stack}/abandon"), None).await;
    app.completes(&operation).await;
    assert_eq!(app.operator(&["orphans", "--older-than", "0s"]), [""; 0]);
    let rebuilt = app.operator(&["catalog", "rebuild"]);
    assert!(rebuilt.len() == 1 && rebuilt[0].contains("its stack is abandoned"), "{rebuilt:?}");
    assert_eq!(shown(&app, &stack).await.0, "DELETE_COMPLETE");

    let body = json!({ "stack_name": "again", "adopt_stack_data": document.to_string() });
    let (_, operation) = app.change(Method::POST, "/stacks", Some(body)).await;
    app.completes(&operation).await;
    let again = stack.replace("web", "again");
    assert_eq!(shown(&app, &again).await.0, "ADOPT_COMPLETE");
    std::fs::write(app.root().join("data/file"), "spoilt").unwrap();
    app.restore(&again, &snapshot).await;
    assert_eq!(std::fs::read_to_string(app.root().join("data/file")).unwrap(), "data");

    let (_, operation) = app.change(Method::DELETE, &format!("{again}/abandon"), None).await;
    app.completes(&operation).await;
    // With the store that knew it is gone, it is brought back live: nothing is lost.
    assert!(app.api.stop().await);
    std::fs::remove_file(app.dir.path().join("data/store.redb")).unwrap();
    let rebuilt = app.operator(&["catalog", "rebuild"]);
    assert!(rebuilt.iter().any(|line| line.contains("brought back")), "{rebuilt:?}");
    app.start_again().await;
    assert_eq!(app.get("/stacks").await["stacks"].as_array().unwrap().len(), 1);
}
