//! Reading content back.
//!
//! A [`Reader`] gives one content in its order; a few threads read, decrypt and check ahead of it. [`Tree::read_files`]
//! is for many files: a few threads take the next few files each, look up where their blobs lie, read those that lie
//! together at once, and hand each file's content over as it is ready. In memory is what these threads have in hand,
//! at most [`BATCH`] bytes each and one blob more.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use rustic_core::FileType;
use rustic_core::repofile::BlobType;

use super::blob::{BlobHash, Opener};
use super::index::{Index, Place};
use super::open::Project;
use super::walk::{Blobs, Tree};
use super::{Error, Work};

/// One blob, read, decrypted, and checked against its id.
pub(super) fn blob(
    project: &Project,
    index: &Index,
    opener: &mut Opener,
    kind: BlobType,
    id: &BlobHash,
) -> Result<Vec<u8>, Error> {
    let place = place(index, kind, id)?;
    let tree = kind == BlobType::Tree;
    let sealed = project.storage.read_partial(FileType::Pack, &place.pack, tree, place.offset, place.length);
    let plain = sealed.map_err(Error::from).and_then(|sealed| opener.open(&sealed, place.raw_length, id));
    project.judged(index, &place.pack, plain)
}

fn place(index: &Index, kind: BlobType, id: &BlobHash) -> Result<Place, Error> {
    index.locate(kind, id).ok_or_else(|| Error::Damaged(format!("blob {} is in no pack", hex::encode(id))))
}

/// A content, from its beginning. Blocks. Its errors carry an [`Error`] (see [`Error::from_io`]).
pub struct Reader {
    blobs: VecDeque<Receiver<Result<Vec<u8>, Error>>>,
    current: io::Cursor<Vec<u8>>,
    left: usize,
    failed: Option<Error>,
}

/// Threads that read ahead of one reader, and blobs that each may have ready.
const AHEAD_THREADS: usize = 2;
const AHEAD: usize = 2;

impl Reader {
    pub(super) fn new(project: &Arc<Project>, index: &Arc<Index>, content: &Blobs) -> Self {
        let threads = AHEAD_THREADS.min(content.0.len());
        let mut blobs = VecDeque::with_capacity(threads);
        for first in 0..threads {
            let (done, ready) = sync_channel(AHEAD);
            let (project, index, content) = (Arc::clone(project), Arc::clone(index), content.clone());
            thread::spawn(move || {
                let mut opener = match project.opener() {
                    Ok(opener) => opener,
                    Err(error) => return drop(done.send(Err(error))),
                };
                for id in content.0.iter().skip(first).step_by(threads) {
                    let plain = blob(&project, &index, &mut opener, BlobType::Data, id);
                    let failed = plain.is_err();
                    // Nobody reads on: neither do we.
                    if done.send(plain).is_err() || failed {
                        return;
                    }
                }
            });
            blobs.push_back(ready);
        }
        Self { blobs, current: io::Cursor::default(), left: content.0.len(), failed: None }
    }

    fn next(&mut self) -> Result<Vec<u8>, Error> {
        let ended = || Error::Internal("a reading thread has ended".to_owned());
        let ready = self.blobs.pop_front().ok_or_else(ended)?;
        let plain = ready.recv().map_err(|_| ended())??;
        self.blobs.push_back(ready);
        Ok(plain)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(error) = &self.failed {
                return Err(error.clone().into());
            }
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() || self.left == 0 {
                return Ok(count);
            }
            match self.next() {
                Ok(plain) => {
                    self.left -= 1;
                    self.current = io::Cursor::new(plain);
                }
                Err(error) => self.failed = Some(error),
            }
        }
    }
}

/// Files of a batch, at most, and bytes of blobs.
const BATCH_FILES: usize = 128;
const BATCH: u64 = 8 << 20;
/// What is read without need to get two neighbours at once.
const GAP: u32 = 128 << 10;

impl Tree {
    /// One file's content.
    pub fn reader(&self, content: &Blobs) -> Reader {
        Reader::new(&self.project, &self.index, content)
    }

    /// Hands the content of each of `files` to `write`, from `threads` threads at once, each file once, in no order; but
    /// files that follow each other in the tree come fastest in that order. `write` gets what it needs with the file's
    /// key, and reads the content to its end.
    ///
    /// The first error ends it: what `write` said ([`Error::Sink`], unless it passes on what the reader gave), or what
    /// the vault or `work` says. Blocks. Progress counts what was read.
    pub fn read_files<K: Send>(
        &self,
        files: impl Iterator<Item = (K, Blobs)> + Send,
        threads: usize,
        work: &Work,
        write: impl Fn(K, &mut dyn Read) -> io::Result<()> + Sync,
    ) -> Result<(), Error> {
        let files = Mutex::new(files.peekable());
        let failure = Mutex::new(None);
        let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
        thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    let run = || -> Result<(), Error> {
                        let mut opener = self.project.opener()?;
                        loop {
                            work.go_on()?;
                            if failed().is_some() {
                                return Ok(());
                            }
                            let batch = self.batch(&mut *files.lock().unwrap_or_else(PoisonError::into_inner));
                            if batch.is_empty() {
                                return Ok(());
                            }
                            self.read_batch(batch, &mut opener, work, &write)?;
                        }
                    };
                    if let Err(error) = run() {
                        failed().get_or_insert(error);
                    }
                });
            }
        });
        failed().take().map_or(Ok(()), Err)
    }

    /// The next files that one thread takes; a file that is larger than a batch comes alone.
    fn batch<K>(&self, files: &mut std::iter::Peekable<impl Iterator<Item = (K, Blobs)>>) -> Vec<(K, Blobs)> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_FILES
            && let Some(file) = files.next_if(|(_, content)| {
                let places = content.0.iter().filter_map(|id| self.index.locate(BlobType::Data, id));
                bytes += places.map(|place| u64::from(place.length).max(place.content())).sum::<u64>();
                batch.is_empty() || bytes <= BATCH
            })
        {
            batch.push(file);
        }
        batch
    }

    fn read_batch<K>(
        &self,
        batch: Vec<(K, Blobs)>,
        opener: &mut Opener,
        work: &Work,
        write: &impl Fn(K, &mut dyn Read) -> io::Result<()>,
    ) -> Result<(), Error> {
        let sealed = match &batch[..] {
            // May be of any size: read as it goes.
            [_] => HashMap::new(),
            files => read_sealed(&self.project, &self.index, files.iter().flat_map(|(_, content)| content.0.iter()))?,
        };
        for (key, content) in batch {
            if sealed.is_empty() && content.0.len() > 1 {
                let mut reader = Counted { reader: self.reader(&content), work };
                write(key, &mut reader).map_err(|error| Error::sink(&error))?;
                continue;
            }
            let ready = Ready { tree: self, opener: &mut *opener, sealed: &sealed, content: &content.0, at: 0 };
            let ready = Blobwise { ready, current: io::Cursor::default() };
            write(key, &mut Counted { reader: ready, work }).map_err(|error| Error::sink(&error))?;
        }
        Ok(())
    }
}

/// The sealed blobs, those that lie together read at once.
pub(super) fn read_sealed<'a>(
    project: &Project,
    index: &Index,
    ids: impl Iterator<Item = &'a BlobHash>,
) -> Result<HashMap<BlobHash, (Bytes, Place)>, Error> {
    let mut places = ids
        .map(|id| Ok((*id, place(index, BlobType::Data, id)?)))
        .collect::<Result<Vec<(BlobHash, Place)>, Error>>()?;
    places.sort_unstable_by_key(|(_, place)| (place.pack, place.offset));
    places.dedup_by_key(|(id, _)| *id);
    let mut sealed = HashMap::with_capacity(places.len());
    let mut rest = &places[..];
    while let Some((_, first)) = rest.first() {
        let mut end = first.offset + first.length;
        let together = 1 + rest[1..]
            .iter()
            .take_while(|(_, next)| {
                let near = next.pack == first.pack && next.offset <= end.saturating_add(GAP);
                if near {
                    end = end.max(next.offset + next.length);
                }
                near
            })
            .count();
        let length = end - first.offset;
        let bytes = project.storage.read_partial(FileType::Pack, &first.pack, false, first.offset, length);
        let bytes = project.judged(index, &first.pack, bytes.map_err(Error::from))?;
        for (id, place) in &rest[..together] {
            let start = (place.offset - first.offset) as usize;
            sealed.insert(*id, (bytes.slice(start..start + place.length as usize), *place));
        }
        rest = &rest[together..];
    }
    Ok(sealed)
}

/// The blobs of one file, opened as they are asked for.
struct Ready<'a> {
    tree: &'a Tree,
    opener: &'a mut Opener,
    sealed: &'a HashMap<BlobHash, (Bytes, Place)>,
    content: &'a [BlobHash],
    at: usize,
}

struct Blobwise<'a> {
    ready: Ready<'a>,
    current: io::Cursor<Vec<u8>>,
}

impl Read for Blobwise<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            let ready = &mut self.ready;
            if count > 0 || buffer.is_empty() || ready.at == ready.content.len() {
                return Ok(count);
            }
            let id = &ready.content[ready.at];
            let plain = match ready.sealed.get(id) {
                Some((sealed, place)) => {
                    let plain = ready.opener.open(sealed, place.raw_length, id);
                    ready.tree.project.judged(&ready.tree.index, &place.pack, plain)?
                }
                None => blob(&ready.tree.project, &ready.tree.index, ready.opener, BlobType::Data, id)?,
            };
            ready.at += 1;
            self.current = io::Cursor::new(plain);
        }
    }
}

/// Counts, and ends when the work has to.
pub(super) struct Counted<'a, R> {
    pub(super) reader: R,
    pub(super) work: &'a Work,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.work.go_on()?;
        let count = self.reader.read(buffer)?;
        self.work.progress.add_bytes(count as u64);
        Ok(count)
    }
}
