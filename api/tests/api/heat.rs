//! Heat mode, over a Heat with state in this process. Steps that a worker would run end well here; what they do to a Heat
//! is tested with whole processes (`tests/it/heat.rs`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use stacksnap_api::heat::grant::Grants;
use stacksnap_api::{Api, router};
use stacksnap_common::config::Limits;
use stacksnap_common::kinds::Kinds;
use stacksnap_common::operation::Verb;
use stacksnap_common::store::backend::Shards;
use stacksnap_common::store::model::Model;
use stacksnap_common::store::{Settings, Store};
use stacksnap_openstack::fake::heat::{Heat, Trouble};
use stacksnap_openstack::{Http, http};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::support::{ByName, HOST, Reply, World, failing};

pub(crate) const TOKEN: &str = "p:member";

pub(crate) struct Front {
    pub(crate) heat: Heat,
    pub(crate) world: World,
}

pub(crate) fn template() -> Value {
    json!({
        "heat_template_version": "2018-08-31",
        "parameters": {"label": {"type": "string", "default": "one"}, "pw": {"type": "string", "hidden": true, "default": "x"}},
        "resources": {
            "t1": {"type": "OS::Heat::TestResource", "properties": {"value": {"get_param": "label"}}},
            "secret": {"type": "OS::Heat::TestResource", "properties": {"value": {"get_param": "pw"}}},
            "group": {"type": "OS::Heat::ResourceGroup"},
        },
    })
}

impl Front {
    pub(crate) async fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let heat = Heat::start().await;
        let store = Store::new(Arc::new(Model::new(Shards::new(4).unwrap())), Settings::default(), Kinds::default());
        let (queue, connected) = watch::channel(true);
        let mut api = Api::new(store.clone(), connected, Arc::new(ByName), Limits::default());
        let http = Http::new(http::Settings { tries: 1, answer: Duration::from_secs(2), ..http::Settings::default() })
            .unwrap();
        let front = stacksnap_api::heat::Heat::new(http, heat.url(), Duration::from_secs(2), 16, Grants::Token);
        api.heat = Some(Arc::new(front));
        let world = World { store, router: router(api), queue, document: Value::Null };
        Self { heat, world }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, token: &str, body: Value) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        request = request.header("accept", "application/json").header("x-auth-token", token);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            request = request.header("content-type", "application/json").header("content-length", body.len());
        }
        let response = self.world.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, TOKEN, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask(Method::POST, path, TOKEN, body).await
    }

    /// A complete stack in Heat: its path here, and its id.
    pub(crate) fn stack(&self, name: &str) -> (String, String) {
        let id = self.heat.stack("p", name, template());
        (format!("/v1/p/stacks/{name}/{id}"), id)
    }

    pub(crate) async fn status(&self, stack: &str) -> String {
        self.get(stack).await.json()["stack"]["stack_status"].as_str().unwrap().to_owned()
    }

    /// A complete snapshot: its path.
    pub(crate) async fn snapshot(&self, stack: &str) -> String {
        let made = self.post(&format!("{stack}/snapshots"), json!({"name": "s"})).await;
        assert_eq!(made.status, 200, "{}", made.text);
        self.world.work().await;
        format!("{stack}/snapshots/{}", made.json()["id"].as_str().unwrap())
    }
}

#[tokio::test]
async fn what_is_heats_passes_with_the_callers_token_and_our_address() {
    let front = Front::new().await;
    let made = front.post("/v1/p/stacks", json!({"stack_name": "new", "template": template()})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let location = made.header("location").to_owned();
    assert!(location.starts_with("http://127.0.0.1:8004/v1/p/stacks/new/"), "{location}");
    assert_eq!(made.json()["stack"]["links"][0]["href"], location.as_str());
    let found = front.get("/v1/p/stacks/new").await;
    assert_eq!((found.status.as_u16(), found.header("location")), (302, location.as_str()));
    assert!(found.text.contains(&location), "{}", found.text);
    assert_eq!(front.get("/v1/p/build_info").await.json()["api"]["revision"], "fake");
    let asked = front.heat.asked();
    assert!(asked.iter().all(|asked| asked.token.as_deref() == Some(TOKEN)), "{asked:?}");
    assert_eq!(asked[0].body["stack_name"], "new");
    for name in ["connection", "accept-encoding"] {
        assert!(asked.iter().all(|asked| !asked.headers.iter().any(|header| header == name)), "{name}");
    }
    let missing = front.get("/v1/p/stacks/new/not-an-id").await;
    assert_eq!(missing.fault(), (404, "EntityNotFound".into(), "The Stack (new) could not be found.".into()));
}

#[tokio::test]
async fn a_snapshot_is_ours_and_shows_in_the_stack_from_the_first_moment() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let made = front.post(&format!("{stack}/snapshots"), json!({"name": "one"})).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(front.status(&stack).await, "SNAPSHOT_IN_PROGRESS");
    let listed = front.get("/v1/p/stacks").await.json();
    assert_eq!(listed["stacks"][0]["stack_status"], "SNAPSHOT_IN_PROGRESS");
    let again = front.post(&format!("{stack}/snapshots"), json!({})).await;
    let text = "Stack s already has an action (SNAPSHOT) in progress.";
    assert_eq!(again.fault(), (409, "ActionInProgress".into(), text.into()));
    front.world.work().await;
    assert_eq!(front.status(&stack).await, "SNAPSHOT_COMPLETE");
    let snapshots = front.get(&format!("{stack}/snapshots")).await.json();
    let snapshot = &snapshots["snapshots"][0];
    assert_eq!((&snapshot["status"], &snapshot["name"]), (&"COMPLETE".into(), &"one".into()));
    let resources = &snapshot["data"]["resources"];
    assert_eq!(resources.as_object().unwrap().len(), 4, "{resources}");
    assert_eq!(resources["group.leaf"]["artifact"]["protected"], true);
    assert_eq!(resources["group.leaf"]["artifact"]["captures"], "value");
    // Heat itself knows nothing of it.
    assert_eq!(front.heat.status(&id), "CREATE_COMPLETE");
    assert!(front.heat.asked().iter().all(|asked| asked.method == "GET"));
}

#[tokio::test]
async fn hidden_values_are_nowhere() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    front.heat.change(&id, "pw", "very-secret");
    front.snapshot(&stack).await;
    for (_, key, value) in front.world.dump().await {
        assert!(!String::from_utf8_lossy(&value).contains("very-secret"), "{key}");
    }
}

#[tokio::test]
async fn heats_next_change_is_shown_over_ours() {
    let front = Front::new().await;
    front.heat.looks(100);
    let (stack, id) = front.stack("s");
    front.snapshot(&stack).await;
    let changed = front.ask(Method::PATCH, &stack, TOKEN, json!({"parameters": {"label": "two"}})).await;
    assert_eq!(changed.status, 202, "{}", changed.text);
    assert_eq!(front.status(&stack).await, "UPDATE_IN_PROGRESS");
    let busy = front.post(&format!("{stack}/snapshots"), json!({})).await;
    assert_eq!(busy.fault().0, 409);
    front.heat.settle(&id);
    assert_eq!(front.status(&stack).await, "UPDATE_COMPLETE");
    front.snapshot(&stack).await;
    // Round us, and too fast to be seen on the way.
    front.heat.change(&id, "label", "three");
    assert_eq!(front.status(&stack).await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn a_change_waits_for_an_operation_and_an_operation_for_a_change() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let project = "p".parse().unwrap();
    let hold = front.world.store.hold(&project, id.parse().unwrap(), Duration::from_secs(60)).await.unwrap();
    let refused = front.post(&format!("{stack}/snapshots"), json!({})).await.fault();
    assert_eq!((refused.0, refused.1.as_str()), (409, "ActionInProgress"));
    front.world.store.drop_hold(&hold, false).await.unwrap();
    assert_eq!(front.post(&format!("{stack}/snapshots"), json!({})).await.status, 200);
    for (method, path, body) in [
        (Method::PATCH, stack.clone(), json!({"parameters": {}})),
        (Method::PUT, stack.clone(), json!({"template": template()})),
        (Method::POST, format!("{stack}/actions"), json!({"suspend": null})),
        (Method::DELETE, format!("{stack}/abandon"), Value::Null),
    ] {
        let refused = front.ask(method.clone(), &path, TOKEN, body).await.fault();
        assert_eq!((refused.0, refused.1.as_str()), (409, "ActionInProgress"), "{method} {path}");
    }
    assert!(front.heat.asked().iter().all(|asked| asked.method == "GET"));
    // What changes nothing passes.
    let preview = front.ask(Method::PATCH, &format!("{stack}/preview"), TOKEN, json!({})).await;
    assert_eq!(preview.status, 200);
}

#[tokio::test]
async fn a_hold_that_nobody_drops_ends_by_itself() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let project = "p".parse().unwrap();
    front.world.store.hold(&project, id.parse().unwrap(), Duration::ZERO).await.unwrap();
    assert_eq!(front.post(&format!("{stack}/snapshots"), json!({})).await.status, 200);
}

#[tokio::test]
async fn a_change_that_passed_since_the_reading_is_a_conflict() {
    let front = Front::new().await;
    let (_, id) = front.stack("s");
    let (project, id) = ("p".parse().unwrap(), id.parse().unwrap());
    let store = &front.world.store;
    let before = store.guard(&project, id).await.unwrap();
    let hold = store.hold(&project, id, Duration::from_secs(60)).await.unwrap();
    assert!(store.guard(&project, id).await.is_err());
    store.drop_hold(&hold, true).await.unwrap();
    assert_ne!(store.guard(&project, id).await.unwrap(), before);
}

#[tokio::test]
async fn events_are_one_list_and_a_marker_may_be_ours() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    front.snapshot(&stack).await;
    front.ask(Method::PATCH, &stack, TOKEN, json!({"parameters": {"label": "two"}})).await;
    front.heat.settle(&id);
    let events = front.get(&format!("{stack}/events?sort_dir=asc")).await.json();
    let all: Vec<(String, String)> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["id"].as_str().unwrap().to_owned(), event["resource_status"].as_str().unwrap().to_owned()))
        .collect();
    let words: Vec<_> = all.iter().map(|(_, word)| word.as_str()).collect();
    let begins = words.iter().position(|word| *word == "SNAPSHOT_IN_PROGRESS").unwrap();
    let updates = words.iter().position(|word| *word == "UPDATE_IN_PROGRESS").unwrap();
    assert!(words[..begins].iter().all(|word| word.starts_with("CREATE_")), "{words:?}");
    assert!(words[begins..updates].iter().all(|word| word.starts_with("SNAPSHOT_")), "{words:?}");
    assert!(words[updates..].iter().all(|word| word.starts_with("UPDATE_")), "{words:?}");
    assert_eq!((words[updates - 1], words[words.len() - 1]), ("SNAPSHOT_COMPLETE", "UPDATE_COMPLETE"));
    // Of the stack and each of its own four resources one each: nothing is told twice.
    let ended = words.iter().filter(|word| **word == "SNAPSHOT_COMPLETE").count();
    assert_eq!(ended, 5, "{words:?}");
    // Polling from any of them gives what comes after it, and a page is a page.
    for (at, (marker, _)) in all.iter().enumerate() {
        let rest = front.get(&format!("{stack}/events?sort_dir=asc&marker={marker}")).await.json();
        assert_eq!(rest["events"].as_array().unwrap().len(), all.len() - at - 1, "{marker}");
        let page = front.get(&format!("{stack}/events?sort_dir=desc&marker={marker}&limit=2")).await.json();
        let page: Vec<_> = page["events"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
        let older: Vec<_> = all[..at].iter().rev().take(2).map(|(id, _)| id.as_str()).collect();
        assert_eq!(page, older);
    }
    let of_one = front.get(&format!("{stack}/events?resource_name=t1&sort_dir=asc")).await.json();
    let of_one = of_one["events"].as_array().unwrap();
    assert!(of_one.iter().any(|event| event["resource_status"] == "SNAPSHOT_COMPLETE"), "{of_one:?}");
}

#[tokio::test]
async fn stacks_are_filtered_by_what_they_show() {
    let front = Front::new().await;
    let (one, _) = front.stack("one");
    let (two, _) = front.stack("two");
    front.stack("three");
    front.snapshot(&one).await;
    assert_eq!(front.post(&format!("{two}/snapshots"), json!({})).await.status, 200);
    let names = |body: Value| -> Vec<String> {
        let rows = body["stacks"].as_array().unwrap().clone();
        rows.iter().map(|row| row["stack_name"].as_str().unwrap().to_owned()).collect()
    };
    let ask = async |query: &str| front.get(&format!("/v1/p/stacks?{query}")).await.json();
    assert_eq!(names(ask("action=SNAPSHOT").await), ["two", "one"]);
    assert_eq!(names(ask("status=COMPLETE").await), ["three", "one"]);
    assert_eq!(names(ask("status=IN_PROGRESS").await), ["two"]);
    assert_eq!(names(ask("action=CREATE").await), ["three"]);
    let page = ask("status=COMPLETE&limit=1&with_count=true").await;
    assert_eq!((names(page.clone()), &page["count"]), (vec!["three".to_owned()], &json!(2)));
    let next = page["links"][0]["href"].as_str().unwrap().strip_prefix("http://127.0.0.1:8004").unwrap().to_owned();
    assert_eq!(names(front.get(&next).await.json()), ["one"]);
}

#[tokio::test]
async fn a_restore_is_accepted_and_shown() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let snapshot = front.snapshot(&stack).await;
    let restore = front.post(&format!("{snapshot}/restore"), Value::Null).await;
    assert_eq!(restore.status, 202, "{}", restore.text);
    assert_eq!(front.status(&stack).await, "RESTORE_IN_PROGRESS");
    front.world.work_as(&failing(Verb::Restore, "told to")).await;
    assert_eq!(front.status(&stack).await, "RESTORE_FAILED");
    front.heat.busy(&id, "SUSPEND");
    assert_eq!(front.post(&format!("{snapshot}/restore"), Value::Null).await.fault().0, 409);
    front.heat.settle(&id);
    let refused = front.post(&format!("{snapshot}/restore"), Value::Null).await.fault();
    assert_eq!((refused.0, refused.1.as_str()), (400, "NotSupported"));
}

#[tokio::test]
async fn a_stack_with_snapshots_is_deleted_by_us_and_one_without_by_heat() {
    let front = Front::new().await;
    let (bare, id) = front.stack("bare");
    let gone = front.ask(Method::DELETE, &bare, TOKEN, Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.operation()), (204, String::new()));
    assert_eq!(front.heat.status(&id), "DELETE_IN_PROGRESS");
    let (stack, id) = front.stack("s");
    let snapshot = front.snapshot(&stack).await;
    let gone = front.ask(Method::DELETE, &stack, TOKEN, Value::Null).await;
    assert_eq!(gone.status, 204);
    assert!(!gone.operation().is_empty());
    assert_eq!(front.status(&stack).await, "DELETE_IN_PROGRESS");
    // Heat is told by a worker, after the snapshots.
    assert_eq!(front.heat.status(&id), "CREATE_COMPLETE");
    front.world.work().await;
    assert_eq!(front.get(&snapshot).await.status, 404);
}

#[tokio::test]
async fn heats_own_snapshots_are_listed_shown_restored_and_deleted() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let old = front.heat.snapshot(&id, "old");
    front.snapshot(&stack).await;
    let names = |body: Value| -> Vec<Value> {
        body["snapshots"].as_array().unwrap().iter().map(|snapshot| snapshot["name"].clone()).collect()
    };
    let list = async |query: &str| names(front.get(&format!("{stack}/snapshots{query}")).await.json());
    assert_eq!(list("").await, ["old", "s"]);
    assert_eq!(list("?sort_dir=desc").await, ["s", "old"]);
    assert_eq!(list("?limit=1").await, ["old"]);
    assert_eq!(list(&format!("?marker={old}")).await, ["s"]);
    assert_eq!(list("?status=FAILED").await, Vec::<Value>::new());
    let path = format!("{stack}/snapshots/{old}");
    assert_eq!(front.get(&path).await.json()["snapshot"]["name"], "old");
    front.heat.busy(&id, "CHECK");
    assert_eq!(front.post(&format!("{path}/restore"), Value::Null).await.fault().0, 409);
    front.heat.settle(&id);
    assert_eq!(front.post(&format!("{path}/restore"), Value::Null).await.status, 202);
    assert_eq!(front.status(&stack).await, "RESTORE_IN_PROGRESS");
    front.heat.settle(&id);
    assert_eq!(front.ask(Method::DELETE, &path, TOKEN, Value::Null).await.status, 204);
    assert_eq!(list("").await, ["s"]);
    let unknown = front.get(&format!("{stack}/snapshots/nope")).await;
    assert_eq!(unknown.fault(), (404, "NotFound".into(), "Snapshot with id nope not found".into()));
}

#[tokio::test]
async fn a_heat_in_trouble_is_503_in_heats_shape_and_nothing_begins() {
    let front = Front::new().await;
    let (stack, _) = front.stack("s");
    let snapshots = format!("{stack}/snapshots");
    for trouble in [Trouble::CutOff, Trouble::Slow(Duration::from_secs(20))] {
        front.heat.trouble(trouble);
        for reply in [
            front.get(&stack).await,
            front.get("/v1/p/stacks").await,
            front.get(&format!("{stack}/template")).await,
            front.post(&snapshots, json!({})).await,
        ] {
            let (status, kind, text) = reply.fault();
            assert_eq!((status, kind.as_str()), (503, "HTTPServiceUnavailable"), "{trouble:?}: {text}");
            assert_eq!(reply.header("retry-after"), "1");
        }
    }
    front.heat.trouble(Trouble::Broken);
    // Heat's own answer is Heat's; what we need of it and do not get is 503.
    assert_eq!(front.get(&stack).await.status, 500);
    assert_eq!(front.post(&snapshots, json!({})).await.fault().0, 503);
    front.heat.trouble(Trouble::None);
    assert_eq!(front.status(&stack).await, "CREATE_COMPLETE");
    let Front { heat, world } = front;
    drop(heat);
    let front = Front { heat: Heat::start().await, world };
    assert_eq!(front.get("/v1/p/stacks").await.fault().0, 503);
}

#[tokio::test]
async fn nobody_reaches_another_project() {
    let front = Front::new().await;
    let (stack, id) = front.stack("s");
    let snapshot = front.snapshot(&stack).await;
    front.heat.asked();
    for path in
        [&stack, &snapshot, &format!("{stack}/events"), &"/v1/p/stacks".to_owned(), &"/v1/p/build_info".to_owned()]
    {
        let refused = front.ask(Method::GET, path, "q:member", Value::Null).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    for path in ["/v1/q/../p/stacks", "/v1/q/%2e%2e/p/stacks", "/v1/q/./../p/stacks", "/v1/q/stacks/../../p/stacks"] {
        let nowhere = front.ask(Method::GET, path, "q:member", Value::Null).await;
        assert_eq!(nowhere.status, 404, "{path}: {}", nowhere.text);
    }
    assert_eq!(front.heat.asked(), []);
    // In a project of one's own another's ids are unknown.
    let other = format!("/v1/q/stacks/s/{id}/snapshots");
    assert_eq!(front.ask(Method::POST, &other, "q:member", json!({})).await.fault().0, 404);
    assert_eq!(front.ask(Method::POST, &format!("{stack}/snapshots"), "p:reader", json!({})).await.fault().0, 403);
}
