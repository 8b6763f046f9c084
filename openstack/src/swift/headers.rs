//! The headers that are a container's or an object's own, as bytes: values are whatever somebody once sent.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;
use crate::request::Request;

/// By name, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub BTreeMap<String, Vec<u8>>);

/// Besides metadata, what an object keeps (`allowed_headers` of the object server's configuration, by default) and what it
/// is made of.
const OF_OBJECTS: [&str; 13] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-delete-at",
    "x-object-manifest",
    "x-robots-tag",
    "x-static-large-object",
    "x-symlink-target",
    "x-symlink-target-account",
    "x-symlink-target-etag",
];
const OF_CONTAINERS: [&str; 8] = [
    "x-container-read",
    "x-container-write",
    "x-container-sync-key",
    "x-container-sync-to",
    "x-history-location",
    "x-storage-policy",
    "x-versions-enabled",
    "x-versions-location",
];

impl Headers {
    pub(super) fn of_object(all: &HeaderMap) -> Self {
        Self::taken(all, |name| OF_OBJECTS.contains(&name) || name.starts_with("x-object-meta-"))
    }

    pub(super) fn of_container(all: &HeaderMap) -> Self {
        Self::taken(all, |name| OF_CONTAINERS.contains(&name) || name.starts_with("x-container-meta-"))
    }

    fn taken(all: &HeaderMap, ours: impl Fn(&str) -> bool) -> Self {
        let ours = all.iter().filter(|(name, _)| ours(name.as_str()));
        Self(ours.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.as_bytes().to_vec());
    }

    /// Names of what is not the same in both.
    pub fn differ(&self, other: &Self) -> Vec<String> {
        let all = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        all.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }

    /// Onto a request. They may hold secrets (a key for temporary URLs): no log shows them.
    pub(super) fn put(&self, mut request: Request) -> Result<Request, Error> {
        for (name, value) in &self.0 {
            let wrong = || Error::Settings(format!("{name:?} is no header, or its value is none"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_bytes(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok(request)
    }
}
