//! The writing half: blobs of one put are sealed by a few threads, packed, and the packs written and indexed.
//!
//! ```text
//! reader(s) → is it new? → queue → sealers: compress, encrypt → pack, full at 16 MiB → storage
//!                                                                └→ index file, every 50,000 blobs and at the end
//! ```
//!
//! The queue and the packs in the making are all that is held in memory. The first failure of any thread stops all.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use jiff::Timestamp;
use rustic_core::repofile::{BlobType, IndexFile};
use rustic_core::{FileType, Id};
use serde::Serialize;

use super::blob::{BlobHash, Sealed, Sealer, hash};
use super::index::Index;
use super::open::Project;
use super::{Error, Work};

/// What one put has to say to all its threads: stop, and why.
pub(super) struct Watch {
    pub(super) work: Work,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl Watch {
    pub(super) fn new(work: Work) -> Self {
        Self { work, failed: AtomicBool::new(false), failure: Mutex::default() }
    }

    /// The first one counts.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Relaxed);
    }

    /// Whether to go on.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.failed.load(Relaxed)
            && let Some(error) = lock(&self.failure).clone()
        {
            return Err(error);
        }
        self.work.go_on()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pack is written when it has this many bytes.
const PACK: usize = 16 << 20;
const INDEX_BLOBS: usize = 50_000;

/// Where the blobs of one put go.
pub(super) struct Packer<'a> {
    project: &'a Project,
    index: &'a Index,
    watch: &'a Watch,
    /// What this put has taken itself.
    seen: Mutex<HashSet<(bool, BlobHash)>>,
    packs: [Mutex<Pack>; 2],
    indexer: Mutex<Indexer>,
    added: AtomicU64,
}

#[derive(Default)]
struct Pack {
    bytes: Vec<u8>,
    blobs: Vec<BlobEntry>,
}

#[derive(Default)]
struct Indexer {
    open: NewIndex,
    blobs: usize,
    written: Vec<(Id, IndexFile)>,
}

#[derive(Default, Serialize)]
pub(super) struct NewIndex {
    pub(super) packs: Vec<PackEntry>,
}

#[derive(Serialize)]
pub(super) struct PackEntry {
    pub(super) id: Id,
    pub(super) blobs: Vec<BlobEntry>,
    /// rustic's; restic ignores it. Prune judges a pack's age by it.
    pub(super) time: Timestamp,
}

#[derive(Serialize)]
pub(super) struct BlobEntry {
    pub(super) id: Id,
    #[serde(rename = "type")]
    pub(super) kind: BlobType,
    pub(super) offset: u32,
    pub(super) length: u32,
    #[serde(rename = "uncompressed_length", skip_serializing_if = "is_zero")]
    pub(super) raw_length: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What the threads of a put hand to the sealers.
pub(super) struct Queue<'a> {
    packer: &'a Packer<'a>,
    jobs: SyncSender<(BlobType, BlobHash, Vec<u8>)>,
}

impl Clone for Queue<'_> {
    fn clone(&self) -> Self {
        Self { packer: self.packer, jobs: self.jobs.clone() }
    }
}

impl Queue<'_> {
    /// Takes a blob; waits while the sealers have enough to do. Its id.
    pub(super) fn put(&self, kind: BlobType, plain: Vec<u8>) -> Result<BlobHash, Error> {
        self.packer.watch.check()?;
        let id = hash(&plain);
        if self.packer.is_new(kind, &id) && self.jobs.send((kind, id, plain)).is_err() {
            self.packer.watch.check()?;
            return Err(Error::Internal("the sealers have ended".to_owned()));
        }
        Ok(id)
    }
}

impl<'a> Packer<'a> {
    pub(super) fn new(project: &'a Project, index: &'a Index, watch: &'a Watch) -> Self {
        Self {
            project,
            index,
            watch,
            seen: Mutex::default(),
            packs: Default::default(),
            indexer: Mutex::default(),
            added: AtomicU64::new(0),
        }
    }

    /// Runs `feed` with the sealers at work behind its queue. When this returns without an error, everything that was
    /// fed is in packs, and the index files that say where are written; these are returned.
    pub(super) fn run<T>(
        &self,
        feed: impl FnOnce(&Queue<'_>) -> Result<T, Error>,
    ) -> Result<(T, Vec<(Id, IndexFile)>), Error> {
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let (jobs, queue) = sync_channel(2 * threads);
        let queue = Mutex::new(queue);
        let fed = thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    if let Err(error) = self.seal_all(&queue) {
                        self.watch.fail(error);
                        // Nobody must wait for a place in a queue that is no longer emptied.
                        while next(&queue).is_some() {}
                    }
                });
            }
            feed(&Queue { packer: self, jobs })
        });
        // What the sealers met is the cause of what the feed met.
        self.watch.check()?;
        let fed = fed?;
        for (kind, pack) in [BlobType::Data, BlobType::Tree].into_iter().zip(&self.packs) {
            let pack = std::mem::take(&mut *lock(pack));
            self.write_pack(kind, pack)?;
        }
        let mut indexer = lock(&self.indexer);
        self.write_index(&mut indexer)?;
        Ok((fed, std::mem::take(&mut indexer.written)))
    }

    /// Bytes that the repository has grown by.
    pub(super) fn added(&self) -> u64 {
        self.added.load(Relaxed)
    }

    fn is_new(&self, kind: BlobType, id: &BlobHash) -> bool {
        self.index.find(kind, id).is_none() && lock(&self.seen).insert((kind == BlobType::Tree, *id))
    }

    fn seal_all(&self, queue: &Mutex<Receiver<(BlobType, BlobHash, Vec<u8>)>>) -> Result<(), Error> {
        let mut sealer = self.project.sealer()?;
        while let Some((kind, id, plain)) = next(queue) {
            self.watch.check()?;
            let sealed = sealer.seal(&plain, kind == BlobType::Tree)?;
            drop(plain);
            self.add(kind, id, &sealed)?;
        }
        Ok(())
    }

    fn add(&self, kind: BlobType, id: BlobHash, sealed: &Sealed) -> Result<(), Error> {
        let full = {
            let mut pack = lock(&self.packs[usize::from(kind == BlobType::Tree)]);
            let at = |length: usize| {
                u32::try_from(length).map_err(|_| Error::Internal("a pack of more than 4 GiB".to_owned()))
            };
            let entry = BlobEntry {
                id: Id::new(id),
                kind,
                offset: at(pack.bytes.len())?,
                length: at(sealed.bytes.len())?,
                raw_length: sealed.raw_length,
            };
            pack.bytes.extend_from_slice(&sealed.bytes);
            pack.blobs.push(entry);
            // The header is read by restic in one piece; 10,000 blobs make it 400 KB.
            if pack.bytes.len() < PACK && pack.blobs.len() < 10_000 {
                return Ok(());
            }
            let room = pack.bytes.capacity();
            std::mem::replace(&mut *pack, Pack { bytes: Vec::with_capacity(room), blobs: Vec::new() })
        };
        self.write_pack(kind, full)
    }

    fn write_pack(&self, kind: BlobType, pack: Pack) -> Result<(), Error> {
        if pack.blobs.is_empty() {
            return Ok(());
        }
        let Pack { mut bytes, blobs } = pack;
        let header = self.project.key().seal(&header(&blobs))?;
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&u32::try_from(header.len()).unwrap_or_default().to_le_bytes());
        let id = Id::new(hash(&bytes));
        self.added.fetch_add(bytes.len() as u64, Relaxed);
        self.project.storage.write_bytes(FileType::Pack, &id, kind == BlobType::Tree, bytes.into())?;
        let mut indexer = lock(&self.indexer);
        indexer.blobs += blobs.len();
        #[expect(clippy::disallowed_methods, reason = "restic's format: an index says when its pack was written")]
        let time = Timestamp::now();
        indexer.open.packs.push(PackEntry { id, blobs, time });
        if indexer.blobs >= INDEX_BLOBS {
            self.write_index(&mut indexer)?;
        }
        Ok(())
    }

    fn write_index(&self, indexer: &mut Indexer) -> Result<(), Error> {
        let open = std::mem::take(&mut indexer.open);
        indexer.blobs = 0;
        if open.packs.is_empty() {
            return Ok(());
        }
        let unreadable = |error| Error::Internal(format!("an index file can't be made: {error}"));
        let json = serde_json::to_vec(&open).map_err(unreadable)?;
        let (id, length) = self.project.write_file(FileType::Index, &json)?;
        self.added.fetch_add(length, Relaxed);
        indexer.written.push((id, serde_json::from_slice(&json).map_err(unreadable)?));
        Ok(())
    }
}

/// The lock is let go before the job is done.
pub(super) fn next<T>(queue: &Mutex<Receiver<T>>) -> Option<T> {
    lock(queue).recv().ok()
}

/// restic's pack header: for each blob, in order, its kind, its length in the pack, its length before compression if it
/// is compressed, and its id. Numbers are little endian.
pub(super) fn header(blobs: &[BlobEntry]) -> Vec<u8> {
    let mut header = Vec::with_capacity(blobs.len() * 41);
    for blob in blobs {
        let compressed = blob.raw_length != 0;
        header.push(match (blob.kind, compressed) {
            (BlobType::Data, false) => 0,
            (BlobType::Tree, false) => 1,
            (BlobType::Data, true) => 2,
            (BlobType::Tree, true) => 3,
        });
        header.extend_from_slice(&blob.length.to_le_bytes());
        if compressed {
            header.extend_from_slice(&blob.raw_length.to_le_bytes());
        }
        header.extend_from_slice(&super::index::hash_of(&blob.id));
    }
    header
}

impl Project {
    /// Writes a sealed file of the repository. Its id, and its length.
    pub(super) fn write_file(&self, kind: FileType, json: &[u8]) -> Result<(Id, u64), Error> {
        let mut sealer: Sealer = self.sealer()?;
        let sealed = sealer.seal_file(json)?;
        let (id, length) = (Id::new(hash(&sealed)), sealed.len() as u64);
        self.storage.write_bytes(kind, &id, false, sealed.into())?;
        Ok((id, length))
    }
}
