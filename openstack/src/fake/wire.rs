//! What all of the fake services do alike: the token is looked at first, then what a test wants to go wrong, then the
//! rest of the request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State as Shared};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::keystone::Tokens;

const MICROVERSION: &str = "openstack-api-version";

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered by this status and nothing is done: 503, 500, 401, …
    Status(u16),
    /// It is refused (400) in these words, as by a service whose state has just become another.
    Refused(String),
    /// 429, with `Retry-After` in seconds.
    Busy(u64),
    /// Nothing is done, and the answer ends before its end.
    CutOff,
    /// What was asked is done, and nobody gets to know.
    Lost,
    /// It is answered well, after this.
    Slow(Duration),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    /// Below the service's own root (Cinder's: below the project), without its query.
    pub path: String,
    pub body: Value,
}

/// What goes wrong on the way, and what came.
#[derive(Debug, Default)]
pub(super) struct Wire {
    faults: Vec<(String, Fault, usize)>,
    asked: Vec<Asked>,
    requests: u64,
}

impl Wire {
    pub(super) fn fault(&mut self, at: &str, fault: Fault, times: usize) {
        self.faults.push((at.to_owned(), fault, times));
    }

    pub(super) fn asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// What this request meets.
    fn meets(&mut self, request: &str) -> Option<Fault> {
        let (_, fault, left) =
            self.faults.iter_mut().find(|(at, _, left)| *left > 0 && request.contains(at.as_str()))?;
        *left -= 1;
        Some(fault.clone())
    }
}

/// What a service does about a request: a status and a body, or a refusal.
pub(super) type Answer = Result<(StatusCode, Value), Refusal>;

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// `itemNotFound`
    pub(super) kind: &'static str,
    pub(super) message: String,
}

pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, kind: "badRequest", message: message.into() }
}

pub(super) fn conflict(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::CONFLICT, kind: "conflictingRequest", message: message.into() }
}

pub(super) fn forbidden(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::FORBIDDEN, kind: "forbidden", message: message.into() }
}

pub(super) fn missing(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, kind: "itemNotFound", message: message.into() }
}

/// `Volume nope could not be found.`
pub(super) fn not_found(what: &str, id: &str) -> Refusal {
    missing(format!("{what} {id} could not be found."))
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
    pub(super) headers: &'a HeaderMap,
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

/// The state of one service.
pub(super) trait Service: Send + 'static {
    /// The first part of every path: `v3`.
    const ROOT: &str;
    /// The second part is the project's id.
    const OF_PROJECT: bool;
    /// Whether a request has an id before its token is looked at.
    const STRANGERS_COUNT: bool = true;

    fn wire(&mut self) -> &mut Wire;

    /// Brings everything up to now.
    fn settle(&mut self);

    /// `None`: there is no such thing to ask for.
    fn serve(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer>;

    /// The body of a refusal.
    fn refuse(refusal: &Refusal) -> Value {
        let mut inner = json!({"code": refusal.status.as_u16(), "message": refusal.message});
        if refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
            inner["retryAfter"] = "0".into();
        }
        if refusal.status == StatusCode::UNAUTHORIZED {
            inner["title"] = "Unauthorized".into();
        }
        json!({ refusal.kind: inner })
    }
}

/// A service on a port of its own, which stops when this is dropped.
#[derive(Debug)]
pub(super) struct Served<S: Service> {
    pub(super) port: u16,
    pub(super) state: Arc<Mutex<S>>,
    server: JoinHandle<()>,
}

impl<S: Service> Served<S> {
    pub(super) async fn start(state: S, tokens: Tokens) -> Self {
        let state = Arc::new(Mutex::new(state));
        let world = World { state: Arc::clone(&state), tokens };
        let router = Router::new().fallback(answer::<S>).with_state(world);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, state, server }
    }

    /// As it is now: what was to be over by now is.
    pub(super) fn state(&self) -> MutexGuard<'_, S> {
        let mut state = self.state.lock().unwrap();
        state.settle();
        state
    }
}

impl<S: Service> Drop for Served<S> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct World<S> {
    state: Arc<Mutex<S>>,
    tokens: Tokens,
}

impl<S> Clone for World<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), tokens: self.tokens.clone() }
    }
}

async fn answer<S: Service>(
    Shared(world): Shared<World<S>>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let parts: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    let below = parts.get(1 + usize::from(S::OF_PROJECT)..).unwrap_or_default();
    let fault = {
        let mut state = world.state.lock().unwrap();
        state.settle();
        let asked =
            Asked { method: head.method.to_string(), path: format!("/{}", below.join("/")), body: body.clone() };
        let wire = state.wire();
        let fault = wire.meets(&format!("{} {}", asked.method, asked.path));
        wire.asked.push(asked);
        fault
    };
    match fault {
        Some(Fault::Status(401)) => return refused::<S>(&stranger()),
        Some(Fault::Refused(why)) => return refused::<S>(&bad_request(why)),
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
    let answer = served(&world, &head.headers, head.method.as_str(), &parts, &query, &body);
    if fault == Some(Fault::Lost) { cut_off() } else { answer }
}

fn refused<S: Service>(refusal: &Refusal) -> Response {
    (refusal.status, Json(S::refuse(refusal))).into_response()
}

fn served<S: Service>(
    world: &World<S>,
    headers: &HeaderMap,
    method: &str,
    path: &[&str],
    query: &BTreeMap<String, String>,
    body: &Value,
) -> Response {
    let project = world.tokens.project(headers);
    let known = project.is_some();
    let mut state = world.state.lock().unwrap();
    state.settle();
    let project = project.unwrap_or_default();
    let given = Given { project: &project, admin: world.tokens.is_admin(headers), query, headers, body };
    let answer = match path.split_first() {
        _ if !known => Err(stranger()),
        Some((root, [of, ..])) if *root == S::ROOT && S::OF_PROJECT && *of != project => {
            Err(bad_request("Malformed request url"))
        }
        Some((root, rest)) if *root == S::ROOT => {
            let rest = rest.get(usize::from(S::OF_PROJECT)..).unwrap_or_default();
            state.serve(method, rest, &given).unwrap_or_else(|| Err(missing("The resource could not be found.")))
        }
        _ => Err(missing("The resource could not be found.")),
    };
    let mut response = match answer {
        Ok((status, Value::Null)) => status.into_response(),
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(refusal) => {
            let mut response = (refusal.status, Json(S::refuse(&refusal))).into_response();
            if refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(0));
            }
            response
        }
    };
    let wire = state.wire();
    wire.requests += 1;
    let id = format!("req-{:08x}-0000-4000-8000-{:012x}", 0x4e90_0000_u32, wire.requests);
    if known || S::STRANGERS_COUNT {
        response.headers_mut().insert("x-openstack-request-id", id.parse().unwrap());
    }
    if let Some(version) = headers.get(MICROVERSION).filter(|_| known) {
        response.headers_mut().insert(MICROVERSION, version.clone());
    }
    response
}

/// Whose token is not good (any more); `keystonemiddleware` refuses it before the service sees it.
fn stranger() -> Refusal {
    let message = "The request you have made requires authentication.".to_owned();
    Refusal { status: StatusCode::UNAUTHORIZED, kind: "error", message }
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
