//! The file system below one directory, reached by file descriptors only.
//!
//! Nothing here takes a path from the system's root. Directories are opened with `openat2`, beneath the tree's own
//! root, and the kernel refuses every symlink, every way out and every mount point on the way: what somebody plants in
//! the tree while it is being worked on leads nowhere. Calls on single entries take the descriptor of their directory
//! and one name, and never follow a link.
//!
//! Paths may be longer than `PATH_MAX` and deeper than there are descriptors: [`Cursor`] keeps the descriptors of the
//! last few levels and opens the others again, in pieces of less than `PATH_MAX`.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, openat2, statx};
use rustix::io::{Errno, Result};

use super::names::Path;

/// Within a tree: no way out, no links, no other mount.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// How many levels a [`Cursor`] keeps open.
const HELD: usize = 32;

/// The longest path that one call takes, with room to its end.
const PIECE: usize = 4000;

/// How often a call is tried again that a rename elsewhere made uncertain (`EAGAIN`, see openat2(2)).
const AGAIN: usize = 64;

/// Opens with `openat2`, once more when a rename elsewhere got in between.
pub(crate) fn open_with(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if tries < AGAIN => tries += 1,
            other => return other,
        }
    }
}

/// Opens one entry of a directory, not through a link and not on another mount.
pub(crate) fn open_entry(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
    open_with(dir, name, flags | OFlags::NOFOLLOW, INSIDE)
}

/// Opens the directory at `path` below `dir`, which may be deeper than `PATH_MAX` allows for one call.
pub(crate) fn open_dir(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    open_dir_with(dir, path, INSIDE)
}

/// As [`open_dir`], with rules of one's own.
pub(crate) fn open_dir_with(dir: BorrowedFd<'_>, path: &Path, resolve: ResolveFlags) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let mut held: Option<OwnedFd> = None;
    let mut piece: Vec<u8> = Vec::new();
    for name in path {
        if !piece.is_empty() {
            if piece.len() + 1 + name.len() > PIECE {
                // Passing through needs no right to list.
                let fd = open_with(held.as_ref().map_or(dir, |fd| fd.as_fd()), &piece, flags | OFlags::PATH, resolve)?;
                held = Some(fd);
                piece.clear();
            } else {
                piece.push(b'/');
            }
        }
        piece.extend_from_slice(name);
    }
    if piece.is_empty() {
        piece.push(b'.');
    }
    open_with(held.as_ref().map_or(dir, |fd| fd.as_fd()), &piece, flags, resolve)
}

/// Everything about one entry that takes one call; of a link, not of what it points to.
pub(crate) fn stat(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Statx> {
    statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// The same of what is open already.
pub(crate) fn stat_open(fd: BorrowedFd<'_>) -> Result<Statx> {
    statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// The names in one directory, sorted by their bytes, in little memory: a million of them fit.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    spans: Vec<(u32, u8)>,
    next: usize,
}

impl Names {
    /// Reads all names but `.` and `..`.
    pub(crate) fn read(dir: BorrowedFd<'_>) -> Result<Self> {
        let mut names = Self::default();
        // A descriptor that was listed before stands at its end.
        rustix::fs::seek(dir, rustix::fs::SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let start = u32::try_from(names.bytes.len()).map_err(|_| Errno::OVERFLOW)?;
            let length = u8::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
            names.bytes.extend_from_slice(name);
            names.spans.push((start, length));
        }
        let Self { bytes, spans, .. } = &mut names;
        spans.sort_unstable_by(|&a, &b| slice(bytes, a).cmp(slice(bytes, b)));
        // A directory that changes while it is read may give a name twice.
        spans.dedup_by(|a, b| slice(bytes, *a) == slice(bytes, *b));
        Ok(names)
    }

    /// The next name in order.
    pub(crate) fn take(&mut self) -> Option<&[u8]> {
        let span = *self.spans.get(self.next)?;
        self.next += 1;
        Some(slice(&self.bytes, span))
    }
}

fn slice(bytes: &[u8], (start, length): (u32, u8)) -> &[u8] {
    &bytes[start as usize..start as usize + length as usize]
}

/// Directories of one tree, one after the other: cheap where the next is near the last, as in a walk.
#[derive(Debug)]
pub(crate) struct Cursor<F> {
    root: F,
    path: Vec<Vec<u8>>,
    /// Open directories on the way to `path`, by their depth, shallow ones first.
    held: VecDeque<(usize, OwnedFd)>,
}

impl<F: AsFd> Cursor<F> {
    pub(crate) fn new(root: F) -> Self {
        Self { root, path: Vec::new(), held: VecDeque::new() }
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The directory at `path`, open for listing. Valid until the next call.
    pub(crate) fn dir(&mut self, path: &Path) -> Result<BorrowedFd<'_>> {
        let common = self.path.iter().zip(path).take_while(|(a, b)| a == b).count();
        while self.held.back().is_some_and(|(depth, _)| *depth > common) {
            self.held.pop_back();
        }
        self.path.truncate(common);
        self.path.extend_from_slice(&path[common..]);
        let nearest = self.held.back().map_or(0, |(depth, _)| *depth);
        if nearest < path.len() {
            let from = self.held.back().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
            let fd = open_dir(from, &path[nearest..]).inspect_err(|_| self.path.truncate(common))?;
            self.held.push_back((path.len(), fd));
            if self.held.len() > HELD {
                self.held.pop_front();
            }
        }
        Ok(match self.held.back() {
            Some((_, fd)) if !path.is_empty() => fd.as_fd(),
            _ => self.root.as_fd(),
        })
    }

    /// Forgets what is held at and below `path`: the directory there was replaced.
    pub(crate) fn forget(&mut self, path: &Path) {
        if self.path.starts_with(path) {
            while self.held.back().is_some_and(|(depth, _)| *depth >= path.len()) {
                self.held.pop_back();
            }
            self.path.truncate(path.len().saturating_sub(1));
        }
    }
}
