//! One request to Heat, and its answer: as a stream, or read whole to be changed.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use stacksnap_openstack::Url;
use tokio::sync::OwnedSemaphorePermit;

use super::Heat;
use super::urls::Urls;
use crate::base::Base;
use crate::fault::Fault;

/// What is read whole of one answer, in bytes.
const LARGEST: usize = 64 << 20;

/// Headers that belong to one connection (RFC 9110, 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// An answer whose body is still to come, and the right to have it.
pub(super) struct Coming {
    pub(super) response: reqwest::Response,
    pub(super) permit: OwnedSemaphorePermit,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why Heat gave no answer.
#[derive(Debug)]
pub(super) struct Silent {
    why: String,
    /// Whether Heat may have got the request.
    pub(super) sent: bool,
}

impl From<Silent> for Fault {
    fn from(silent: Silent) -> Self {
        Fault::heat_away(&silent.why)
    }
}

impl Heat {
    /// Where a request of ours goes: the path below the version as it is, with this query.
    pub(super) fn at(&self, uri: &Uri, query: Option<&str>) -> Result<Url, Fault> {
        let below = ["/v1/", "/v1.0/"].iter().find_map(|version| uri.path().strip_prefix(version));
        let path = format!("{}/{}", self.url.path(), below.ok_or_else(Fault::not_routed)?);
        let mut url = self.url.clone();
        url.set_path(&path);
        // What a URL would make another path of (`..`) leads nowhere: it could lead out of the project.
        if url.path() != path {
            return Err(Fault::not_routed());
        }
        url.set_query(query);
        Ok(url)
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<reqwest::Body>,
    ) -> Result<Coming, Silent> {
        let silent = |why: String, sent| Silent { why, sent };
        let waiting = tokio::time::timeout(self.timeout, self.at_once.clone().acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(silent("too many requests are under way to it".to_owned(), false));
        };
        let reads = matches!(method, Method::GET | Method::HEAD) && body.is_none();
        // A change goes over a connection of its own: one that Heat closes just then would leave open what became of it.
        let client = if reads { self.http.client() } else { self.http.fresh() };
        let mut request = client.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        let sending = async {
            match request.send().await {
                Err(error) if reads && !error.is_connect() => client.request(method, url).headers(headers).send().await,
                sent => sent,
            }
        };
        match tokio::time::timeout(self.timeout, sending).await {
            Ok(Ok(response)) => Ok(Coming { response, permit }),
            Ok(Err(error)) => Err(silent(root(&error), !error.is_connect())),
            Err(_) => Err(silent(format!("no answer within {} s", self.timeout.as_secs()), true)),
        }
    }

    /// Asks Heat what the caller asked, at another path or with another query, and reads the answer whole.
    pub(super) async fn ask(&self, parts: &Parts, url: Url) -> Result<Answer, Fault> {
        self.ask_by(Method::GET, parts, url).await
    }

    pub(super) async fn ask_by(&self, method: Method, parts: &Parts, url: Url) -> Result<Answer, Fault> {
        let mut headers = end_to_end(&parts.headers);
        headers.remove(CONTENT_LENGTH);
        let coming = self.send(method, url, headers, None).await?;
        let (status, headers) = (coming.response.status(), end_to_end(coming.response.headers()));
        let body = whole(coming.response, self.timeout).await?;
        Ok(Answer { status, headers, body })
    }
}

impl Answer {
    /// `None`: not what could be changed: no success, or no JSON object.
    pub(super) fn json(&self) -> Option<Value> {
        if self.status != StatusCode::OK {
            return None;
        }
        serde_json::from_slice(&self.body).ok().filter(Value::is_object)
    }

    /// As Heat gave it, with our addresses.
    pub(super) fn unchanged(self, heat: &Heat, base: &Base) -> Response {
        let body = Urls::new(&heat.url, base).replace(&self.body);
        self.with(heat, base, body)
    }

    /// With another body.
    pub(super) fn changed(self, heat: &Heat, base: &Base, body: &Value) -> Response {
        let body = Urls::new(&heat.url, base).replace(body.to_string().as_bytes());
        self.with(heat, base, body)
    }

    fn with(self, heat: &Heat, base: &Base, body: Bytes) -> Response {
        let mut headers = self.headers;
        headers.remove(CONTENT_LENGTH);
        replace_in(&mut headers, &Urls::new(&heat.url, base));
        if self.status == StatusCode::NO_CONTENT {
            headers.remove(CONTENT_TYPE);
            return (self.status, headers).into_response();
        }
        let mut response = (self.status, Body::from(body)).into_response();
        *response.headers_mut() = headers;
        response
    }
}

/// Without what belongs to the connection alone. Compressed answers could not be changed, so none is asked for.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let mut kept = headers.clone();
    for name in HOP_BY_HOP.iter().chain(&named).chain([&HOST, &ACCEPT_ENCODING]) {
        kept.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        kept.remove(name);
    }
    kept
}

/// URLs are in `Location`, and nowhere else among the headers that Heat sends.
pub(super) fn replace_in(headers: &mut HeaderMap, urls: &Urls) {
    for name in [axum::http::header::LOCATION, axum::http::header::CONTENT_LOCATION] {
        let replaced =
            headers.get(&name).and_then(|value| HeaderValue::from_bytes(&urls.replace(value.as_bytes())).ok());
        if let Some(replaced) = replaced {
            headers.insert(name, replaced);
        }
    }
}

async fn whole(mut response: reqwest::Response, timeout: Duration) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        match tokio::time::timeout(timeout, response.chunk()).await {
            Ok(Ok(Some(piece))) if body.len() + piece.len() <= LARGEST => body.extend_from_slice(&piece),
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Ok(Some(_))) => return Err(Fault::heat_away("its answer is too long")),
            Ok(Err(error)) => return Err(Fault::heat_away(&format!("its answer was cut off: {}", root(&error)))),
            Err(_) => return Err(Fault::heat_away("its answer did not come to its end")),
        }
    }
}

/// The innermost error's text; an URL is not in it, which may hold what is nobody's business.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("host", "us"),
            ("accept-encoding", "gzip"),
            ("x-auth-token", "t"),
            ("content-type", "application/json"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut kept: Vec<_> = end_to_end(&headers).keys().map(|name| name.as_str().to_owned()).collect();
        kept.sort();
        assert_eq!(kept, ["content-type", "x-auth-token"]);
    }
}
