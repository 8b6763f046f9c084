//! One object of Swift, asked for: what it is, and its bytes, to be read by a thread that blocks.
//!
//! A small object comes with the answer, so that what is kept of it and its bytes are of one version whatever happens
//! next. Of a larger one the answer is open and read later. If it breaks off (Swift closes one that nobody reads for a
//! minute) the rest is asked for, of the same version only. The bytes must be what the etag says.

use std::io::{self, Read};

use bytes::Bytes;
use md5::{Digest, Md5};
use stacksnap_openstack::swift::{Segment, is_another};
use stacksnap_openstack::{Error as Cloud, Open};

use super::call::{self, Calls};
use super::kept::Facts;
use crate::driver::Error;

/// Up to so many bytes come with the answer.
const SMALL: u64 = 256 << 10;
/// So often one part of an object is asked for anew.
const TRIES: u32 = 4;

pub(super) struct Fetched {
    pub(super) facts: Facts,
    /// Of a static large object.
    pub(super) segments: Vec<Segment>,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Open(Box<Open>),
}

/// `etag`: only this version, else an error that another copy would be without. `None`: there is no such object.
pub(super) async fn fetch(
    calls: &Calls,
    container: &str,
    name: &str,
    etag: Option<&str>,
) -> Result<Option<Fetched>, Error> {
    let mut tried = 0;
    loop {
        tried += 1;
        match once(calls, container, name, etag).await {
            Err(Error::Transient { .. }) if tried < TRIES => calls.pause(std::time::Duration::from_millis(50)).await?,
            fetched => return fetched,
        }
    }
}

async fn once(calls: &Calls, container: &str, name: &str, etag: Option<&str>) -> Result<Option<Fetched>, Error> {
    let swift = &calls.swift;
    let (object, mut open) = match calls.raw(swift.open_object(container, name, etag, 0)).await? {
        Ok(found) => found,
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) if is_another(&error) => return Err(replaced(name)),
        Err(error) => return Err(call::error(error)),
    };
    let mut facts = Facts::of(name, &object);
    if object.is_slo() {
        drop(open);
        let Some(whole) = calls.find(swift.large_object(container, name)).await? else { return Ok(None) };
        let Some(segments) = calls.find(swift.segments(container, name)).await? else { return Ok(None) };
        if whole.timestamp != object.timestamp {
            return Err(replaced(name));
        }
        let manifest = serde_json::to_vec(&segments).map_err(|error| Error::permanent(error.to_string()))?;
        (facts.headers, facts.slo_etag, facts.bytes) = (whole.headers, Some(whole.etag), manifest.len() as u64);
        return Ok(Some(Fetched { facts, segments, body: Body::Whole(manifest.into()) }));
    }
    if facts.is_link() {
        facts.bytes = 0;
        return Ok(Some(Fetched { facts, segments: Vec::new(), body: Body::Whole(Bytes::new()) }));
    }
    if facts.bytes > SMALL {
        return Ok(Some(Fetched { facts, segments: Vec::new(), body: Body::Open(Box::new(open)) }));
    }
    let mut whole = Vec::with_capacity(facts.bytes as usize);
    while let Some(part) = calls.ask(open.part()).await? {
        whole.extend_from_slice(&part);
    }
    is_what_it_says(&facts, Md5::new_with_prefix(&whole))?;
    Ok(Some(Fetched { facts, segments: Vec::new(), body: Body::Whole(whole.into()) }))
}

fn replaced(name: &str) -> Error {
    Error::transient(format!("object {name:?} was replaced while it was read"))
}

fn is_what_it_says(facts: &Facts, md5: Md5) -> Result<(), Error> {
    let got = hex::encode(md5.finalize());
    if got == facts.etag {
        return Ok(());
    }
    Err(Error::transient(format!("object {:?} arrived with the etag {got}, and has {}", facts.name, facts.etag)))
}

impl Fetched {
    pub(super) fn reader(self, calls: &Calls, container: &str) -> Reader {
        let (open, current) = match self.body {
            Body::Whole(bytes) => (None, bytes),
            Body::Open(open) => (Some(open), Bytes::new()),
        };
        // What came whole has been compared already.
        let checked = open.is_none();
        let at = current.len() as u64;
        let (calls, container) = (calls.clone(), container.to_owned());
        Reader { calls, container, facts: self.facts, open, current, at, checked, tried: 0, md5: Md5::new() }
    }
}

/// An object's bytes. Blocks. The driver's own errors are inside those of [`io`].
pub(super) struct Reader {
    calls: Calls,
    container: String,
    facts: Facts,
    open: Option<Box<Open>>,
    current: Bytes,
    /// How much has arrived.
    at: u64,
    checked: bool,
    tried: u32,
    md5: Md5,
}

impl Reader {
    fn fill(&mut self) -> Result<(), Error> {
        while self.current.is_empty() && self.at < self.facts.bytes {
            let part = match &mut self.open {
                Some(open) => self.calls.block(self.calls.raw(open.part()))?,
                None => Ok(None),
            };
            match part {
                Ok(Some(part)) => {
                    self.tried = 0;
                    self.at += part.len() as u64;
                    self.md5.update(&part);
                    self.current = part;
                }
                // Broken off: the rest is asked for.
                Ok(None) => self.again(None)?,
                Err(error) => self.again(Some(error))?,
            }
        }
        if self.current.is_empty() && !std::mem::replace(&mut self.checked, true) {
            is_what_it_says(&self.facts, std::mem::take(&mut self.md5))?;
        }
        Ok(())
    }

    fn again(&mut self, error: Option<Cloud>) -> Result<(), Error> {
        self.open = None;
        self.tried += 1;
        let Facts { name, bytes, etag, .. } = &self.facts;
        if self.tried > TRIES {
            let why = error.map_or_else(String::new, |error| format!(": {error}"));
            return Err(Error::transient(format!("object {name:?} broke off at byte {} of {bytes}{why}", self.at)));
        }
        let rest = self.calls.swift.open_object(&self.container, name, Some(etag), self.at);
        match self.calls.block(self.calls.raw(rest))? {
            Ok((_, open)) => self.open = Some(Box::new(open)),
            Err(error) if is_another(&error) || error.is_gone() => return Err(replaced(name)),
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(call::error(error)),
        }
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls.ctx.go_on().and_then(|()| self.fill()).map_err(io::Error::other)?;
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}
