//! Errors as Heat words them, and the one place where the store's errors become them.
//!
//! Heat has four bodies. A: its own faults, `{code, title, explanation, error: {type, traceback, message}}`. B: a path
//! that leads nowhere, by WebOb and as `Accept` asks. C: 401, by Keystone's middleware. D: 503 where it can't know the
//! caller, by WebOb again. `message` is left out where it could tell of the inside.

use axum::Json;
use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use stacksnap_common::store::{self, backend};

use crate::webob;

const MALFORMED: &str =
    "The server could not comply with the request since it is either malformed or otherwise incorrect.";

#[derive(Debug)]
pub(crate) struct Fault {
    shape: Shape,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Debug)]
enum Shape {
    /// A. `kind` is the name of Heat's exception.
    Heat { status: StatusCode, kind: &'static str, message: Option<String> },
    /// B.
    NotRouted,
    /// C.
    Unauthenticated,
    /// D.
    IdentityAway(&'static str),
    /// What Heat answers to a body in XML.
    Xml,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { shape: Shape::Heat { status, kind, message: Some(visible(message.into())) }, header: None }
    }

    /// 400, of a type that Heat has.
    pub(crate) fn refused(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, message)
    }

    /// 400 with a text of ours.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::refused("HTTPBadRequest", message)
    }

    /// 400 with Heat's general text: no body where one is needed, or one where none is taken.
    pub(crate) fn malformed() -> Self {
        Self::bad_request(MALFORMED)
    }

    pub(crate) fn xml() -> Self {
        Self { shape: Shape::Xml, header: None }
    }

    /// 403 of a caller who may not act on this project at all.
    pub(crate) fn other_project() -> Self {
        Self::new(StatusCode::FORBIDDEN, "HTTPForbidden", explanation(StatusCode::FORBIDDEN))
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub(crate) fn no_stack(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "EntityNotFound", format!("The Stack ({name}) could not be found."))
    }

    pub(crate) fn no_snapshot(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("Snapshot with id {id} not found"))
    }

    pub(crate) fn no_operation(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("Operation with id {id} not found"))
    }

    /// 409: an action of the stack is under way.
    pub(crate) fn busy(stack: &str, action: &str) -> Self {
        let text = format!("Stack {stack} already has an action ({action}) in progress.");
        Self::new(StatusCode::CONFLICT, "ActionInProgress", text)
    }

    /// 503: the Heat behind us gives no answer, or none that can be used. Also in the log.
    pub(crate) fn heat_away(why: &str) -> Self {
        tracing::warn!("503: Heat: {why}");
        let text = format!("The Heat service behind this one can't be used now: {why}.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "HTTPServiceUnavailable", text).with(RETRY_AFTER, "1")
    }

    /// 404 of a path that leads nowhere.
    pub(crate) fn not_routed() -> Self {
        Self { shape: Shape::NotRouted, header: None }
    }

    /// 405. Heat leaves `Allow` out; HTTP demands it.
    pub(crate) fn method(allow: &str) -> Self {
        let fault = Self::new(StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed", MALFORMED);
        fault.with(ALLOW, allow)
    }

    /// 401. `challenge` says how a caller makes itself known.
    pub(crate) fn unauthenticated(challenge: &str) -> Self {
        Self { shape: Shape::Unauthenticated, header: None }.with(WWW_AUTHENTICATE, challenge)
    }

    /// 503: who calls can't be found out now.
    pub(crate) fn identity_away(what: &'static str) -> Self {
        Self { shape: Shape::IdentityAway(what), header: None }
    }

    /// 500 without a word on what is inside; the log has it.
    pub(crate) fn internal() -> Self {
        let shape = Shape::Heat {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "HTTPInternalServerError",
            message: Some(
                "An error that should not be; the service's log names it by this answer's x-openstack-request-id."
                    .to_owned(),
            ),
        };
        Self { shape, header: None }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.header = HeaderValue::from_str(value).ok().map(|value| (name, value));
        self
    }

    /// The same fault, in the name that the caller gave the stack.
    pub(crate) fn about_stack(self, name: &str) -> Self {
        match &self.shape {
            Shape::Heat { kind: "EntityNotFound", .. } => Self::no_stack(name),
            _ => self,
        }
    }
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let text = error.to_string();
        let (status, kind) = match error {
            E::NoStack(_) => (StatusCode::NOT_FOUND, "EntityNotFound"),
            E::NoSnapshot(_) | E::NoOperation(_) => (StatusCode::NOT_FOUND, "NotFound"),
            E::OtherStack { .. } => (StatusCode::NOT_FOUND, "SnapshotNotFound"),
            E::Exists(_) => (StatusCode::CONFLICT, "StackExists"),
            E::Busy { .. } | E::SnapshotBusy { .. } | E::Changing(_) => (StatusCode::CONFLICT, "ActionInProgress"),
            E::NotCancellable { .. } => (StatusCode::CONFLICT, "HTTPConflict"),
            E::Changed(_) => (StatusCode::CONFLICT, "HTTPConflict"),
            E::NoResource { .. } => (StatusCode::NOT_FOUND, "ResourceNotFound"),
            E::NotSupported(_) | E::Unsupported(_) => (StatusCode::BAD_REQUEST, "NotSupported"),
            E::Limit(_) => (StatusCode::BAD_REQUEST, "RequestLimitExceeded"),
            E::Circle(_) => (StatusCode::BAD_REQUEST, "CircularDependencyException"),
            E::Invalid(_) => (StatusCode::BAD_REQUEST, "Invalid"),
            E::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "HTTPUnprocessableEntity"),
            E::TooMuch { .. } => {
                return Self::new(StatusCode::TOO_MANY_REQUESTS, "HTTPTooManyRequests", text).with(RETRY_AFTER, "5");
            }
            E::Newer(_) => (StatusCode::INTERNAL_SERVER_ERROR, "HTTPInternalServerError"),
            E::Backend(backend::Error::Corrupt(_)) => {
                tracing::error!("{text}");
                return Self::internal();
            }
            E::Backend(_) => {
                tracing::warn!("503: {text}");
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "HTTPServiceUnavailable", text)
                    .with(RETRY_AFTER, "1");
            }
        };
        Self::new(status, kind, text)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = match self.shape {
            Shape::Heat { status, kind, message } => heat(status, kind, message),
            Shape::NotRouted => webob::page(StatusCode::NOT_FOUND, ""),
            Shape::Unauthenticated => {
                let body = json!({"error": {
                    "code": 401,
                    "title": "Unauthorized",
                    "message": "The request you have made requires authentication.",
                }});
                (StatusCode::UNAUTHORIZED, Json(body)).into_response()
            }
            Shape::IdentityAway(what) => webob::page(StatusCode::SERVICE_UNAVAILABLE, what),
            Shape::Xml => {
                let kind = [(axum::http::header::CONTENT_TYPE, "application/xml; charset=UTF-8")];
                (StatusCode::BAD_REQUEST, kind, "<code>400</code>").into_response()
            }
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

fn heat(status: StatusCode, kind: &str, message: Option<String>) -> Response {
    let mut error = json!({"type": kind, "traceback": null});
    if let Some(message) = message {
        error["message"] = message.into();
    }
    let body = json!({
        "code": status.as_u16(),
        "title": status.canonical_reason(),
        "explanation": explanation(status),
        "error": error,
    });
    (status, Json(body)).into_response()
}

/// A message may repeat what a caller sent, and ends in somebody's terminal: control characters are written as escapes.
fn visible(message: String) -> String {
    let odd = |c: char| c.is_control() && c != '\n';
    if !message.contains(odd) {
        return message;
    }
    message.chars().map(|c| if odd(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// WebOb's sentence for a status.
pub(crate) fn explanation(status: StatusCode) -> &'static str {
    match status.as_u16() {
        202 => "The request is accepted for processing.",
        403 => "Access was denied to this resource.",
        404 => "The resource could not be found.",
        409 => "There was a conflict when trying to complete your request.",
        422 => "Unable to process the contained instructions",
        429 => "The client has sent too many requests in a given amount of time.",
        503 => "The server is currently unavailable. Please try again at a later time.",
        500.. => "The server has either erred or is incapable of performing the requested operation.",
        _ => MALFORMED,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn body(fault: Fault) -> (u16, serde_json::Value) {
        let response = fault.into_response();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_fault_is_what_heat_writes() {
        let (status, found) = body(store::Error::NoStack("s2".to_owned()).into()).await;
        assert_eq!(status, 404);
        let expected = r#"{"code":404,"title":"Not Found","explanation":"The resource could not be found.","error":{"type":"EntityNotFound","traceback":null,"message":"The Stack (s2) could not be found."}}"#;
        assert_eq!(found.to_string(), expected);
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_503_and_says_what_is_wrong() {
        let error = store::Error::Backend(backend::Error::Unavailable("connection refused".to_owned()));
        let response = Fault::from(error).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.status(), 503);
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(std::str::from_utf8(&bytes).unwrap().contains("the store does not answer: connection refused"));
    }

    #[tokio::test]
    async fn what_is_corrupt_is_not_told() {
        let error = store::Error::Backend(backend::Error::Corrupt("record stack/p/1: secret".to_owned()));
        let (status, found) = body(error.into()).await;
        assert_eq!(status, 500);
        assert!(!found.to_string().contains("secret"), "{found}");
    }
}
