//! Neutron, as far as its things are JSON objects that are read and set: every field is kept, what can't be set is refused,
//! and each change has its revision. Shapes and texts are those of Neutron 21 (Zed) and its API reference.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::to_bytes;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use reqwest::Url;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Keystone;
use super::keystone::Tokens;

/// Collections, the key of one thing, and what of it a user may set.
const KINDS: [(&str, &str, &[&str]); 6] = [
    ("networks", "network", &["name", "description", "admin_state_up", "port_security_enabled", "mtu"]),
    (
        "subnets",
        "subnet",
        &["name", "description", "gateway_ip", "allocation_pools", "dns_nameservers", "host_routes", "enable_dhcp"],
    ),
    (
        "ports",
        "port",
        &[
            "name",
            "description",
            "admin_state_up",
            "fixed_ips",
            "security_groups",
            "allowed_address_pairs",
            "port_security_enabled",
        ],
    ),
    ("routers", "router", &["name", "description", "admin_state_up", "external_gateway_info", "routes"]),
    ("security-groups", "security_group", &["name", "description", "stateful"]),
    ("floatingips", "floatingip", &["description", "port_id", "fixed_ip_address"]),
];

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Neutron {
    port: u16,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// By collection and id.
    things: BTreeMap<(String, String), Map<String, Value>>,
    made: u32,
    asked: Vec<String>,
    refuses: Option<StatusCode>,
}

#[derive(Clone)]
struct World {
    state: Arc<Mutex<State>>,
    tokens: Tokens,
}

impl Neutron {
    /// Asks `keystone` about tokens, and is in its catalogue: without a version, as Neutron's installation guide has it.
    pub async fn start(keystone: &Keystone) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let world = World { state: Arc::clone(&state), tokens: keystone.tokens() };
        let router = Router::new().fallback(answer).with_state(world);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let neutron = Self { port, state, server };
        keystone.list_service("network", neutron.url().as_str());
        neutron
    }

    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/", self.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A thing of this project's; its id.
    pub fn put(&self, project: &str, collection: &str, mut thing: Value) -> String {
        let mut state = self.state();
        state.made += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", state.made);
        thing["id"] = id.clone().into();
        thing["project_id"] = project.into();
        thing["revision_number"] = 1.into();
        thing["updated_at"] = "2026-11-26T04:00:00Z".into();
        let Value::Object(thing) = thing else { panic!("not an object") };
        state.things.insert((collection.to_owned(), id.clone()), thing);
        id
    }

    /// Behind Neutron's back.
    pub fn change(&self, collection: &str, id: &str, field: &str, value: Value) {
        let mut state = self.state();
        let thing = state.things.get_mut(&(collection.to_owned(), id.to_owned())).unwrap();
        thing.insert(field.to_owned(), value);
    }

    pub fn look(&self, collection: &str, id: &str, field: &str) -> Value {
        self.state().things[&(collection.to_owned(), id.to_owned())][field].clone()
    }

    pub fn lose(&self, collection: &str, id: &str) {
        self.state().things.remove(&(collection.to_owned(), id.to_owned()));
    }

    /// Everything is answered by this from now on, or no more.
    pub fn refuses(&self, status: Option<u16>) {
        self.state().refuses = status.map(|status| StatusCode::from_u16(status).unwrap());
    }

    /// Methods and paths since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }
}

impl Drop for Neutron {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn refused(status: StatusCode, kind: &str, message: String) -> Response {
    let body = json!({"NeutronError": {"type": kind, "message": message, "detail": ""}});
    (status, Json(body)).into_response()
}

async fn answer(Shared(world): Shared<World>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let Some(project) = world.tokens.project(&head.headers) else {
        let message = "The request you have made requires authentication.";
        let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    };
    let mut state = world.state.lock().unwrap();
    state.asked.push(format!("{} {}", head.method, head.uri.path()));
    if let Some(status) = state.refuses {
        return refused(status, "Refused", "as the test wants it".to_owned());
    }
    let parts: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    let kind = KINDS.iter().find(|(collection, ..)| parts.get(1) == Some(collection));
    let (Some((collection, key, settable)), [version, _, id]) = (kind, parts.as_slice()) else {
        return refused(StatusCode::NOT_FOUND, "HTTPNotFound", "The resource could not be found.".to_owned());
    };
    let place = (collection.to_string(), id.to_string());
    let thing = state.things.get_mut(&place).filter(|thing| *version == "v2.0" && thing["project_id"] == *project);
    let Some(thing) = thing else {
        let mut kind = key.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
        kind.push_str("NotFound");
        return refused(StatusCode::NOT_FOUND, &kind, format!("{} {id} could not be found.", key.replace('_', " ")));
    };
    if head.method == "PUT" {
        let expected = head.headers.get("if-match").map(|value| value.to_str().unwrap().to_owned());
        if expected.is_some_and(|it| it != format!("revision_number={}", thing["revision_number"])) {
            let said = format!("Constrained to revision_number, but current revision is {}", thing["revision_number"]);
            return refused(StatusCode::PRECONDITION_FAILED, "RevisionNumberConstraintFailed", said);
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        let fields = body[*key].as_object().cloned().unwrap_or_default();
        if let Some(name) = fields.keys().find(|name| !settable.contains(&name.as_str())) {
            let said = format!("Cannot update read-only attribute {name}");
            return refused(StatusCode::BAD_REQUEST, "HTTPBadRequest", said);
        }
        thing.extend(fields);
        let revision = thing["revision_number"].as_u64().unwrap() + 1;
        thing.insert("revision_number".to_owned(), revision.into());
    }
    Json(Map::from_iter([((*key).to_owned(), Value::Object(thing.clone()))])).into_response()
}
