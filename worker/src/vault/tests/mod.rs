//! The vault as its callers see it, on a real directory; and what restic says of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod damage;
mod house;
mod mend;
#[cfg(feature = "object-storage")]
mod objects;
mod places;
mod processes;
mod restic;
mod streams;
mod trees;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub(super) use super::label::tests::label;
use super::tree::{Entry, Kind, Meta, TreeSource};
use super::*;

pub(super) fn key() -> MasterKey {
    MasterKey::parse(&"5a".repeat(32), "test").unwrap()
}

pub(super) fn vaults(directory: &Path) -> Vaults {
    Vaults::new(Settings::new(Location::Directory(directory.join("vault"))), key()).unwrap()
}

pub(super) async fn vault(directory: &Path) -> Vault {
    vaults(directory).project(&"demo".parse().unwrap()).await.unwrap()
}

pub(super) fn work() -> Work {
    let lease = Lease::new(1, Instant::now(), Duration::from_secs(3600));
    Work { progress: Progress::default(), cancel: CancellationToken::new(), lease }
}

/// Bytes that neither repeat nor compress, the same for the same seed.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Gives `good` bytes, then an error.
pub(super) struct Breaks {
    pub(super) good: u64,
}

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.good == 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the disk went away"));
        }
        let count = buffer.len().min(usize::try_from(self.good).unwrap());
        // Not the same everywhere: equal blobs would be stored once.
        buffer[..count].copy_from_slice(&noise(self.good, count));
        self.good -= count as u64;
        Ok(count)
    }
}

/// A tree in memory. What `content` says of a file is what its reader gives.
#[derive(Default)]
pub(super) struct MemoryTree {
    pub(super) entries: Vec<(Entry, Given)>,
    pub(super) opened: AtomicU64,
}

#[derive(Clone)]
pub(super) enum Given {
    Nothing,
    Bytes(Vec<u8>),
    /// So many bytes, then an error.
    Breaks(u64),
    CantOpen,
    /// The walk itself fails here.
    CantWalk,
}

impl TreeSource for MemoryTree {
    fn entries(&self) -> Box<dyn Iterator<Item = io::Result<Entry>> + Send + '_> {
        Box::new(self.entries.iter().map(|(entry, given)| match given {
            Given::CantWalk => Err(io::Error::new(io::ErrorKind::PermissionDenied, "no entry here")),
            _ => Ok(entry.clone()),
        }))
    }

    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        match self.entries.iter().find(|(other, _)| other.path == entry.path).map(|(_, given)| given.clone()) {
            Some(Given::Bytes(bytes)) => Ok(Box::new(io::Cursor::new(bytes))),
            Some(Given::Breaks(good)) => Ok(Box::new(Breaks { good })),
            _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "may not be read")),
        }
    }
}

impl MemoryTree {
    /// A root and nothing in it.
    pub(super) fn new() -> Self {
        let mut tree = Self::default();
        tree.add("", Kind::Directory, Given::Nothing);
        tree
    }

    pub(super) fn add(&mut self, path: &str, kind: Kind, given: Given) -> &mut Entry {
        let path = path.split('/').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()).collect();
        self.add_bytes(path, kind, given)
    }

    pub(super) fn add_bytes(&mut self, path: Vec<Vec<u8>>, kind: Kind, given: Given) -> &mut Entry {
        let number = i128::try_from(self.entries.len()).unwrap();
        let size = match (&kind, &given) {
            (Kind::Symlink(target), _) => target.len() as u64,
            (_, Given::Bytes(bytes)) => bytes.len() as u64,
            (_, Given::Breaks(good)) => good * 2,
            _ => 0,
        };
        let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
        let mtime = 1_700_000_000_123_456_789 + number;
        let meta = Meta { mode, mtime, ctime: mtime + 5, size, links: 1, ..Meta::default() };
        self.entries.push((Entry { path, kind, meta }, given));
        self.entries.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let at = self.entries.iter().position(|(entry, _)| entry.meta.mtime == mtime).unwrap();
        &mut self.entries[at].0
    }

    pub(super) fn file(&mut self, path: &str, bytes: &[u8]) -> &mut Entry {
        self.add(path, Kind::File, Given::Bytes(bytes.to_vec()))
    }

    /// What should come back.
    pub(super) fn expected(&self) -> Vec<(Entry, Option<Vec<u8>>)> {
        let content = |given: &Given| match given {
            Given::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        };
        self.entries.iter().map(|(entry, given)| (entry.clone(), content(given))).collect()
    }
}

/// The whole tree, read back both ways that there are.
pub(super) async fn read_back(vault: &Vault, entry: &EntryId) -> Result<Vec<(Entry, Option<Vec<u8>>)>, Error> {
    let tree = vault.open_tree(entry).await?;
    tokio::task::spawn_blocking(move || {
        let found = tree.entries().collect::<Result<Vec<_>, _>>()?;
        let contents = std::sync::Mutex::new(std::collections::HashMap::new());
        let files = found.iter().enumerate().filter_map(|(at, found)| Some((at, found.content.clone()?)));
        tree.read_files(files, 3, &work(), |at, reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            assert!(contents.lock().unwrap().insert(at, bytes).is_none(), "a file was handed over twice");
            Ok(())
        })?;
        let mut contents = contents.into_inner().unwrap();
        let mut all = Vec::new();
        for (at, found) in found.into_iter().enumerate() {
            let content = contents.remove(&at);
            if let Some(blobs) = &found.content {
                let mut bytes = Vec::new();
                tree.reader(blobs).read_to_end(&mut bytes).map_err(|error| Error::source(&error))?;
                assert_eq!(Some(&bytes), content.as_ref());
            }
            all.push((found.entry, content));
        }
        Ok(all)
    })
    .await
    .unwrap()
}

/// What a stream's entry gives back.
pub(super) async fn stream_back(vault: &Vault, entry: &EntryId) -> Result<(Vec<u8>, Got), Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let got = vault.get_stream(entry, file.reopen().unwrap(), work()).await?;
    Ok((std::fs::read(file.path()).unwrap(), got))
}

/// Files of one kind in the demo project's repository.
pub(super) fn files(directory: &Path, kind: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.join("vault/demo").join(kind)];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

pub(super) fn shared(tree: MemoryTree) -> Arc<MemoryTree> {
    Arc::new(tree)
}

pub(super) fn os_path(entry: &Entry) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    entry.path.iter().map(|name| std::ffi::OsStr::from_bytes(name)).collect()
}
