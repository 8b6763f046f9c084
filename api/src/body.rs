//! Bodies by Heat's rules, which are not those of most services.
//!
//! A body counts only if its `Content-Type` is absent, `text/plain` or `application/json` and its first byte is `{`;
//! anything else is no body at all. Whoever needs one refuses then, whoever takes none goes on. One that counts must be
//! one JSON object; of keys that come twice the last wins. One that is too long is a 400 (not 413).

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use futures_util::StreamExt;
use hex::encode;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use stacksnap_common::ids::ProjectId;
use stacksnap_common::store::{self, Begun, Idempotency};

use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::serve::Patience;
use crate::{Api, idempotency, json};

/// A longer body is refused; what of it still comes is read up to so many times the limit, so that a caller who is
/// still sending sees the refusal and not a broken connection.
const DRAINED: u64 = 16;

/// What a request for a change brings.
pub(crate) struct Change {
    pub(crate) caller: Caller,
    pub(crate) base: Base,
    /// `None`: no body that counts.
    pub(crate) body: Option<Map<String, Value>>,
    idempotency: Option<Idempotency>,
    trace: Option<String>,
}

impl Change {
    pub(crate) fn project(&self) -> &ProjectId {
        &self.caller.project
    }

    /// As the store wants it.
    pub(crate) fn request<'a>(
        &self,
        answer: &'a (dyn Fn(&Begun) -> stacksnap_common::record::Answer + Send + Sync),
    ) -> store::Request<'a> {
        store::Request {
            project: self.caller.project.clone(),
            caller: self.caller.user.clone(),
            trace: self.trace.clone(),
            idempotency: self.idempotency.clone(),
            heat: None,
            grant: None,
            answer,
        }
    }

    /// The body, where one is needed.
    pub(crate) fn required(&mut self) -> Result<Map<String, Value>, Fault> {
        self.body.take().ok_or_else(Fault::malformed)
    }

    /// Refuses a body, where none is taken.
    pub(crate) fn none(&self) -> Result<(), Fault> {
        if self.body.is_some() { Err(Fault::malformed()) } else { Ok(()) }
    }
}

impl FromRequest<Arc<Api>> for Change {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, api).await?;
        let base = Base::of(&parts);
        let bytes = read(body, api.limits.body, api.patience).await?;
        let idempotency = idempotency::of(&parts, &caller, &bytes)?;
        let trace =
            parts.headers.get("traceparent").and_then(|value| value.to_str().ok()).filter(|text| is_trace(text));
        let kind = parts.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let body = parse(kind, &bytes)?;
        Ok(Self { caller, base, body, idempotency, trace: trace.map(str::to_owned) })
    }
}

/// Refuses a JSON object where Heat takes none.
pub(crate) struct NoBody;

impl FromRequest<Arc<Api>> for NoBody {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, api.limits.body, api.patience).await?;
        match parse(parts.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()), &bytes)? {
            Some(_) => Err(Fault::malformed()),
            None => Ok(Self),
        }
    }
}

/// A caller that sends a byte now and then gets no more time than one that sends nothing.
pub(crate) async fn read(body: axum::body::Body, limit: u64, patience: Patience) -> Result<Vec<u8>, Fault> {
    let late = |_| Fault::bad_request("The request's body did not arrive in time.");
    tokio::time::timeout(patience.body, read_all(body, limit, patience)).await.map_err(late)?
}

async fn read_all(body: axum::body::Body, limit: u64, patience: Patience) -> Result<Vec<u8>, Fault> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length: u64 = 0;
    loop {
        let next = tokio::time::timeout(patience.part, stream.next()).await;
        let next = next.map_err(|_| Fault::bad_request("The request's body did not arrive in time."))?;
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|_| Fault::bad_request("The request's body ended before it was complete."))?;
        length += chunk.len() as u64;
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else if length > limit.saturating_mul(DRAINED) {
            break;
        }
    }
    if length > limit {
        let why = format!(
            "Request limit exceeded: JSON body size ({length} bytes) exceeds maximum allowed size ({limit} bytes)."
        );
        return Err(Fault::refused("RequestLimitExceeded", why));
    }
    Ok(bytes)
}

/// The object that a body is, if it counts; `kind`: its `Content-Type`.
pub(crate) fn parse(kind: Option<&[u8]>, bytes: &[u8]) -> Result<Option<Map<String, Value>>, Fault> {
    let is = |prefix: &str| kind.is_some_and(|kind| kind.starts_with(prefix.as_bytes()));
    if bytes.is_empty() {
        return Ok(None);
    }
    if is("application/xml") {
        return Err(Fault::xml());
    }
    if !(kind.is_none() || is("text/plain") || is("application/json")) || bytes.first() != Some(&b'{') {
        return Ok(None);
    }
    json::object(bytes).map(Some).map_err(Fault::bad_request)
}

/// W3C's traceparent, version 00.
fn is_trace(text: &str) -> bool {
    text.len() == 55 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// SHA-256, hexadecimal, of parts that can't run into each other.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_begins_as_an_object_counts() {
        let json = Some(&b"application/json"[..]);
        for none in ["", "[]", "\"x\"", "5", "true", "null", "xyz", " {\"name\": 1}", "\u{feff}{}"] {
            assert!(parse(json, none.as_bytes()).unwrap().is_none(), "{none:?}");
        }
        for kind in [None, json, Some(&b"application/json; charset=latin-1"[..]), Some(&b"text/plain"[..])] {
            assert!(parse(kind, b"{\"name\": \"x\"}").unwrap().is_some(), "{kind:?}");
        }
        for kind in [&b"Application/JSON"[..], b"application/x-www-form-urlencoded"] {
            assert!(parse(Some(kind), b"{}").unwrap().is_none(), "{kind:?}");
        }
    }

    #[test]
    fn what_begins_as_an_object_must_be_one() {
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for broken in ["{", "{\"name\": \"x\"} x", "{\"name\": }", "{'a': 1}", deep.as_str()] {
            assert!(parse(None, broken.as_bytes()).is_err(), "{}", &broken[..broken.len().min(40)]);
        }
        assert!(parse(None, b"{\"name\": \"\xff\"}").is_err());
        assert_eq!(parse(None, br#"{"name": 1, "name": 2}"#).unwrap().unwrap()["name"], 2);
    }
}
