//! Who asks for what: the token first, then the account in the path, then container and object.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State as Shared};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;

use super::super::keystone::Tokens;
use super::Fault;
use super::answer::{Answer, page};
use super::state::{Headers, State};

#[derive(Clone)]
struct World {
    state: Arc<Mutex<State>>,
    tokens: Tokens,
}

/// What comes with a request.
pub(super) struct Given<'a> {
    pub(super) project: &'a str,
    pub(super) container: &'a str,
    /// Empty: the container is asked for.
    pub(super) object: &'a str,
    pub(super) query: &'a BTreeMap<String, String>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
}

impl Given<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn asks(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Those whose names are wanted.
    pub(super) fn taken(&self, wanted: impl Fn(&str) -> bool) -> Headers {
        let all = self.headers.iter().filter(|(name, _)| wanted(name.as_str()));
        all.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
    }
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
    let path = unescape(head.uri.path());
    let mut parts = path.trim_start_matches('/').splitn(4, '/');
    let (version, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (container, object) = (parts.next().unwrap_or_default(), parts.next().filter(|object| !object.is_empty()));
    let (fault, pace) = {
        let mut state = world.state.lock().unwrap();
        let asked = format!("{} /{container}{}", head.method, object.map(|it| format!("/{it}")).unwrap_or_default());
        let fault = state.meets(&asked);
        state.asked.push(asked);
        (fault, state.pace)
    };
    match fault {
        Some(Fault::Status(status)) => return sent(page(status), &world, Duration::ZERO),
        Some(Fault::Refused(why)) => return sent(Answer::text(StatusCode::BAD_REQUEST, why), &world, Duration::ZERO),
        Some(Fault::Busy(seconds)) => {
            let busy = Answer::text(StatusCode::TOO_MANY_REQUESTS, "Slow down");
            return sent(busy.with(RETRY_AFTER.as_str(), seconds.to_string()), &world, Duration::ZERO);
        }
        Some(Fault::CutOff) => return cut_off(),
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Lost) | None => {}
    }
    let project = world.tokens.project(&head.headers);
    let Some(project) = project else { return sent(page(401), &world, Duration::ZERO) };
    if version != "v1" || account.strip_prefix("AUTH_") != Some(&*project) {
        return sent(page(403), &world, Duration::ZERO);
    }
    if head.method == Method::PUT && object.is_some() && !says_how_long(&head.headers) {
        let missing = Answer::text(StatusCode::LENGTH_REQUIRED, "Missing Content-Length header.");
        return sent(missing, &world, Duration::ZERO);
    }
    let Some(body) = whole(body, pace).await else { return sent(page(499), &world, Duration::ZERO) };
    let named = object.unwrap_or_default();
    let given = Given { project: &project, container, object: named, query: &query, headers: &head.headers, body };
    let (found, broken) = {
        let mut state = world.state.lock().unwrap();
        let found = match object {
            _ if container.is_empty() => Ok(page(404)),
            None => state.serve_container(&head.method, &given),
            Some(object) => state.serve_object(&head.method, object, &given),
        };
        (found.unwrap_or_else(|refused| refused), state.broken && object.is_some() && head.method == Method::GET)
    };
    if fault == Some(Fault::Lost) {
        return cut_off();
    }
    let found = if head.method == Method::HEAD { found.without_body() } else { found };
    if broken && found.status.is_success() { halved(found) } else { sent(found, &world, pace) }
}

fn says_how_long(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// `None`: it did not come to its end, and nothing is kept of it.
async fn whole(body: Body, pace: Duration) -> Option<Bytes> {
    let (mut parts, mut all, mut slept) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(part) = parts.next().await {
        all.extend_from_slice(&part.ok()?);
        while !pace.is_zero() && all.len() >= slept + PART {
            slept += PART;
            tokio::time::sleep(pace).await;
        }
    }
    Some(all.into())
}

const PART: usize = 64 << 10;

fn sent(answer: Answer, world: &World, pace: Duration) -> Response {
    let Answer { status, headers, body } = answer;
    let length = HeaderValue::from(body.len());
    let mut response = if body.len() > PART && !pace.is_zero() {
        let parts: Vec<Bytes> = body.chunks(PART).map(|part| body.slice_ref(part)).collect();
        let parts = futures_util::stream::iter(parts).then(move |part| async move {
            tokio::time::sleep(pace).await;
            Ok::<_, std::io::Error>(part)
        });
        Response::new(Body::from_stream(parts))
    } else {
        Response::new(Body::from(body))
    };
    *response.status_mut() = status;
    response.headers_mut().extend(*headers);
    // 204 has none, though Swift's container servers say 0.
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(length);
    }
    let transaction = world.state.lock().unwrap().transaction();
    for name in ["x-trans-id", "x-openstack-request-id"] {
        response.headers_mut().insert(name, transaction.parse().unwrap());
    }
    response
}

/// Half of what it says it is.
fn halved(answer: Answer) -> Response {
    let half = answer.body.slice(..answer.body.len() / 2);
    let begun = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("the connection is gone"))]);
    let mut response = Response::new(Body::from_stream(begun));
    *response.status_mut() = answer.status;
    response.headers_mut().extend(*answer.headers);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len().max(1)));
    response
}

/// It promises more than comes.
fn cut_off() -> Response {
    let begun = futures_util::stream::iter([
        Ok(Bytes::from_static(b"[{")),
        Err(std::io::Error::other("the connection is gone")),
    ]);
    let mut response = Response::new(Body::from_stream(begun));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(500));
    response
}

pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped =
            (*first == b'%').then(|| u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}
