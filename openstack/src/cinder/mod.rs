//! Cinder (block storage, `/v3`): volumes, their snapshots and their backups, as far as protecting a volume needs them.
//!
//! - [`volume`]: what is protected, and what can be made and changed of it.
//! - [`snapshot`]: a point in time on the volume's own backend.
//! - [`group`]: volumes whose snapshots are taken at once.
//! - [`backup`]: a copy of the bytes somewhere else, whole or incremental.
//!
//! One version of the API is asked for everywhere, [`VERSION`]: the first with metadata of backups (Pike, 2017). Sizes
//! are GiB, as Cinder counts; times are texts as Cinder writes them (UTC, to the microsecond), which sort as they are. A
//! `POST` is sent once: what became of one that got no answer is for the caller to look for, by name.

pub mod backup;
pub mod group;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod volume;

use std::collections::BTreeMap;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use backup::{Backup, NewBackup};
pub use group::{Group, GroupSnapshot, NewGroupSnapshot};
pub use snapshot::{NewSnapshot, Snapshot};
pub use volume::{Attachment, NewVolume, Volume};

use crate::error::Error;
use crate::reply::Reply;
use crate::request::Request;
use crate::session::Session;

/// The API's version that is asked for: backups have metadata since 3.43, revert to a snapshot is 3.40.
pub const VERSION: &str = "3.43";
const SERVICE: &str = "block-storage";
/// Entries of one page of a list; Cinder gives at most `osapi_max_limit`, 1000 by default.
const PAGE: &str = "500";

/// Names and values that a user or a program hangs on a thing. At most 255 characters each.
pub type Metadata = BTreeMap<String, String>;

/// One project's Cinder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cinder {
    session: Session,
}

impl Cinder {
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    async fn request(&self, method: Method, path: &[&str]) -> Result<Request, Error> {
        self.session.request(method, SERVICE, path).await?.microversion("volume", VERSION)
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

    /// What answers without a body, or with one that says nothing new.
    async fn act(&self, method: Method, path: &[&str], body: &Value) -> Result<(), Error> {
        self.send(self.request(method, path).await?.json(body)?).await.map(drop)
    }

    /// One that is gone already is no error.
    async fn delete(&self, path: &[&str]) -> Result<(), Error> {
        match self.send(self.request(Method::DELETE, path).await?).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Every page of a list, in detail. `filters`: names and values that Cinder compares.
    async fn list<T: DeserializeOwned>(&self, what: &str, filters: &[(&str, &str)]) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, &[what, "detail"]).await?.query("limit", PAGE);
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
            let more = page.get(links_of(what)).is_some_and(|links| {
                links.as_array().is_some_and(|links| links.iter().any(|link| link["rel"] == "next"))
            });
            let last = entries.last().and_then(|entry| entry["id"].as_str().map(str::to_owned));
            for entry in entries {
                all.push(serde_json::from_value(entry).map_err(|error| reply.garbled(&error.to_string()))?);
            }
            match last {
                Some(last) if more && marker.as_ref() != Some(&last) => marker = Some(last),
                _ => return Ok(all),
            }
        }
    }
}

/// Under which name a page of a list says that there is another one (`cinder/api/v3/views`).
fn links_of(what: &str) -> &'static str {
    match what {
        "volumes" => "volumes_links",
        "snapshots" => "snapshots_links",
        "group_snapshots" => "group_snapshot_links",
        _ => "backups_links",
    }
}

/// The filter of a list that is not of one project only.
fn all(everywhere: bool) -> &'static [(&'static str, &'static str)] {
    if everywhere { &[("all_tenants", "1")] } else { &[] }
}
