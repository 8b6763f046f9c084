//! What there is in the fake Swift.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::Fault;
use super::answer::md5;

pub(super) type Headers = BTreeMap<String, Vec<u8>>;
/// By project and name.
pub(super) type Containers = BTreeMap<(String, String), Container>;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) containers: Containers,
    /// What listings show, where that is not what there is.
    pub(super) listed: Option<Containers>,
    pub(super) faults: Vec<(String, Fault, usize)>,
    pub(super) asked: Vec<String>,
    pub(super) pace: Duration,
    pub(super) broken: bool,
    last: i64,
    requests: u64,
}

/// A moment, in units of 10 microseconds since 1970: Swift knows no smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) headers: Headers,
    pub(super) made: Moment,
    pub(super) objects: BTreeMap<String, Object>,
}

#[derive(Debug, Clone)]
pub struct Object {
    pub content: Bytes,
    /// By name, in lower case.
    pub headers: BTreeMap<String, Vec<u8>>,
    /// Of a static large object; its `content` is the manifest.
    pub(super) segments: Option<Vec<Segment>>,
    /// Where its container keeps versions, the object is a link to this one.
    pub(super) version: Option<String>,
    pub(super) written: Moment,
    /// Content or metadata, whichever is the later.
    pub(super) changed: Moment,
}

/// A part of a static large object, as it was when the manifest was put.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) container: String,
    pub(super) name: String,
    pub(super) etag: String,
    /// Of the whole object.
    pub(super) bytes: usize,
    pub(super) content_type: String,
    pub(super) range: Option<String>,
    pub(super) sub_slo: bool,
    pub(super) changed: Moment,
}

impl Segment {
    /// Of the part that its range names.
    fn taken(&self) -> usize {
        let range = self.range.as_deref().and_then(|range| range.split_once('-'));
        range.map_or(self.bytes, |(first, last)| last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap())
    }

    pub(super) fn show(&self) -> String {
        format!("/{}/{} {} {}", self.container, self.name, self.etag, self.range.as_deref().unwrap_or_default())
    }
}

impl Moment {
    fn time(self) -> Timestamp {
        Timestamp::from_microsecond(self.0 * 10).unwrap()
    }

    /// `1764130000.12345`.
    pub(super) fn timestamp(self) -> String {
        format!("{:010}.{:05}", self.0 / 100_000, self.0 % 100_000)
    }

    /// As listings have it.
    pub(super) fn iso(self) -> String {
        self.time().strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
    }

    /// As headers have it: the next full second.
    pub(super) fn http(self) -> String {
        let full = Timestamp::from_second((self.0 + 99_999) / 100_000).unwrap();
        full.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    pub(super) fn second(self) -> i64 {
        self.0 / 100_000
    }
}

fn headers<'a>(given: impl Iterator<Item = (&'a str, &'a str)>) -> Headers {
    given.map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec())).collect()
}

impl Container {
    pub(super) fn new<'a>(made: Moment, given: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self { headers: headers(given), made, objects: BTreeMap::new() }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub(super) fn bytes(&self) -> usize {
        self.objects.values().map(Object::listed_bytes).sum()
    }
}

impl Object {
    pub(super) fn new<'a>(now: Moment, content: Bytes, given: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut headers = headers(given);
        headers.entry("content-type".to_owned()).or_insert_with(|| b"application/octet-stream".to_vec());
        Self { content, headers, segments: None, version: None, written: now, changed: now }
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub(super) fn etag(&self) -> String {
        md5(&self.content)
    }

    pub(super) fn listed_bytes(&self) -> usize {
        self.segments.as_ref().map_or(self.content.len(), |segments| segments.iter().map(Segment::taken).sum())
    }

    pub(super) fn has_expired(&self, now: Moment) -> bool {
        self.text("x-delete-at").and_then(|at| at.parse::<i64>().ok()).is_some_and(|at| at <= now.second())
    }
}

impl State {
    /// Never the same twice.
    pub(super) fn now(&mut self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "this is the cloud's own clock")]
        let now = Timestamp::now().as_microsecond() / 10;
        self.last = now.max(self.last + 1);
        Moment(self.last)
    }

    pub(super) fn transaction(&mut self) -> String {
        self.requests += 1;
        format!("tx{:021x}-{:010x}", self.requests, self.last / 100_000)
    }

    pub(super) fn container(&mut self, project: &str, name: &str) -> Option<&mut Container> {
        self.containers.get_mut(&(project.to_owned(), name.to_owned()))
    }

    pub(super) fn look(&self, project: &str, name: &str) -> Option<&Container> {
        self.containers.get(&(project.to_owned(), name.to_owned()))
    }

    pub(super) fn meets(&mut self, request: &str) -> Option<Fault> {
        let (_, fault, left) =
            self.faults.iter_mut().find(|(at, _, left)| *left > 0 && request.contains(at.as_str()))?;
        *left -= 1;
        Some(fault.clone())
    }
}
