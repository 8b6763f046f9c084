//! A service over the model store. Nothing works on steps until a test lets it (`World::work`), which then does them all
//! in place of the timers' pump and of workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use stacksnap_api::auth::none::Open;
use stacksnap_api::auth::{Identity, Refusal, Scope, Who};
use stacksnap_api::{Api, router};
use stacksnap_common::config::{Limits, Stacks};
use stacksnap_common::ids::WorkerId;
use stacksnap_common::kinds::Kinds;
use stacksnap_common::operation::Verb;
use stacksnap_common::store::backend::Shards;
use stacksnap_common::store::keys::Timer;
use stacksnap_common::store::looks::Look;
use stacksnap_common::store::model::{Clock, Model, system_clock};
use stacksnap_common::store::{Claimed, Ended, Settings, Store};
use stacksnap_common::types::{Artifact, Consistency, Preview};
use tokio::sync::watch;
use tower::ServiceExt;

pub(crate) const HOST: &str = "127.0.0.1:8004";

/// Tokens are `project:role`.
pub(crate) struct ByName;

#[async_trait::async_trait]
impl Identity for ByName {
    async fn identify(&self, request: &axum::http::request::Parts) -> Result<Arc<Who>, Refusal> {
        let token = request.headers.get("x-auth-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
        if token == "away" {
            return Err(Refusal::Away("The Keystone service is temporarily unavailable."));
        }
        let (project, role) = token.split_once(':').ok_or(Refusal::Unknown)?;
        let roles = match role {
            "reader" => &["reader"][..],
            "member" => &["member", "reader"],
            "admin" => &["admin", "member", "reader"],
            _ => &[],
        };
        let scope = Scope::One(project.parse().unwrap());
        Ok(Arc::new(Who::new(&format!("user-of-{project}"), scope, roles.iter().copied())))
    }

    fn challenge(&self) -> &str {
        "Keystone uri=\"http://127.0.0.1:5000\""
    }
}

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) queue: watch::Sender<bool>,
    pub(crate) document: Value,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Status, type and message of a fault of shape A, checked to be one.
    pub(crate) fn fault(&self) -> (u16, String, String) {
        let body = self.json();
        assert_eq!(keys(&body), ["code", "title", "explanation", "error"], "{}", self.text);
        assert_eq!(keys(&body["error"]), ["type", "traceback", "message"], "{}", self.text);
        assert_eq!(body["code"], self.status.as_u16());
        assert_eq!(self.header("content-type"), "application/json");
        let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
        (self.status.as_u16(), text("type"), text("message"))
    }

    pub(crate) fn operation(&self) -> String {
        self.header("x-stacksnap-operation").to_owned()
    }
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A stack of two directories, one on the other, and a network that nothing here protects.
pub(crate) fn template() -> Value {
    json!({
        "heat_template_version": "2018-08-31",
        "description": "two directories and a network",
        "parameters": {"label": {"type": "string", "default": "first"}, "word": {"type": "string", "hidden": true, "default": "x"}},
        "resources": {
            "data": {"type": "Stacksnap::Directory", "external_id": "/srv/data"},
            "logs": {"type": "Stacksnap::Directory", "external_id": "/srv/logs", "depends_on": "data"},
            "net": {"type": "OS::Neutron::Net", "external_id": "net-1", "metadata": {"k": "v"}, "properties": {"name": {"get_param": "label"}}},
        },
        "outputs": {"where": {"value": {"get_resource": "data"}}, "attr": {"value": {"get_attr": ["data", "x"]}}},
    })
}

/// The machine's clock, but a millisecond later each time it is looked at: what is made first is older.
fn ticking() -> Clock {
    let (system, last) = (system_clock(), AtomicU64::new(0));
    Arc::new(move || {
        let now = system();
        let next = |last: u64| now.max(last + 1_000);
        next(last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last))).unwrap_or_default())
    })
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), Limits::default(), Arc::new(Open))
    }

    pub(crate) fn with(settings: Settings, limits: Limits, identity: Arc<dyn Identity>) -> Self {
        let backend = Arc::new(Model::with_clock(Shards::new(4).unwrap(), ticking()));
        let store = Store::new(backend, settings, Kinds::default());
        let (queue, connected) = watch::channel(true);
        let router = router(Api::new(store.clone(), connected, identity, limits));
        let document = serde_json::to_value(stacksnap_api::document()).unwrap();
        Self { store, router, queue, document }
    }

    /// Another API over the same store, which remembers nothing.
    pub(crate) fn another(&self) -> Self {
        let (queue, connected) = watch::channel(true);
        let router = router(Api::new(self.store.clone(), connected, Arc::new(Open), Limits::default()));
        Self { store: self.store.clone(), router, queue, document: self.document.clone() }
    }

    /// Without abandon and adopt, as Heat is by default.
    pub(crate) fn as_heat() -> Self {
        let Self { store, queue, document, .. } = Self::new();
        let mut api = Api::new(store.clone(), queue.subscribe(), Arc::new(Open), Limits::default());
        api.stacks = Stacks { enable_abandon: false, enable_adopt: false, ..Stacks::default() };
        Self { store, router: router(api), queue, document }
    }

    /// All that the store holds, as it is.
    pub(crate) async fn dump(&self) -> Vec<(u16, String, Vec<u8>)> {
        let backend = self.store.backend();
        let mut all = Vec::new();
        for shard in backend.shards().all() {
            let found = backend.scan(shard, "", None, 10_000).await.unwrap();
            assert!(found.len() < 10_000);
            all.extend(found.into_iter().map(|(key, value)| (shard.0, key.0, value.value.to_vec())));
        }
        all
    }

    /// Every answer is held against the OpenAPI document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let id = parts.headers["x-openstack-request-id"].to_str().unwrap();
        assert!(uuid::Uuid::parse_str(id.strip_prefix("req-").unwrap()).is_ok(), "{id}");
        let reply = Reply { status: parts.status, headers: parts.headers, text };
        let complaint = crate::document::complaint(&self.document, &method, &path, &reply);
        assert!(complaint.is_none(), "{method} {path}: {}: {}", complaint.unwrap_or_default(), reply.text);
        reply
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_vec())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[("accept", "application/json")], b"").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.ask(Method::DELETE, path, &[("accept", "application/json")], b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.change(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.change(Method::PUT, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.change(Method::PATCH, path, body).await
    }

    pub(crate) async fn change(&self, method: Method, path: &str, body: Value) -> Reply {
        let headers = [("accept", "application/json"), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, &headers, body.as_bytes()).await
    }

    pub(crate) async fn status(&self, stack: &str) -> String {
        self.get(stack).await.json()["stack"]["stack_status"].as_str().unwrap().to_owned()
    }

    /// The states of a stack's resources, by name.
    pub(crate) async fn states(&self, stack: &str) -> BTreeMap<String, String> {
        let body = self.get(&format!("{stack}/resources")).await.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let resources = body["resources"].as_array().unwrap().iter();
        resources.map(|one| (text(&one["resource_name"]), text(&one["resource_status"]))).collect()
    }

    /// What happened, oldest first: `name STATUS`.
    pub(crate) async fn events(&self, stack: &str) -> Vec<String> {
        let body = self.get(&format!("{stack}/events?sort_dir=asc")).await.json();
        let word = |event: &Value| format!("{} {}", event["resource_name"], event["resource_status"]).replace('"', "");
        body["events"].as_array().unwrap().iter().map(word).collect()
    }

    /// Makes a stack of [`template`]; its path.
    pub(crate) async fn stack(&self, name: &str) -> String {
        let reply = self.post("/v1/p/stacks", json!({"stack_name": name, "template": template()})).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        self.work().await;
        reply.header("location").strip_prefix("http://127.0.0.1:8004").unwrap().to_owned()
    }

    /// Makes a snapshot and lets it become complete; its path.
    pub(crate) async fn snapshot(&self, stack: &str) -> String {
        let made = self.post(&format!("{stack}/snapshots"), json!({"name": "snap"})).await;
        assert_eq!(made.status, 200, "{}", made.text);
        self.work().await;
        format!("{stack}/snapshots/{}", made.json()["id"].as_str().unwrap())
    }

    /// Lets everything that is due go well, until nothing is due.
    pub(crate) async fn work(&self) {
        self.work_as(&good).await;
    }

    pub(crate) async fn work_as(&self, end: &(dyn Fn(&Claimed) -> Ended + Sync)) {
        loop {
            let due = self.store.due(1000).await.unwrap();
            if due.is_empty() {
                return;
            }
            for due in due {
                match Timer::parse(&due.id).unwrap() {
                    Timer::Item(..) => {
                        for look in self.store.look_at_items(due.shard, vec![due], false).await.unwrap() {
                            let Look::Publish(held) = look.look else { continue };
                            let worker = WorkerId::try_from("w".to_owned()).unwrap();
                            let mut claimed = self.store.claim(&held.job().unwrap(), &worker).await.unwrap();
                            while let Some(step) = claimed {
                                let ended = end(&step);
                                claimed = self.store.finish(&step, ended, Duration::from_secs(1)).await.unwrap();
                            }
                        }
                    }
                    Timer::Advance(project, operation) => {
                        if self.store.take(&due).await.unwrap().is_some() {
                            self.store.advance(&project, operation).await.unwrap();
                        }
                    }
                    _ => {
                        self.store.look_later(&due, Duration::from_secs(3600)).await.unwrap();
                    }
                }
            }
        }
    }
}

/// How a step ends well.
pub(crate) fn good(step: &Claimed) -> Ended {
    match (step.verb, &step.item.resource) {
        (Verb::Copy, Some(resource)) => {
            let mut artifact = Artifact::unprotected(resource, step.step, step.fence(), "");
            artifact.protected = true;
            artifact.why = None;
            artifact.consistency = Consistency::None;
            artifact.bytes = 4096;
            artifact.files = 3;
            artifact.digest = Some("d1".to_owned());
            artifact.entry = Some("e1".to_owned());
            artifact.warnings = vec!["a: changed while it was copied".to_owned()];
            Ended::Done { artifact: Some(Box::new(artifact)), result: Value::Null }
        }
        (Verb::Preview, _) => {
            let preview = Preview { creates: 1, overwrites: 2, bytes: 10, ..Preview::default() };
            Ended::Done { artifact: None, result: serde_json::to_value(preview).unwrap() }
        }
        (Verb::Restore, _) => {
            Ended::Done { artifact: None, result: json!({"restored": ["a", "b"], "not_restored": []}) }
        }
        _ => Ended::Done { artifact: None, result: Value::Null },
    }
}

/// Ends every step of a verb in failure, the others well.
pub(crate) fn failing(verb: Verb, reason: &str) -> impl Fn(&Claimed) -> Ended + Sync {
    let reason = reason.to_owned();
    move |step| match step.verb == verb {
        true => Ended::Failed { reason: reason.clone(), gone: false },
        false => good(step),
    }
}

/// The kinds of all values of an object, to compare shapes.
pub(crate) fn kinds(value: &Value) -> BTreeMap<&str, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    value.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), kind(value))).collect()
}
