//! What is asked of Trove (`trove/common/api.py`), pages of its lists (`trove/common/pagination.py`), and its words where
//! they are no other service's.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, Service, Wire, bad_request};
use super::state::State;

impl Service for State {
    const ROOT: &str = "v1.0";
    const OF_PROJECT: bool = true;

    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn settle(&mut self) {
        self.up_to_now();
    }

    fn serve(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        match (method, path) {
            ("GET", ["mgmt", "instances"]) => Some(self.list_instances(given, true)),
            (_, ["instances", rest @ ..]) => self.serve_instances(method, rest, given),
            (_, ["backups", rest @ ..]) => self.serve_backups(method, rest, given),
            _ => None,
        }
    }
}

/// `HTTPUnprocessableEntity`
pub(super) fn unprocessable(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "unprocessableEntity", message: message.into() }
}

/// `HTTPNotImplemented`
pub(super) fn not_implemented(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::NOT_IMPLEMENTED, kind: "notImplemented", message: message.into() }
}

/// `HTTPUnauthorized`, also for what has nothing to do with the caller's token.
pub(super) fn unauthorized(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::UNAUTHORIZED, kind: "unauthorized", message: message.into() }
}

/// `HTTPServerError`
pub(super) fn server_error(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "serverError", message: message.into() }
}

/// A text of a request, by `trove/common/apischema.py`, `non_empty_string`.
pub(super) fn fits(of: &str, what: &str, text: &Value) -> Result<(), Refusal> {
    match text.as_str().filter(|text| text.chars().count() > 255) {
        Some(text) => Err(bad_request(format!("Validation error: {of}['{what}'] '{text}' is too long"))),
        None => Ok(()),
    }
}

impl State {
    /// A page of what a list has, with the place of the next one.
    pub(super) fn page(
        &self,
        key: &str,
        entries: Vec<Value>,
        (first, limit): (usize, usize),
        next: impl FnOnce(&[Value]) -> String,
        query: &BTreeMap<String, String>,
    ) -> Answer {
        let rest = entries.get(first..).unwrap_or_default();
        let page = &rest[..rest.len().min(limit)];
        let mut body = json!({ key: page });
        if page.len() == limit {
            let marker = next(page);
            let others =
                query.iter().filter(|(name, _)| *name != "marker").map(|(name, value)| format!("{name}={value}&"));
            let (others, port) = (others.collect::<String>(), self.port);
            let href = format!("http://127.0.0.1:{port}/v1.0/p/{key}?{others}marker={marker}");
            body["links"] = json!([{"rel": "next", "href": href}]);
        }
        Ok((StatusCode::OK, body))
    }

    pub(super) fn usual_page(&self) -> usize {
        if self.page == 0 { 20 } else { self.page }
    }
}
