//! An answer, read whole, and the words of one that is no success.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Call, Error};

/// Of a service's message this much is kept, in characters.
const LONGEST: usize = 500;

/// An answer below 400.
#[derive(Debug)]
pub struct Reply {
    pub(crate) call: Call,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| self.garbled(&error.to_string()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What is in a body of one entry: `{"volume": {…}}`.
    pub(crate) fn one<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        let mut body: Map<String, Value> = self.json()?;
        let inner = body.remove(key).ok_or_else(|| self.garbled(&format!("there is no {key:?}")))?;
        serde_json::from_value(inner).map_err(|error| self.garbled(&error.to_string()))
    }

    /// The error for an answer that lacks what it must have.
    pub fn garbled(&self, why: &str) -> Error {
        Error::Garbled { call: self.call.clone(), why: why.to_owned() }
    }
}

/// Services write `null` where there is nothing.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// What a service says in an error's body. Each has a shape of its own: `{"error": {"message"}}` (Keystone, Heat),
/// `{"itemNotFound": {"message"}}` (Nova, Cinder), `{"NeutronError": {"message"}}`, `{"message"}` (WebOb), or a page.
pub(crate) fn message(status: StatusCode, body: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(body).ok().and_then(|body| {
        let inner = body.as_object()?.values().find_map(|value| value.get("message")?.as_str());
        let said = inner.or_else(|| body["message"].as_str()).or_else(|| body["explanation"].as_str())?;
        Some(said.replace("<br />", " "))
    });
    let said = said.unwrap_or_default();
    let words: Vec<_> = said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    if words.is_empty() {
        return status.canonical_reason().unwrap_or("no reason given").to_owned();
    }
    words.join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_services_error_is_one_line() {
        for (body, expected) in [
            (
                r#"{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}"#,
                "The request you have made requires authentication.",
            ),
            (
                r#"{"itemNotFound":{"code":404,"message":"Volume v could\nnot be found."}}"#,
                "Volume v could not be found.",
            ),
            (r#"{"NeutronError":{"type":"X","message":"no","detail":""}}"#, "no"),
            (r#"{"code":"503 Service Unavailable","message":"away.<br /><br />\nreally","title":"T"}"#, "away. really"),
            ("<html>busy</html>", "Service Unavailable"),
            ("", "Service Unavailable"),
            (r#"{"message": 5}"#, "Service Unavailable"),
            (r#"[1]"#, "Service Unavailable"),
        ] {
            assert_eq!(message(StatusCode::SERVICE_UNAVAILABLE, body.as_bytes()), expected, "{body}");
        }
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5000));
        assert_eq!(message(StatusCode::BAD_REQUEST, long.as_bytes()).len(), LONGEST);
    }
}
