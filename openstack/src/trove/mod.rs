//! Trove (databases, `/v1.0`): instances and their backups, as far as protecting an instance needs them.
//!
//! - [`instance`]: what is protected, and what one that is made from a backup is given.
//! - [`backup`]: a copy of all of an instance's databases, whole or incremental.
//!
//! Trove has no microversions: fields that a release does not know yet are missing, and are read as such. Neither instances
//! nor backups have metadata, and nothing of a backup can be changed afterwards: what is to be told of one is in its name and
//! its description. Sizes of volumes are GiB; times are texts as Trove writes them (UTC, to the second). A `POST` is sent
//! once: what became of one that got no answer is for the caller to look for, by name. Fields and texts are those of Trove's
//! API reference (`api-ref/source`) and of its views (`trove/instance/views.py`, `trove/backup/views.py`).

pub mod backup;
pub mod instance;
#[cfg(test)]
mod tests;

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use backup::{Backup, NewBackup};
pub use instance::{Instance, NewInstance};

use crate::error::Error;
use crate::reply::Reply;
use crate::request::Request;
use crate::session::Session;

const SERVICE: &str = "database";
/// Entries of one page. Pages of backups are in the order of their last change, so that one may slip from page to page while
/// they are read: all that a project may usually have (50) are on one. Of instances Trove gives fewer.
const PAGE: &str = "1000";

/// One project's Trove. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trove {
    session: Session,
}

impl Trove {
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    async fn request(&self, method: Method, path: &[&str]) -> Result<Request, Error> {
        self.session.request(method, SERVICE, path).await
    }

    async fn send(&self, request: Request) -> Result<Reply, Error> {
        self.session.send(request).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], key: &str) -> Result<T, Error> {
        self.send(self.request(Method::GET, path).await?).await?.one(key)
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value, key: &str) -> Result<T, Error> {
        self.send(self.request(Method::POST, path).await?.json(body)?).await?.one(key)
    }

    /// One that is gone already is no error.
    async fn delete(&self, path: &[&str]) -> Result<(), Error> {
        match self.send(self.request(Method::DELETE, path).await?).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Every page of a list. `filters`: names and values that Trove compares, where it knows them.
    async fn list<T: DeserializeOwned>(&self, path: &[&str], filters: &[(&str, &str)]) -> Result<Vec<T>, Error> {
        let what = path.last().copied().unwrap_or_default();
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, path).await?.query("limit", PAGE);
            for (name, value) in filters {
                request = request.query(name, value);
            }
            if let Some(marker) = &marker {
                request = request.query("marker", marker);
            }
            let reply = self.send(request).await?;
            let mut page: Map<String, Value> = reply.json()?;
            let Some(Value::Array(entries)) = page.remove(what) else {
                return Err(reply.garbled(&format!("there is no list {what:?}")));
            };
            let next = page.get("links").and_then(next);
            for entry in entries {
                all.push(serde_json::from_value(entry).map_err(|error| reply.garbled(&error.to_string()))?);
            }
            match next {
                Some(next) if marker.as_ref() != Some(&next) => marker = Some(next),
                _ => return Ok(all),
            }
        }
    }
}

/// The next page's marker, of a list's links: that of a backup is a number, that of an instance an id.
fn next(links: &Value) -> Option<String> {
    let next = links.as_array()?.iter().find(|link| link["rel"] == "next")?;
    let url: Url = next["href"].as_str()?.parse().ok()?;
    url.query_pairs().find(|(name, _)| name == "marker").map(|(_, marker)| marker.into_owned())
}
