//! Heat mode: a stack that Heat gave up and adopts again.

use axum::http::Method;
use serde_json::{Value, json};

use crate::heat::{Front, TOKEN, template};

#[tokio::test]
async fn an_abandoned_stacks_snapshots_come_back_when_it_is_adopted_again() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let snapshot = front.snapshot(&stack).await;
    let document = front.ask(Method::DELETE, &format!("{stack}/abandon"), TOKEN, Value::Null).await;
    assert_eq!(document.status, 200, "{}", document.text);
    assert_eq!(front.get(&snapshot).await.status, 404);
    let adoption = |name: &str| json!({"stack_name": name, "adopt_stack_data": document.text, "template": template()});

    // In another project the document is as good, and brings nothing along.
    let other = front.ask(Method::POST, "/v1/q/stacks", "q:member", adoption("s")).await;
    assert_eq!(other.status, 201, "{}", other.text);
    let other = format!("/v1/q/stacks/s/{}", other.json()["stack"]["id"].as_str().unwrap());
    let listed = front.ask(Method::GET, &format!("{other}/snapshots"), "q:member", Value::Null).await;
    assert_eq!(listed.json(), json!({"snapshots": []}));

    let adopted = front.post("/v1/p/stacks", adoption("again")).await;
    assert_eq!(adopted.status, 201, "{}", adopted.text);
    let new = adopted.json()["stack"]["id"].as_str().unwrap().to_owned();
    assert!(new != id);
    front.heat.settle(&new);
    let stack = format!("/v1/p/stacks/again/{new}");
    assert_eq!(front.status(&stack).await, "ADOPT_COMPLETE", "what Heat says is the newer state");
    let listed = front.get(&format!("{stack}/snapshots")).await.json();
    assert_eq!(listed["snapshots"][0]["name"], "s", "{listed}");
    let snapshot = format!("{stack}/snapshots/{}", listed["snapshots"][0]["id"].as_str().unwrap());
    assert_eq!(front.post(&format!("{snapshot}/restore"), Value::Null).await.status, 202);
    front.world.work().await;
    assert_eq!(front.status(&stack).await, "RESTORE_COMPLETE");
    assert_eq!(front.ask(Method::DELETE, &snapshot, TOKEN, Value::Null).await.status, 204);
    front.world.work().await;
    assert_eq!(front.get(&format!("{stack}/snapshots")).await.json(), json!({"snapshots": []}));

    // Nothing is left of what was before, and a second adoption is only Heat's.
    let twice = front.post("/v1/p/stacks", adoption("twice")).await.json();
    let twice = format!("/v1/p/stacks/twice/{}", twice["stack"]["id"].as_str().unwrap());
    assert_eq!(front.get(&format!("{twice}/snapshots")).await.json(), json!({"snapshots": []}));
}

#[tokio::test]
async fn the_snapshots_of_a_stack_that_is_still_there_stay_with_it() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    front.snapshot(&stack).await;
    let document = json!({"id": id, "template": template(), "environment": {}}).to_string();
    let made = front.post("/v1/p/stacks", json!({"stack_name": "copy", "adopt_stack_data": document})).await;
    let copy = format!("/v1/p/stacks/copy/{}", made.json()["stack"]["id"].as_str().unwrap());
    assert_eq!(front.get(&format!("{copy}/snapshots")).await.json(), json!({"snapshots": []}));
    assert_eq!(front.get(&format!("{stack}/snapshots")).await.json()["snapshots"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_being_deleted_does_not_come_along() {
    let front = Front::new().await;
    let (stack, _) = front.stack("s");
    let snapshot = front.snapshot(&stack).await;
    assert_eq!(front.ask(Method::DELETE, &snapshot, TOKEN, Value::Null).await.status, 204);
    let document = front.ask(Method::DELETE, &format!("{stack}/abandon"), TOKEN, Value::Null).await.text;
    let adoption = json!({"stack_name": "s", "adopt_stack_data": document, "template": template()});
    let refused = front.post("/v1/p/stacks", adoption.clone()).await.fault();
    assert_eq!(refused.0, 409, "{refused:?}");
    front.world.work().await;
    let adopted = front.post("/v1/p/stacks", adoption).await;
    assert_eq!(adopted.status, 201, "{}", adopted.text);
    let stack = format!("/v1/p/stacks/s/{}", adopted.json()["stack"]["id"].as_str().unwrap());
    assert_eq!(front.get(&format!("{stack}/snapshots")).await.json(), json!({"snapshots": []}));
}
