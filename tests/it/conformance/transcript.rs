//! What a real Heat was asked and what it answered, as files: a comment, `### REQUEST` and the request as it was sent,
//! `### RESPONSE` and the answer as it came. Tokens were taken out; the hosts are loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A request or an answer: its first line, its headers in their order, its body.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// From what was written on the wire.
    pub fn parse(bytes: &[u8]) -> Self {
        let blank = "\r\n\r\n";
        // An answer without a body ends with its head.
        let end = find(bytes, blank.as_bytes());
        let head = std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]).expect("a head is text").trim_end();
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("not a header: {line}")))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let body = end.map_or(&[][..], |end| &bytes[end + blank.len()..]);
        Self { start, headers, body: body.to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The status of an answer.
    pub fn status(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

#[derive(Debug, Clone)]
pub struct Transcript {
    pub request: Message,
    pub answer: Message,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// All of them, by number.
pub fn all() -> BTreeMap<String, Transcript> {
    let entries = std::fs::read_dir(folder().join("transcripts")).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let number = name.split('-').next().unwrap().to_owned();
            (number, parse(&std::fs::read(&path).unwrap()))
        })
        .collect()
}

fn parse(bytes: &[u8]) -> Transcript {
    const REQUEST: &[u8] = b"### REQUEST\n";
    const RESPONSE: &[u8] = b"### RESPONSE\n";
    let from = find(bytes, REQUEST).expect("a request") + REQUEST.len();
    let to = find(bytes, RESPONSE).expect("a response");
    let mut request = Message::parse(&bytes[from..to]);
    let mut answer = Message::parse(&bytes[to + RESPONSE.len()..]);
    // What follows a body is the file's own.
    for message in [&mut request, &mut answer] {
        let length = message.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        message.body.truncate(length);
    }
    if request.start.starts_with("HEAD ") {
        // Its length is that of a body that is not sent.
        answer.body.clear();
    }
    Transcript { request, answer }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
