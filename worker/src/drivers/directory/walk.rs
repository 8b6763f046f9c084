//! The walk: every entry of a tree, depth first, parents before children, siblings sorted by their bytes.
//!
//! It looks and does not judge: what is excluded, on another mount, not to be read, or gone between its listing and a
//! look at it comes as a [`Found`] of its own, in its place in the order, and who walks says what that means. A copy
//! names it in the artifact; a restore leaves it alone.
//!
//! Nothing recurses and only the names of the directories on the way down are in memory, so neither a deep nor a wide
//! tree needs much.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Statx};
use rustix::io::Errno;

use super::beneath::{self, Cursor, Names};
use super::exclude::Excludes;
use super::inspect;
use super::policy::Tree;
use super::restore::temporary;
use crate::vault::tree::Entry;

/// What the walk met at a path.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// An entry of the tree. A directory could be listed, and its content comes next.
    Entry(Box<Statx>),
    /// Left out by a pattern, with all that is in it.
    Excluded,
    /// Another file system or a bind mount begins here.
    Mount,
    /// It may not be listed, or not be looked at.
    Unreadable(Errno),
    /// It was there a moment ago.
    Vanished,
    /// A temporary name of a restore, which was not finished.
    Temporary,
}

/// How often one entry is looked at that turns into something else meanwhile.
const TRIES: usize = 8;

#[derive(Debug)]
pub(crate) struct Walk<'t> {
    cursor: Cursor<OwnedFd>,
    mount: u64,
    exclude: &'t Excludes,
    /// The names still to come, of each directory on the way down.
    levels: Vec<Names>,
    /// The directory that the last of `levels` lists.
    at: Vec<Vec<u8>>,
    started: bool,
}

impl<'t> Walk<'t> {
    pub(crate) fn new(tree: &Tree, exclude: &'t Excludes) -> rustix::io::Result<Self> {
        Ok(Self {
            cursor: Cursor::new(tree.again()?),
            mount: tree.mount,
            exclude,
            levels: Vec::new(),
            at: Vec::new(),
            started: false,
        })
    }

    /// The next in order; `None` at the end. An error is one of the file system (`EIO`), and ends the walk.
    pub(crate) fn step(&mut self) -> rustix::io::Result<Option<Found>> {
        if !self.started {
            self.started = true;
            let root = self.cursor.root();
            let stat = beneath::stat_open(root)?;
            self.levels.push(Names::read(root)?);
            return Ok(Some(Found { path: Vec::new(), what: What::Entry(Box::new(stat)) }));
        }
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(name) = level.take() else {
                self.levels.pop();
                self.at.pop();
                continue;
            };
            let path = super::names::child(&self.at, name);
            let what = self.look(&path)?;
            return Ok(Some(Found { path, what }));
        }
    }

    /// Leaves out what is in the directory that the last step gave.
    pub(crate) fn skip_content(&mut self, found: &Found) {
        if !found.path.is_empty() && self.at == found.path {
            self.levels.pop();
            self.at.pop();
        }
    }

    /// The directory which holds the entry at `path`, and its name there; for the root, itself and `.`.
    pub(crate) fn holder<'p>(&mut self, path: &'p [Vec<u8>]) -> rustix::io::Result<(BorrowedFd<'_>, &'p [u8])> {
        match path.split_last() {
            Some((name, above)) => Ok((self.cursor.dir(above)?, name)),
            None => Ok((self.cursor.dir(&[])?, b".")),
        }
    }

    /// The whole of an entry: target of a link, extended attributes.
    pub(crate) fn complete(&mut self, path: &[Vec<u8>], stat: &Statx) -> rustix::io::Result<Entry> {
        let (dir, name) = self.holder(path)?;
        let xattrs = if path.is_empty() { inspect::xattrs_open(dir)? } else { inspect::xattrs(dir, name)? };
        let kind = inspect::kind(dir, name, stat)?;
        Ok(Entry { path: path.to_vec(), kind, meta: inspect::meta(stat, xattrs) })
    }

    fn look(&mut self, path: &[Vec<u8>]) -> rustix::io::Result<What> {
        let Some((name, above)) = path.split_last() else { return Ok(What::Vanished) };
        if temporary::is_one(name) {
            return Ok(What::Temporary);
        }
        for _ in 0..TRIES {
            let dir = match self.cursor.dir(above) {
                Ok(dir) => dir,
                Err(errno) => return gone_or(errno),
            };
            let stat = match beneath::stat(dir, name) {
                Ok(stat) => stat,
                Err(Errno::ACCESS) => return Ok(What::Unreadable(Errno::ACCESS)),
                Err(errno) => return gone_or(errno),
            };
            let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
            if self.exclude.cover(path, directory) {
                return Ok(What::Excluded);
            }
            if stat.stx_mnt_id != self.mount {
                return Ok(What::Mount);
            }
            if !directory {
                return Ok(What::Entry(Box::new(stat)));
            }
            match self.cursor.dir(path).and_then(|dir| Names::read(dir).map(|names| (names, beneath::stat_open(dir)))) {
                Ok((names, stat)) => {
                    self.levels.push(names);
                    self.at = path.to_vec();
                    return Ok(What::Entry(Box::new(stat?)));
                }
                Err(Errno::XDEV) => return Ok(What::Mount),
                Err(errno @ (Errno::ACCESS | Errno::PERM)) => return Ok(What::Unreadable(errno)),
                // Something else is in its place now: look again.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(What::Vanished)
    }
}

/// A directory that was moved or replaced under the walk is gone with all in it.
fn gone_or(errno: Errno) -> rustix::io::Result<What> {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::STALE => Ok(What::Vanished),
        errno => Err(errno),
    }
}

/// Opens a regular file that the walk met for reading, and says what it is now; `None` if something else is there.
pub(crate) fn open_file(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Option<(OwnedFd, Statx)>> {
    use rustix::fs::OFlags;
    // Should a FIFO have taken its place, `NONBLOCK` keeps the open from waiting. The access time is left alone where
    // that is allowed.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = match beneath::open_entry(dir, name, flags | OFlags::NOATIME) {
        Err(Errno::PERM) => beneath::open_entry(dir, name, flags),
        other => other,
    };
    let fd = match opened {
        Ok(fd) => fd,
        Err(Errno::LOOP | Errno::NXIO | Errno::XDEV) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let stat = beneath::stat_open(fd.as_fd())?;
    let regular = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
    Ok(regular.then_some((fd, stat)))
}
