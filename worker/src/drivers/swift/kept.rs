//! What is kept of a container and of each object beside its bytes: extended attributes in the vault's tree, where they are
//! encrypted as the bytes are. A container's headers may hold secrets (a key for temporary URLs), so they are in no record.

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Consistency};
use stacksnap_openstack::swift::{Headers, Listed, Object, object};

use super::names;
use crate::driver::{Ctx, Error};
use crate::vault::Stored;
use crate::vault::tree::{Entry, Kind, Meta};

const PREFIX: &str = "user.swift.";
const ETAG: &str = "user.swift.etag";
const SLO_ETAG: &str = "user.swift.slo-etag";
const HEADER: &str = "user.swift.header.";

/// An object, as it is kept and as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) name: String,
    /// Of what is kept as its content: of a manifest, the manifest's.
    pub(super) bytes: u64,
    /// Nanoseconds since 1970, of content or metadata, whichever is the later.
    pub(super) changed: i128,
    /// MD5 of its own content, as a listing shows it.
    pub(super) etag: String,
    /// Of a static large object: over its segments.
    pub(super) slo_etag: Option<String>,
    pub(super) headers: Headers,
}

impl Facts {
    /// What an answer says. Of a static large object, `bytes` and `slo_etag` are still to come.
    pub(super) fn of(name: &str, object: &Object) -> Self {
        Self {
            name: name.to_owned(),
            bytes: object.bytes,
            changed: timestamp(&object.timestamp),
            etag: object.etag.clone(),
            slo_etag: None,
            headers: object.headers.clone(),
        }
    }

    pub(super) fn is_slo(&self) -> bool {
        self.slo_etag.is_some()
    }

    pub(super) fn is_link(&self) -> bool {
        self.headers.0.contains_key("x-symlink-target")
    }

    /// What it stands for must be there before it: it is written after the others.
    pub(super) fn comes_late(&self) -> bool {
        self.is_slo() || self.is_link()
    }

    pub(super) fn is_plain(&self) -> bool {
        !self.comes_late() && !self.headers.0.contains_key("x-object-manifest")
    }

    /// Where the segments of a dynamic large object are.
    pub(super) fn dlo(&self) -> Option<(String, String)> {
        object::dlo(&self.headers)
    }

    /// Whether the listing shows the very same version: Swift gives no two versions of an object the same time.
    pub(super) fn is_listed(&self, listed: &Listed) -> bool {
        self.etag == listed.hash && self.changed == iso(&listed.last_modified)
    }

    /// By `now` (seconds since 1970) Swift has removed it by itself.
    pub(super) fn has_expired(&self, now: u64) -> bool {
        self.headers.get("x-delete-at").and_then(|at| at.parse::<u64>().ok()).is_some_and(|at| at <= now)
    }

    pub(super) fn entry(&self, path: Vec<Vec<u8>>) -> Entry {
        let mut xattrs = vec![(ETAG.into(), self.etag.clone().into_bytes())];
        if let Some(etag) = &self.slo_etag {
            xattrs.push((SLO_ETAG.into(), etag.clone().into_bytes()));
        }
        xattrs
            .extend(self.headers.0.iter().map(|(name, value)| (format!("{HEADER}{name}").into_bytes(), value.clone())));
        xattrs.sort();
        // What the vault compares to know a file that has not changed: its time, and in place of an inode what it is.
        let inode = u64::from_str_radix(self.etag.get(..15).unwrap_or_default(), 16).unwrap_or_default();
        let (mtime, ctime) = (self.changed, self.changed);
        let meta = Meta { mode: 0o600, mtime, ctime, size: self.bytes, inode, links: 1, xattrs, ..Meta::default() };
        Entry { path, kind: Kind::File, meta }
    }

    /// `None`: it is no object's entry.
    pub(super) fn from_entry(entry: &Entry) -> Option<Self> {
        if entry.kind != Kind::File {
            return None;
        }
        let text = |wanted: &str| {
            let found = entry.meta.xattrs.iter().find(|(name, _)| name == wanted.as_bytes())?;
            String::from_utf8(found.1.clone()).ok()
        };
        let headers = entry.meta.xattrs.iter().filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?.strip_prefix(HEADER)?;
            Some((name.to_owned(), value.clone()))
        });
        Some(Self {
            name: names::decode(entry.path.last()?)?,
            bytes: entry.meta.size,
            changed: entry.meta.mtime,
            etag: text(ETAG)?,
            slo_etag: text(SLO_ETAG),
            headers: Headers(headers.collect()),
        })
    }
}

/// `1764130000.12345`, as nanoseconds. Zero: it is no time.
fn timestamp(text: &str) -> i128 {
    let (seconds, rest) = text.split('_').next().unwrap_or_default().split_once('.').unwrap_or((text, "0"));
    let fraction: String = rest.chars().chain("000000000".chars()).take(9).collect();
    match (seconds.parse::<i128>(), fraction.parse::<i128>()) {
        (Ok(seconds), Ok(nanoseconds)) => seconds * 1_000_000_000 + nanoseconds,
        _ => 0,
    }
}

/// `2026-11-26T04:05:06.123450`, UTC, as nanoseconds. Zero: it is no time.
pub(super) fn iso(text: &str) -> i128 {
    let time = format!("{}Z", text.trim_end_matches('Z')).parse::<jiff::Timestamp>();
    time.map_or(0, jiff::Timestamp::as_nanosecond)
}

/// Something of a directory's own, as JSON in an attribute of it.
pub(super) fn directory<T: Serialize>(path: Vec<Vec<u8>>, of: Option<(&str, &T)>) -> Result<Entry, Error> {
    let mut xattrs = Vec::new();
    if let Some((name, value)) = of {
        let json = serde_json::to_vec(value).map_err(|error| Error::permanent(error.to_string()))?;
        xattrs.push((format!("{PREFIX}{name}").into_bytes(), json));
    }
    // Always the same: a directory has no time of its own.
    Ok(Entry { path, kind: Kind::Directory, meta: Meta { mode: 0o700, links: 1, xattrs, ..Meta::default() } })
}

pub(super) fn of_directory<T: for<'de> Deserialize<'de>>(entry: &Entry, name: &str) -> Option<T> {
    let name = format!("{PREFIX}{name}");
    let found = entry.meta.xattrs.iter().find(|(known, _)| *known == name.as_bytes())?;
    serde_json::from_slice(&found.1).ok()
}

/// The container's own headers, in a form that JSON takes: values are bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Own(Vec<(String, Vec<u8>)>);

impl From<&Headers> for Own {
    fn from(headers: &Headers) -> Self {
        Self(headers.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

impl From<Own> for Headers {
    fn from(own: Own) -> Self {
        Self(own.0.into_iter().collect())
    }
}

/// What a record shows of a container: its name and nothing that somebody may want to keep to himself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Data {
    pub(super) container: String,
}

pub(super) fn artifact(
    ctx: &Ctx,
    container: &str,
    stored: Stored,
    consistency: Consistency,
    mut warnings: Vec<String>,
) -> Result<Artifact, Error> {
    warnings.extend(stored.warnings);
    warnings.truncate(1000);
    let data = Data { container: container.to_owned() };
    Ok(Artifact {
        consistency,
        entry: Some(stored.entry.to_string()),
        bytes: stored.bytes,
        bytes_added: stored.bytes_added,
        files: stored.files,
        digest: (!stored.digest.is_empty()).then_some(stored.digest),
        warnings,
        data: serde_json::to_value(data).map_err(|error| Error::permanent(error.to_string()))?,
        ..ctx.made()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_time_are_the_same_time() {
        assert_eq!(timestamp("1764130000.12345"), 1_764_130_000_123_450_000);
        assert_eq!(timestamp("1764130000.12345_0000000000000001"), 1_764_130_000_123_450_000);
        assert_eq!(iso("2025-11-26T04:06:40.123450"), timestamp("1764130000.12345"));
        assert_eq!((timestamp("x"), iso("yesterday")), (0, 0));
    }

    #[test]
    fn an_object_survives_its_entry() {
        let mut headers = Headers::default();
        headers.set("x-object-meta-a", "1");
        headers.0.insert("x-object-meta-b".to_owned(), vec![0xff, b'x']);
        let facts = Facts {
            name: "a/b.c".to_owned(),
            bytes: 5,
            changed: 1_764_130_000_123_450_000,
            etag: "0123456789abcdef0123456789abcdef".to_owned(),
            slo_etag: Some("x".to_owned()),
            headers,
        };
        let path = vec![b"o".to_vec(), b"0".to_vec(), names::encode(&facts.name)];
        assert_eq!(Facts::from_entry(&facts.entry(path)), Some(facts));
    }
}
