//! Manila (shared file systems, `/v2`): shares, their snapshots and who may reach them, as far as protecting a share needs
//! it.
//!
//! - [`share`]: what is protected, and what can be made and changed of it.
//! - [`snapshot`]: a point in time on the share's own backend.
//! - [`access`]: by which addresses and users a share is reached.
//!
//! Field names, statuses and texts are those of Manila's `api/v2/` and `api/views/`. Of the API's versions the newest of
//! [`VERSIONS`] is asked for that the service knows: a service that is too old for one says so (406) before it does
//! anything. Sizes are GiB; times are texts as Manila writes them (UTC), which sort as they are. A `POST` is sent once: what
//! became of one that got no answer is for the caller to look for, by name.

pub mod access;
pub mod share;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use access::Rule;
pub use share::{NewShare, Share};
pub use snapshot::{NewSnapshot, Snapshot};

use crate::error::Error;
use crate::reply::Reply;
use crate::session::Session;

/// The API's versions that are asked for, the best first: since 2.73 (Zed, 2022) a snapshot has metadata; since 2.45
/// (Queens, 2018) access rules are listed by themselves, and an action is there for all else that is asked here.
pub const VERSIONS: [&str; 2] = ["2.73", "2.45"];
const VERSION: HeaderName = HeaderName::from_static("x-openstack-manila-api-version");
const SERVICE: &str = "shared-file-system";
/// Entries of one page of a list; Manila gives at most `osapi_max_limit`, 1000 by default.
const PAGE: usize = 500;

/// Names and values that a user or a program hangs on a thing. At most 255 characters in a name, 1023 in a value.
pub type Metadata = BTreeMap<String, String>;

/// One project's Manila. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Manila {
    session: Session,
    /// Which of [`VERSIONS`] is good.
    version: Arc<AtomicUsize>,
}

/// What is asked.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a Value>,
}

impl Manila {
    pub fn new(session: Session) -> Self {
        Self { session, version: Arc::default() }
    }

    async fn send(&self, call: Call<'_>) -> Result<Reply, Error> {
        loop {
            let which = self.version.load(Ordering::Relaxed);
            let version = VERSIONS.get(which).copied().unwrap_or("2.0");
            let mut request = self.session.request(call.method.clone(), SERVICE, call.path).await?;
            if request.url.path_segments().is_some_and(|mut parts| parts.any(|part| part == "v1")) {
                return Err(Error::Settings(
                    "the service catalogue has only the first version of the shared file system service; the second one \
                     (shared-file-system or sharev2) is needed"
                        .to_owned(),
                ));
            }
            for (name, value) in call.query {
                request = request.query(name, value);
            }
            request = request.header(VERSION, HeaderValue::from_static(version));
            if let Some(body) = call.body {
                request = request.json(body)?;
            }
            match self.session.send(request).await {
                Err(error) if error.status() == Some(StatusCode::NOT_ACCEPTABLE) && which + 1 < VERSIONS.len() => {
                    self.version.fetch_max(which + 1, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], key: &str) -> Result<T, Error> {
        self.send(Call { method: Method::GET, path, query: &[], body: None }).await?.one(key)
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value, key: &str) -> Result<T, Error> {
        self.send(Call { method: Method::POST, path, query: &[], body: Some(body) }).await?.one(key)
    }

    /// What answers without a body, or with one that says nothing new.
    async fn act(&self, method: Method, path: &[&str], body: &Value) -> Result<(), Error> {
        self.send(Call { method, path, query: &[], body: Some(body) }).await.map(drop)
    }

    /// One that is gone already is no error.
    async fn delete(&self, path: &[&str]) -> Result<(), Error> {
        match self.send(Call { method: Method::DELETE, path, query: &[], body: None }).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Every page of a list, in detail. `filters`: names and values that Manila compares.
    async fn list<T: DeserializeOwned>(&self, what: &str, filters: &[(&str, &str)]) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        loop {
            let (limit, offset) = (PAGE.to_string(), all.len().to_string());
            let query = [filters, &[("limit", limit.as_str()), ("offset", offset.as_str())]].concat();
            let call = Call { method: Method::GET, path: &[what, "detail"], query: &query, body: None };
            let reply = self.send(call).await?;
            let mut page: Map<String, Value> = reply.json()?;
            let Some(Value::Array(entries)) = page.remove(what) else {
                return Err(reply.garbled(&format!("there is no list {what:?}")));
            };
            let is_last = entries.len() < PAGE;
            for entry in entries {
                all.push(serde_json::from_value(entry).map_err(|error| reply.garbled(&error.to_string()))?);
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// What Manila told its users about a share, the last thing first: why it ended in an error (`api/v2/messages.py`). Of a
    /// snapshot it tells nothing that could be found: the messages name a part of it that users don't see.
    pub async fn messages(&self, share: &str) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Message {
            user_message: String,
            #[serde(default)]
            created_at: String,
        }
        let call = Call { method: Method::GET, path: &["messages"], query: &[("resource_id", share)], body: None };
        let mut found: Vec<Message> = self.send(call).await?.one("messages")?;
        found.sort_by(|a, b| b.created_at.cmp(&a.created_at));
        Ok(found.into_iter().map(|message| message.user_message).collect())
    }
}

/// The filter of a list that is not of one project only.
fn all(everywhere: bool) -> &'static [(&'static str, &'static str)] {
    if everywhere { &[("all_tenants", "1")] } else { &[] }
}
