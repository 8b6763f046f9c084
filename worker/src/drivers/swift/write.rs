//! One object is made what it was.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stacksnap_openstack::Error as Cloud;
use stacksnap_openstack::swift::{Headers, Segment};
use tokio::sync::mpsc;

use super::call::{self, Calls};
use super::compare::{Compared, Doing, Kept};
use crate::driver::Error;
use crate::vault::{self, Tree};

/// Of an object on its way up, so much is sent at once; two such parts wait.
const PART: usize = 256 << 10;
const PARTS: usize = 2;
/// What an empty content has: a link's.
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// `Ok(Err(_))`: Swift refused it. Every part of it may be done again.
pub(super) async fn write(calls: &Calls, tree: &Tree, compared: &Compared) -> Result<Result<(), Cloud>, Error> {
    let Compared { container, name, doing } = compared;
    let done = match doing {
        Doing::Nothing | Doing::Absent | Doing::Expired => return Ok(Ok(())),
        Doing::Remove => calls.raw(calls.swift.delete_object(container, name)).await?,
        Doing::Adjust(kept, _) => calls.raw(calls.swift.set_object(container, name, &kept.facts.headers)).await?,
        Doing::Make(kept) | Doing::Replace(kept) if kept.facts.is_slo() => {
            manifest(calls, tree, container, kept).await?
        }
        Doing::Make(kept) | Doing::Replace(kept) => content(calls, tree, container, kept).await?,
    };
    if done.is_ok() {
        calls.ctx.progress.add_files(1);
    }
    Ok(done)
}

/// The same, where a refusal is an error.
pub(super) async fn wrote(calls: &Calls, tree: &Tree, compared: &Compared) -> Result<(), Error> {
    write(calls, tree, compared).await?.map_err(call::error)
}

async fn manifest(calls: &Calls, tree: &Tree, container: &str, kept: &Kept) -> Result<Result<(), Cloud>, Error> {
    let (tree, content) = (tree.clone(), kept.content.clone());
    let segments: Vec<Segment> = calls
        .on_thread(move |_| {
            let mut manifest = Vec::new();
            tree.reader(&content).read_to_end(&mut manifest).map_err(|error| read_error(&error))?;
            serde_json::from_slice(&manifest)
                .map_err(|error| Error::Unreadable(format!("a manifest that was kept can't be understood: {error}")))
        })
        .await?;
    let mut headers = kept.facts.headers.clone();
    headers.0.remove("x-static-large-object");
    let made = calls.raw(calls.swift.put_slo(container, &kept.facts.name, &headers, &segments)).await?;
    calls.ctx.progress.add_bytes(kept.facts.bytes);
    match made {
        Ok(etag) if Some(&etag) != kept.facts.slo_etag.as_ref() => Err(Error::transient(format!(
            "the large object {:?} got the etag {etag}, and had {}",
            kept.facts.name,
            kept.facts.slo_etag.as_deref().unwrap_or_default()
        ))),
        made => Ok(made.map(drop)),
    }
}

async fn content(calls: &Calls, tree: &Tree, container: &str, kept: &Kept) -> Result<Result<(), Cloud>, Error> {
    let facts = &kept.facts;
    let etag = if facts.is_link() { EMPTY } else { &facts.etag };
    let failed = Arc::new(Mutex::new(None));
    let body = || {
        let parts = read(calls, tree, kept, Arc::clone(&failed));
        futures_util::stream::unfold(parts, |mut parts| async { parts.recv().await.map(|part| (part, parts)) })
    };
    let headers: &Headers = &facts.headers;
    let put = calls.swift.put_object(container, &facts.name, headers, (facts.bytes, etag), body);
    let put = calls.raw(put).await?;
    // The vault's own error says more than that a request broke off.
    match (&put, failed.lock().unwrap_or_else(PoisonError::into_inner).take()) {
        (Err(_), Some(error)) => Err(error),
        _ => Ok(put),
    }
}

type Parts = mpsc::Receiver<io::Result<Bytes>>;

/// Reads from the vault, on a thread of its own, as long as somebody takes it.
fn read(calls: &Calls, tree: &Tree, kept: &Kept, failed: Arc<Mutex<Option<Error>>>) -> Parts {
    let (send, parts) = mpsc::channel(PARTS);
    let (calls, tree, content) = (calls.clone(), tree.clone(), kept.content.clone());
    let runtime = calls.runtime().clone();
    runtime.spawn_blocking(move || {
        let mut reader = tree.reader(&content);
        loop {
            let mut part = Vec::with_capacity(PART);
            let read = reader.by_ref().take(PART as u64).read_to_end(&mut part);
            let going_on = read.map_err(|error| read_error(&error)).and_then(|_| calls.ctx.go_on());
            if let Err(error) = going_on {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                drop(send.blocking_send(Err(io::Error::other("stopped"))));
                return;
            }
            if part.is_empty() {
                return;
            }
            let bytes = part.len() as u64;
            if send.blocking_send(Ok(part.into())).is_err() {
                return;
            }
            calls.ctx.progress.add_bytes(bytes);
        }
    });
    parts
}

fn read_error(error: &io::Error) -> Error {
    vault::Error::from_io(error).map_or_else(|| Error::transient(error.to_string()), Error::from)
}
