//! Who asks for what: the token is looked at first, as Cinder's middleware does, then the project in the path, then the
//! rest of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State as Shared};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::keystone::Tokens;
use super::faults::Fault;
use super::state::{Asked, State};

#[derive(Clone)]
struct World {
    state: Arc<Mutex<State>>,
    tokens: Tokens,
}

/// What Cinder does about a request: a status and a body, or a refusal.
pub(super) type Answer = Result<(StatusCode, Value), Refusal>;

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, kind: "badRequest", message: message.into() }
}

/// `Volume nope could not be found.`
pub(super) fn not_found(what: &str, id: &str) -> Refusal {
    let message = format!("{what} {id} could not be found.");
    Refusal { status: StatusCode::NOT_FOUND, kind: "itemNotFound", message }
}

pub(super) fn over_quota(message: String) -> Refusal {
    Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, kind: "overLimit", message }
}

/// What comes with a request.
pub(super) struct Given<'a> {
    pub(super) project: &'a str,
    /// Sees and changes what is in any project.
    pub(super) admin: bool,
    pub(super) query: &'a BTreeMap<String, String>,
    pub(super) body: &'a Value,
}

impl Given<'_> {
    /// Whether the caller may know of something in this project.
    pub(super) fn may(&self, project: &str) -> bool {
        self.admin || self.project == project
    }

    /// Whether a list has something that is in this project.
    pub(super) fn lists(&self, project: &str) -> bool {
        self.project == project || (self.admin && self.query.get("all_tenants").is_some_and(|all| all == "1"))
    }

    pub(super) fn metadata(value: &Value) -> BTreeMap<String, String> {
        let pairs = value.as_object().into_iter().flatten();
        pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(super) fn router(state: Arc<Mutex<State>>, tokens: Tokens) -> Router {
    Router::new().fallback(answer).with_state(World { state, tokens })
}

async fn answer(
    Shared(world): Shared<World>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (_, path) = head.uri.path().strip_prefix("/v3/").and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let fault = {
        let mut state = world.state.lock().unwrap();
        state.settle();
        let asked = Asked { method: head.method.to_string(), path: format!("/{path}"), body: body.clone() };
        let fault = state.faults.meets(&format!("{} {}", asked.method, asked.path));
        state.asked.push(asked);
        fault
    };
    match fault {
        Some(Fault::Status(401)) => return unauthorized(),
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, "no server is available to handle this request").into_response();
        }
        Some(Fault::Busy(seconds)) => {
            let mut busy = (StatusCode::TOO_MANY_REQUESTS, "This request was rate-limited.").into_response();
            busy.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            return busy;
        }
        Some(Fault::CutOff) => return cut_off(),
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Lost) | None => {}
    }
    let answer = served(&world, &head.headers, head.method.as_str(), head.uri.path(), &query, &body);
    if fault == Some(Fault::Lost) { cut_off() } else { answer }
}

fn served(
    world: &World,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    query: &BTreeMap<String, String>,
    body: &Value,
) -> Response {
    let Some(project) = world.tokens.project(headers) else { return unauthorized() };
    let mut state = world.state.lock().unwrap();
    state.settle();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let answer = match parts.split_first() {
        Some((&"v3", [of, ..])) if *of != project => Err(bad_request("Malformed request url")),
        Some((&"v3", [_, rest @ ..])) => {
            let given = Given { project: &project, admin: world.tokens.is_admin(headers), query, body };
            let answer = match rest.split_first() {
                Some((&"volumes", rest)) => state.serve_volumes(method, rest, &given),
                Some((&"snapshots", rest)) => state.serve_snapshots(method, rest, &given),
                Some((&"backups", rest)) => state.serve_backups(method, rest, &given),
                _ => None,
            };
            answer.unwrap_or_else(|| Err(not_found("The resource", "")))
        }
        _ => Err(not_found("The resource", "")),
    };
    let mut response = match answer {
        Ok((status, Value::Null)) => status.into_response(),
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(Refusal { status, kind, message }) => {
            let mut inner = json!({"code": status.as_u16(), "message": message});
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                inner["retryAfter"] = "0".into();
            }
            let mut response = (status, Json(json!({ kind: inner }))).into_response();
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(0));
            }
            response
        }
    };
    let id = format!("req-{}", state.id());
    response.headers_mut().insert("x-openstack-request-id", id.parse().unwrap());
    response
}

fn unauthorized() -> Response {
    let message = "The request you have made requires authentication.";
    let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

/// It promises more than comes.
fn cut_off() -> Response {
    let begun = futures_util::stream::iter([
        Ok(Bytes::from_static(b"{\"vol")),
        Err(std::io::Error::other("the connection is gone")),
    ]);
    let mut response = Response::new(Body::from_stream(begun));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(500));
    response
}

/// A page of what a list has, the newest first: `limit` and `marker`, and filters by `name` and `volume_id`.
pub(super) fn page(key: &str, mut all: Vec<(String, Value)>, query: &BTreeMap<String, String>) -> Answer {
    all.sort_by(|(a, _), (b, _)| b.cmp(a));
    let filters = ["name", "volume_id", "status"];
    let wanted =
        |entry: &Value| filters.iter().all(|name| query.get(*name).is_none_or(|value| entry[*name] == **value));
    let mut entries: Vec<Value> = all.into_iter().map(|(_, entry)| entry).filter(wanted).collect();
    if let Some(marker) = query.get("marker") {
        let Some(place) = entries.iter().position(|entry| entry["id"] == **marker) else {
            return Err(bad_request(format!("marker not found: {marker}")));
        };
        entries.drain(..=place);
    }
    let mut body = json!({});
    if let Some(limit) = query.get("limit").and_then(|limit| limit.parse::<usize>().ok()) {
        // Cinder links to another page whenever this one is full, though there may be nothing on it.
        if entries.len() >= limit {
            entries.truncate(limit);
            body[format!("{key}_links")] = json!([{"rel": "next", "href": "…"}]);
        }
    }
    body[key] = entries.into();
    Ok((StatusCode::OK, body))
}
