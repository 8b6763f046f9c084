//! Heat: stacks of resources that are only values, as Heat 27 shows them.
//!
//! What it is told to do ends when a stack has been looked at a few times (`Heat::looks`), so nothing waits. A resource
//! whose type ends in `.yaml`, and a `ResourceGroup`, hold a nested stack with one resource, `leaf`. A token is
//! `PROJECT` or `PROJECT:anything` and is good for that project alone. Its clock goes on by a second with each change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::header::{CONTENT_TYPE, HOST, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Heat {
    port: u16,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

/// What it does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// 500 for everything.
    Broken,
    /// It waits before each answer.
    Slow(Duration),
    /// Each answer ends before its end.
    CutOff,
}

#[derive(Debug, Default)]
struct State {
    stacks: BTreeMap<String, Stack>,
    trouble: Trouble,
    /// How often a stack that is worked on is looked at before that has ended.
    looks: u32,
    /// The next thing that it does fails.
    fails: bool,
    /// On which look from now on (1: the next) which stack is changed first, by somebody else.
    changes: Option<(u32, String)>,
    made: u64,
    clock: i64,
    asked: Vec<Asked>,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub token: Option<String>,
    pub headers: Vec<String>,
    pub body: Value,
}

#[derive(Debug, Clone)]
struct Stack {
    project: String,
    name: String,
    id: String,
    action: String,
    status: String,
    reason: String,
    created: String,
    updated: Option<String>,
    template: Value,
    parameters: Map<String, Value>,
    files: Value,
    registry: Value,
    events: Vec<Value>,
    snapshots: Vec<Value>,
    left: u32,
    failing: bool,
}

type World = Arc<Mutex<State>>;

impl Heat {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State { looks: 2, clock: 1_795_000_000, ..State::default() }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, state, server }
    }

    /// Up to `/v1`.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v1", self.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn trouble(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// Whatever it is told next to do fails, after it has begun.
    pub fn fail_next(&self) {
        self.state().fails = true;
    }

    pub fn looks(&self, looks: u32) {
        self.state().looks = looks;
    }

    /// Everything that was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// Makes a stack that is complete; its id.
    pub fn stack(&self, project: &str, name: &str, template: Value) -> String {
        let mut state = self.state();
        let id = state.create(project, &json!({"stack_name": name, "template": template}));
        state.end(&id);
        id
    }

    /// Changes a stack's parameter as somebody does who goes round us; at once.
    pub fn change(&self, id: &str, parameter: &str, value: &str) {
        let mut state = self.state();
        state.begin(id, "UPDATE");
        state.stacks.get_mut(id).unwrap().parameters.insert(parameter.to_owned(), value.into());
        state.end(id);
    }

    /// On the `nth` time from now that it is shown, a stack has been changed by somebody who goes round us.
    pub fn change_on_look(&self, id: &str, nth: u32) {
        self.state().changes = Some((nth, id.to_owned()));
    }

    /// Begins something that goes on until `settle`.
    pub fn busy(&self, id: &str, action: &str) {
        let mut state = self.state();
        state.begin(id, action);
        state.stacks.get_mut(id).unwrap().left = u32::MAX;
    }

    pub fn settle(&self, id: &str) {
        self.state().end(id);
    }

    /// A parameter's value now.
    pub fn parameter(&self, id: &str, name: &str) -> Value {
        self.state().stacks[id].parameters.get(name).cloned().unwrap_or(Value::Null)
    }

    pub fn template(&self, id: &str) -> Value {
        self.state().stacks[id].template.clone()
    }

    pub fn status(&self, id: &str) -> String {
        let state = self.state();
        state.stacks.get(id).map_or("gone".to_owned(), |stack| format!("{}_{}", stack.action, stack.status))
    }

    /// A snapshot that Heat made itself; its id.
    pub fn snapshot(&self, id: &str, name: &str) -> String {
        let mut state = self.state();
        let (snapshot, at) = (state.id(), state.now());
        let made = json!({"id": snapshot, "name": name, "action": "CREATE", "status": "COMPLETE",
            "status_reason": "Stack SNAPSHOT completed successfully", "data": {"id": id}, "creation_time": at});
        state.stacks.get_mut(id).unwrap().snapshots.push(made);
        snapshot
    }
}

impl Drop for Heat {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    fn id(&mut self) -> String {
        self.made += 1;
        format!("{:08x}-0000-4000-8000-{:012x}", 0xfa4e_0000_u32, self.made)
    }

    fn now(&mut self) -> String {
        self.clock += 1;
        Timestamp::from_second(self.clock).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn create(&mut self, project: &str, body: &Value) -> String {
        let (id, created) = (self.id(), self.now());
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let stack = Stack {
            project: project.to_owned(),
            name: text("stack_name"),
            id: id.clone(),
            action: "CREATE".to_owned(),
            status: "IN_PROGRESS".to_owned(),
            reason: "Stack CREATE started".to_owned(),
            created,
            updated: None,
            template: body["template"].clone(),
            parameters: body["parameters"].as_object().cloned().unwrap_or_default(),
            files: body.get("files").cloned().unwrap_or_else(|| json!({})),
            registry: json!({"resources": {}}),
            events: Vec::new(),
            snapshots: Vec::new(),
            left: self.looks,
            failing: std::mem::take(&mut self.fails),
        };
        self.stacks.insert(id.clone(), stack);
        self.event(&id, "CREATE_IN_PROGRESS", "Stack CREATE started");
        id
    }

    fn begin(&mut self, id: &str, action: &str) {
        let (updated, looks, failing) = (self.now(), self.looks, std::mem::take(&mut self.fails));
        let stack = self.stacks.get_mut(id).unwrap();
        (stack.action, stack.status) = (action.to_owned(), "IN_PROGRESS".to_owned());
        stack.reason = format!("Stack {action} started");
        (stack.updated, stack.left, stack.failing) = (Some(updated), looks, failing);
        self.event(id, &format!("{action}_IN_PROGRESS"), &format!("Stack {action} started"));
    }

    fn end(&mut self, id: &str) {
        let stack = self.stacks.get_mut(id).unwrap();
        let (status, how) =
            if stack.failing { ("FAILED", "failed: it was told to") } else { ("COMPLETE", "completed successfully") };
        stack.status = status.to_owned();
        stack.reason = format!("Stack {} {how}", stack.action);
        let (word, reason) = (format!("{}_{status}", stack.action), stack.reason.clone());
        self.event(id, &word, &reason);
    }

    fn event(&mut self, stack: &str, status: &str, reason: &str) {
        let (id, at) = (self.id(), self.now());
        let stack = self.stacks.get_mut(stack).unwrap();
        stack.events.push(json!({"id": id, "event_time": at, "links": [], "resource_name": stack.name,
            "logical_resource_id": stack.name, "physical_resource_id": stack.id, "resource_status": status,
            "resource_status_reason": reason}));
    }

    fn change(&mut self, id: &str) {
        match &mut self.changes {
            Some((left, of)) if of == id && *left > 1 => *left -= 1,
            Some((_, of)) if of == id => {
                self.changes = None;
                self.begin(id, "UPDATE");
                self.end(id);
            }
            _ => {}
        }
    }

    /// One look nearer to the end of what goes on.
    fn look(&mut self, id: &str) {
        let Some(stack) = self.stacks.get_mut(id).filter(|stack| stack.status == "IN_PROGRESS") else { return };
        if stack.left == u32::MAX {
            return;
        }
        stack.left = stack.left.saturating_sub(1);
        if stack.left == 0 {
            self.end(id);
        }
    }
}

impl Stack {
    fn is_deleted(&self) -> bool {
        self.action == "DELETE" && self.status == "COMPLETE"
    }

    fn hidden(&self, name: &str) -> bool {
        self.template["parameters"][name]["hidden"] == true
    }

    fn shown_parameters(&self) -> Map<String, Value> {
        let mask = |(name, value): (&String, &Value)| {
            (name.clone(), if self.hidden(name) { "******".into() } else { value.clone() })
        };
        self.parameters.iter().map(mask).collect()
    }

    fn row(&self, base: &str) -> Value {
        json!({"id": self.id, "stack_name": self.name, "description": "", "tags": null, "stack_owner": "owner",
            "links": [{"rel": "self", "href": self.href(base)}], "creation_time": self.created,
            "updated_time": self.updated, "deletion_time": null, "parent": null,
            "stack_status": format!("{}_{}", self.action, self.status), "stack_status_reason": self.reason})
    }

    fn full(&self, base: &str) -> Value {
        let mut full = self.row(base);
        full["parameters"] = self.shown_parameters().into();
        full["disable_rollback"] = true.into();
        full["timeout_mins"] = Value::Null;
        full["tags"] = json!([]);
        full
    }

    fn href(&self, base: &str) -> String {
        format!("{base}/{}/stacks/{}/{}", self.project, self.name, self.id)
    }

    fn resources(&self, base: &str, nested: bool) -> Vec<Value> {
        let mut listed = Vec::new();
        for (name, definition) in self.template["resources"].as_object().into_iter().flatten() {
            let kind = definition["type"].as_str().unwrap_or_default();
            let holds = kind.ends_with(".yaml") || kind.ends_with("ResourceGroup");
            let inner = format!("{base}/{}/stacks/{}-{name}/inner", self.project, self.name);
            let mut links = vec![json!({"rel": "stack", "href": self.href(base)})];
            if holds {
                links.push(json!({"rel": "nested", "href": inner}));
            }
            let value = match &definition["properties"]["value"] {
                Value::Object(call) => self.parameters.get(call["get_param"].as_str().unwrap_or_default()).cloned(),
                value => Some(value.clone()),
            };
            let of = |name: &str, kind: &str, links: Vec<Value>| {
                json!({"resource_name": name, "logical_resource_id": name, "resource_type": kind,
                    "physical_resource_id": format!("{}-{name}", self.name), "required_by": [], "links": links,
                    "resource_status": format!("{}_{}", self.action, self.status),
                    "resource_status_reason": "state changed", "attributes": {"output": value}})
            };
            listed.push(of(name, kind, links));
            if holds && nested {
                let mut leaf = of("leaf", "OS::Heat::TestResource", vec![json!({"rel": "stack", "href": inner})]);
                leaf["parent_resource"] = name.as_str().into();
                listed.push(leaf);
            }
        }
        listed
    }
}

async fn answer(Shared(world): Shared<World>, request: Request) -> Response {
    let trouble = world.lock().unwrap().trouble;
    if let Trouble::Slow(time) = trouble {
        tokio::time::sleep(time).await;
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let token = parts.headers.get("x-auth-token").map(|token| token.to_str().unwrap().to_owned());
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        token: token.clone(),
        headers: parts.headers.keys().map(|name| name.as_str().to_owned()).collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let (body, host) = (asked.body.clone(), host(&parts.headers));
    let response = {
        let mut state = world.lock().unwrap();
        state.asked.push(asked);
        let query: BTreeMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let path: Vec<&str> = parts.uri.path().trim_start_matches("/v1/").split('/').collect();
        let mine = token.as_deref().map(|token| token.split(':').next() == path.first().copied());
        match mine {
            _ if trouble == Trouble::Broken => fault(StatusCode::INTERNAL_SERVER_ERROR, "RemoteError", ""),
            None => {
                fault(StatusCode::UNAUTHORIZED, "Unauthorized", "The request you have made requires authentication.")
            }
            Some(false) => fault(StatusCode::FORBIDDEN, "HTTPForbidden", "Access was denied to this resource."),
            Some(true) => state.route(&parts.method, &path, &query, &body, &format!("http://{host}/v1")),
        }
    };
    if trouble == Trouble::CutOff { cut_off(response).await } else { response }
}

impl State {
    fn route(
        &mut self,
        method: &Method,
        path: &[&str],
        query: &BTreeMap<String, String>,
        body: &Value,
        base: &str,
    ) -> Response {
        let project = path[0];
        match (method.as_str(), &path[1..]) {
            ("GET", ["stacks"] | ["stacks", "detail"]) => self.list(project, query, base),
            ("POST", ["stacks"]) => {
                let id = self.create(project, body);
                let href = self.stacks[&id].href(base);
                let answer = json!({"stack": {"id": id, "links": [{"rel": "self", "href": href}]}});
                (StatusCode::CREATED, [(LOCATION, href)], Json(answer)).into_response()
            }
            ("GET", ["build_info"]) => Json(json!({"api": {"revision": "fake"}})).into_response(),
            (_, ["stacks", name]) => {
                let found = self
                    .stacks
                    .values()
                    .find(|s| s.project == project && (s.id == *name || (s.name == *name && !s.is_deleted())));
                match found {
                    Some(stack) => (
                        StatusCode::FOUND,
                        [(LOCATION, stack.href(base))],
                        Json(json!({"message": format!("found at {}", stack.href(base))})),
                    )
                        .into_response(),
                    None => no_stack(name),
                }
            }
            (method, ["stacks", name, id, below @ ..]) => {
                self.look(id);
                match self.stacks.get(*id) {
                    Some(stack) if stack.project == project && stack.name == *name => {
                        self.of_stack(method, id, below, query, body, base)
                    }
                    _ => no_stack(name),
                }
            }
            _ => fault(StatusCode::NOT_FOUND, "HTTPNotFound", "The resource could not be found."),
        }
    }

    fn list(&self, project: &str, query: &BTreeMap<String, String>, base: &str) -> Response {
        let is = |name: &str, value: &str| query.get(name).is_none_or(|asked| asked == value);
        let mut found: Vec<_> = self
            .stacks
            .values()
            .filter(|s| s.project == project && !s.is_deleted() && is("status", &s.status) && is("action", &s.action))
            .collect();
        found.reverse();
        if let Some(at) = query.get("marker").and_then(|marker| found.iter().position(|s| s.id == *marker)) {
            found.drain(..=at);
        }
        let limit = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let rows: Vec<_> = found.iter().take(limit).map(|stack| stack.row(base)).collect();
        Json(json!({"stacks": rows})).into_response()
    }

    fn of_stack(
        &mut self,
        method: &str,
        id: &str,
        below: &[&str],
        query: &BTreeMap<String, String>,
        body: &Value,
        base: &str,
    ) -> Response {
        if (method, below) == ("GET", &[]) {
            self.change(id);
        }
        let stack = self.stacks[id].clone();
        match (method, below) {
            ("GET", []) => Json(json!({"stack": stack.full(base)})).into_response(),
            _ if stack.is_deleted() => no_stack(&stack.name),
            ("GET", ["template"]) => Json(stack.template).into_response(),
            ("GET", ["files"]) => Json(stack.files).into_response(),
            ("GET", ["environment"]) => Json(json!({"parameters": stack.shown_parameters(), "parameter_defaults": {},
                "resource_registry": stack.registry, "event_sinks": [], "encrypted_param_names": []}))
            .into_response(),
            ("GET", ["resources"]) => {
                Json(json!({"resources": stack.resources(base, query.contains_key("nested_depth"))})).into_response()
            }
            ("GET", ["resources", name]) => {
                match stack.resources(base, false).into_iter().find(|resource| resource["resource_name"] == *name) {
                    Some(resource) => Json(json!({"resource": resource})).into_response(),
                    None => fault(StatusCode::NOT_FOUND, "ResourceNotFound", "The Resource could not be found."),
                }
            }
            ("GET", ["events"]) => {
                let mut events = stack.events;
                if query.get("sort_dir").map(String::as_str) != Some("asc") {
                    events.reverse();
                }
                let limit = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
                events.truncate(limit);
                Json(json!({"events": events})).into_response()
            }
            ("PATCH" | "PUT", ["preview"]) => {
                let names = |template: &Value| -> Vec<String> {
                    template["resources"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
                };
                let (now, then) = (names(&stack.template), names(body.get("template").unwrap_or(&stack.template)));
                let of = |names: Vec<&String>| {
                    names.into_iter().map(|name| json!({"resource_name": name})).collect::<Vec<_>>()
                };
                Json(json!({"resource_changes": {
                    "unchanged": of(then.iter().filter(|name| now.contains(name)).collect()), "updated": [], "replaced": [],
                    "added": of(then.iter().filter(|name| !now.contains(name)).collect()),
                    "deleted": of(now.iter().filter(|name| !then.contains(name)).collect()),
                }})).into_response()
            }
            ("PATCH" | "PUT", []) => {
                self.begin(id, "UPDATE");
                let stack = self.stacks.get_mut(id).unwrap();
                if let Some(template) = body.get("template") {
                    stack.template = template.clone();
                }
                if method == "PUT" {
                    stack.parameters.clear();
                }
                for given in [&body["parameters"], &body["environment"]["parameters"]] {
                    stack.parameters.extend(given.as_object().cloned().unwrap_or_default());
                }
                for name in body["clear_parameters"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    stack.parameters.remove(name);
                }
                accepted()
            }
            ("POST", ["actions"]) => {
                let action = body.as_object().and_then(|body| body.keys().next().cloned()).unwrap_or_default();
                self.begin(id, &action.to_uppercase());
                Json(Value::Null).into_response()
            }
            ("DELETE", []) => {
                self.begin(id, "DELETE");
                StatusCode::NO_CONTENT.into_response()
            }
            ("DELETE", ["abandon"]) => {
                self.stacks.remove(id);
                Json(json!({"name": stack.name, "id": id, "template": stack.template})).into_response()
            }
            ("GET", ["snapshots"]) => Json(json!({"snapshots": stack.snapshots})).into_response(),
            (method, ["snapshots", snapshot, below @ ..]) => {
                let Some(found) = stack.snapshots.iter().find(|found| found["id"] == *snapshot) else {
                    return fault(StatusCode::NOT_FOUND, "NotFound", &format!("Snapshot with id {snapshot} not found"));
                };
                match (method, below) {
                    ("GET", []) => Json(json!({"snapshot": found})).into_response(),
                    ("DELETE", []) => {
                        self.stacks.get_mut(id).unwrap().snapshots.retain(|found| found["id"] != *snapshot);
                        StatusCode::NO_CONTENT.into_response()
                    }
                    ("POST", ["restore"]) => {
                        self.begin(id, "RESTORE");
                        accepted()
                    }
                    _ => fault(StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed", ""),
                }
            }
            _ => fault(StatusCode::NOT_FOUND, "HTTPNotFound", "The resource could not be found."),
        }
    }
}

fn host(headers: &HeaderMap) -> String {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned()
}

fn no_stack(name: &str) -> Response {
    fault(StatusCode::NOT_FOUND, "EntityNotFound", &format!("The Stack ({name}) could not be found."))
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({"message": "The request is accepted for processing.<br /><br />\n\n\n", "code": "202 Accepted", "title": "Accepted"}))).into_response()
}

fn fault(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"code": status.as_u16(), "title": status.canonical_reason(), "explanation": "",
        "error": {"type": kind, "traceback": null, "message": message}});
    (status, Json(body)).into_response()
}

/// The first half of an answer, and then an error in place of the rest.
async fn cut_off(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("application/json"));
    let half = whole.slice(..whole.len() / 2);
    let pieces = [Ok::<Bytes, std::io::Error>(half), Err(std::io::Error::other("cut off"))];
    Response::from_parts(parts, Body::from_stream(futures_util::stream::iter(pieces)))
}
