//! Talking to the service: paths, the token, and what an answer that is no success means.
//!
//! A change carries an `Idempotency-Key`, so that it can be sent again when its outcome is not known (the connection
//! broke after it was sent): the service then gives the first answer again. Nothing else is repeated here.

use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;
use stacksnap_common::config::Secret;
use uuid::Uuid;

use crate::exit::{Exit, Failure};

/// How often a change with an unknown outcome is sent in all.
const TRIES: u32 = 3;

pub struct Http {
    client: reqwest::Client,
    base: Url,
    token: Option<Secret>,
    project: String,
}

/// An answer with a status below 400.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Null where there is no body, or none in JSON.
    pub body: Value,
}

impl Reply {
    /// The operation that the change began.
    pub fn operation(&self) -> Option<String> {
        self.headers.get("x-stacksnap-operation")?.to_str().ok().map(str::to_owned)
    }

    /// The last two parts of `Location`: a stack's name and id.
    pub fn location(&self) -> Option<(String, String)> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        let path = location.split(['?', '#']).next()?;
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let (id, name) = (parts.next()?, parts.next()?);
        Some((name.to_owned(), id.to_owned()))
    }
}

impl Http {
    /// `url` is the service's root, as `http://127.0.0.1:8004`; one that ends in `/v1` or `/v1/PROJECT` (as in a
    /// service catalogue) is understood too.
    pub fn new(url: &str, token: Option<Secret>, project: String) -> Result<Self, Failure> {
        let wrong =
            |why: &str| Failure::usage(format!("the service's URL {url:?} {why}; give one as http://127.0.0.1:8004"));
        let mut base: Url = url.parse().map_err(|_| wrong("is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong("is not http:// or https://"));
        }
        let path: Vec<String> = base.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let keep = path.iter().position(|part| part == "v1" || part == "v1.0").unwrap_or(path.len());
        base.set_path(&path[..keep].join("/"));
        base.set_query(None);
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(90))
            // The one redirect there is, from a stack's name to its id, is read, not followed.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("stacksnap/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::new(Exit::Unexpected, format!("can't set up HTTP: {error}")))?;
        Ok(Self { client, base, token, project })
    }

    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Reply, Failure> {
        self.send(Method::GET, path, query, None, None).await.map_err(Unsent::failure)
    }

    pub async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Reply, Failure> {
        self.change(Method::POST, path, &[], body).await
    }

    /// A change that Heat has and that takes no body; what Heat has not is said in the query.
    pub async fn post_query(&self, path: &[&str], query: &[(&str, String)]) -> Result<Reply, Failure> {
        self.change(Method::POST, path, query, None).await
    }

    pub async fn delete(&self, path: &[&str]) -> Result<Reply, Failure> {
        self.change(Method::DELETE, path, &[], None).await
    }

    async fn change(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        let key = Uuid::new_v4();
        let mut tries = 1;
        loop {
            match self.send(method.clone(), path, query, body, Some(key)).await {
                Err(Unsent::Unknown(_)) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(200 << tries)).await;
                    tries += 1;
                }
                result => return result.map_err(Unsent::failure),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
        key: Option<Uuid>,
    ) -> Result<Reply, Unsent> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", self.project.as_str()]).extend(path);
        }
        let mut request = self.client.request(method, url).header("accept", "application/json");
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(token) = &self.token {
            request = request.header("x-auth-token", token.expose());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key.to_string());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.unsent(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.map_err(|error| self.unsent(&error))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_client_error() || status.is_server_error() {
            return Err(Unsent::Answered(refusal(status, &body, key.is_some())));
        }
        Ok(Reply { status, headers, body })
    }

    fn unsent(&self, error: &reqwest::Error) -> Unsent {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port_or_known_default().unwrap_or_default();
        if error.is_builder() {
            return Unsent::Answered(Failure::usage("the token can't be sent: it has characters that no header takes"));
        }
        let why = if error.is_timeout() { "does not answer in time".to_owned() } else { root_cause(error) };
        let failure = Failure::new(
            Exit::Unreachable,
            format!(
                "no answer from {host}:{port}: {why}; is the service running there (`stacksnap serve`), and is --url or STACKSNAP_URL right?"
            ),
        );
        if error.is_connect() { Unsent::Answered(failure) } else { Unsent::Unknown(failure) }
    }
}

/// Why there is no reply.
enum Unsent {
    /// The service may have got the request or not.
    Unknown(Failure),
    /// It has refused it, or never got it.
    Answered(Failure),
}

impl Unsent {
    fn failure(self) -> Failure {
        match self {
            Unsent::Unknown(failure) | Unsent::Answered(failure) => failure,
        }
    }
}

/// The innermost error's text: "connection refused" says more than "error sending request for url (…)".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    super::output::plain(&error.to_string())
}

/// An error answer as one line. Heat has four shapes of them: a fault with `error.message`, a 401 with the same, and
/// WebOb's `message` for paths that do not exist and for 503. `change`: what was asked for is more than a look.
fn refusal(status: StatusCode, body: &Value, change: bool) -> Failure {
    let said = body["error"]["message"].as_str().or(body["message"].as_str()).or(body["explanation"].as_str());
    let said = said.map(|text| super::output::plain(&text.replace("<br />", " "))).filter(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| format!("the service answered {status} without saying why"));
    let (exit, todo) = match status.as_u16() {
        401 => (Exit::Refused, "give a valid token by --token or STACKSNAP_TOKEN"),
        403 => (Exit::Refused, "the token is of another project or lacks a role; see --project"),
        404 | 410 => (Exit::NotFound, ""),
        // A name that is taken is a 409 too, and nothing runs then.
        409 if body["error"]["type"] == "StackExists" => (Exit::Refused, ""),
        409 => (Exit::Refused, "`stacksnap operation list` shows what runs"),
        429 => (Exit::Refused, "try again when what runs has ended"),
        400..=499 => (Exit::Refused, ""),
        503 if change => (Exit::Unreachable, "try again later; nothing was accepted"),
        502..=504 => (Exit::Unreachable, "try again later"),
        _ => (Exit::Unexpected, "the service's log says more"),
    };
    let message = if todo.is_empty() { said } else { format!("{}; {todo}", said.trim_end_matches(['.', ';'])) };
    Failure::new(exit, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn base(url: &str) -> String {
        Http::new(url, None, "p".to_owned()).map(|http| http.base.to_string()).unwrap_or_else(|failure| failure.message)
    }

    #[test]
    fn a_catalogues_url_is_understood() {
        crate::tls();
        assert_eq!(base("http://h:8004"), "http://h:8004/");
        assert_eq!(base("http://h:8004/v1/p/"), "http://h:8004/");
        assert_eq!(base("https://h/orchestration/v1"), "https://h/orchestration");
        assert!(base("localhost:8004").contains("is not http://"));
        assert!(base("nothing").contains("is not a URL"));
    }

    #[test]
    fn every_shape_of_error_is_one_line() {
        let fault =
            json!({"code": 404, "error": {"type": "EntityNotFound", "message": "The Stack (x) could not be found."}});
        let found = refusal(StatusCode::NOT_FOUND, &fault, false);
        assert_eq!((found.exit, found.message.as_str()), (Exit::NotFound, "The Stack (x) could not be found."));
        let away =
            json!({"message": "The server is currently unavailable.<br /><br />\nThe store does not answer.\n\n"});
        let looked = refusal(StatusCode::SERVICE_UNAVAILABLE, &away, false);
        assert!(looked.message.ends_with("does not answer; try again later"), "{}", looked.message);
        let found = refusal(StatusCode::SERVICE_UNAVAILABLE, &away, true);
        assert!(found.message.ends_with("try again later; nothing was accepted"), "{}", found.message);
        assert_eq!(found.exit, Exit::Unreachable);
        assert!(!found.message.contains(['\n', '<']), "{}", found.message);
        let found = refusal(StatusCode::UNAUTHORIZED, &json!({"error": {"message": "needs authentication."}}), true);
        assert_eq!(found.message, "needs authentication; give a valid token by --token or STACKSNAP_TOKEN");
        assert_eq!(refusal(StatusCode::INTERNAL_SERVER_ERROR, &Value::Null, true).exit, Exit::Unexpected);
        let busy = json!({"error": {"type": "ActionInProgress", "message": "Stack s is busy."}});
        let message = refusal(StatusCode::CONFLICT, &busy, true).message;
        assert_eq!(message, "Stack s is busy; `stacksnap operation list` shows what runs");
        let taken = json!({"error": {"type": "StackExists", "message": "The Stack (s) already exists."}});
        assert_eq!(refusal(StatusCode::CONFLICT, &taken, true).message, "The Stack (s) already exists.");
    }
}
