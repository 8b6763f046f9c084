//! The answers that the store keeps for an `Idempotency-Key`, from what was begun to the response.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use stacksnap_common::record::Answer;
use stacksnap_common::store::Begun;

use crate::fault::Fault;
use crate::webob;

/// What a request began; on every accepted change.
const OPERATION: &str = "x-stacksnap-operation";

pub(crate) fn make(begun: &Begun, status: StatusCode, body: Value) -> Answer {
    let headers = vec![(OPERATION.to_owned(), begun.operation.id.to_string())];
    Answer { body: String::new(), status: status.as_u16(), headers, answer: body }
}

/// Null is no body for 204, WebOb's for 202, and itself for any other status.
pub(crate) fn send(answer: Answer) -> Response {
    let Ok(status) = StatusCode::from_u16(answer.status) else { return Fault::internal().into_response() };
    let mut response = match answer.answer {
        Value::Null if status == StatusCode::NO_CONTENT => status.into_response(),
        Value::Null if status == StatusCode::ACCEPTED => webob::page(status, ""),
        body => (status, Json(body)).into_response(),
    };
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
