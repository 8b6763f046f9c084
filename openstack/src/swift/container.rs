//! Containers.

use reqwest::Method;
use serde::Deserialize;

use super::{Headers, Swift};
use crate::error::Error;

/// Entries of one page of a listing: Swift's own limit, by default.
pub const PAGE: usize = 10_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// As of a moment ago.
    pub objects: u64,
    pub bytes: u64,
    pub headers: Headers,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Listed {
    pub name: String,
    /// Of the object's own content: of a manifest, that is the manifest's, or nothing's.
    #[serde(default)]
    pub hash: String,
    /// Of a static large object: of all its segments.
    #[serde(default)]
    pub bytes: u64,
    #[serde(default)]
    pub content_type: String,
    /// Of content or metadata, whichever is the later: `2026-11-26T04:05:06.123450`, UTC.
    #[serde(default)]
    pub last_modified: String,
    /// Of a static large object.
    #[serde(default)]
    pub slo_etag: Option<String>,
}

impl Swift {
    pub async fn container(&self, name: &str) -> Result<Container, Error> {
        let reply = self.send(self.request(Method::HEAD, name, None).await?).await?;
        let number = |name: &str| {
            reply.header(name).unwrap_or("0").parse().map_err(|_| reply.garbled(&format!("{name} is no number")))
        };
        Ok(Container {
            objects: number("x-container-object-count")?,
            bytes: number("x-container-bytes-used")?,
            headers: Headers::of_container(&reply.headers),
        })
    }

    /// Makes it if it is not there, and sets headers: those that are named; an empty value takes one away.
    pub async fn make_container(&self, name: &str, headers: &Headers) -> Result<(), Error> {
        self.send(headers.put(self.request(Method::PUT, name, None).await?)?).await.map(drop)
    }

    /// Sets headers of one that is there: those that are named; an empty value takes one away.
    pub async fn set_container(&self, name: &str, headers: &Headers) -> Result<(), Error> {
        self.send(headers.put(self.request(Method::POST, name, None).await?)?).await.map(drop)
    }

    /// One that is not empty is refused (409).
    pub async fn delete_container(&self, name: &str) -> Result<(), Error> {
        self.delete(self.request(Method::DELETE, name, None).await?).await
    }

    /// Up to [`PAGE`] objects whose names begin with `prefix` and come after `marker`. An empty page is the last.
    pub async fn page(&self, container: &str, prefix: &str, marker: &str) -> Result<Vec<Listed>, Error> {
        let mut request = self.request(Method::GET, container, None).await?.query("format", "json");
        for (name, value) in [("prefix", prefix), ("marker", marker)] {
            if !value.is_empty() {
                request = request.query(name, value);
            }
        }
        let reply = self.send(request).await?;
        // A container without objects may be answered by 204.
        if reply.body.is_empty() { Ok(Vec::new()) } else { reply.json() }
    }
}
