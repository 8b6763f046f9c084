//! The tree as the vault reads it: the walk, with every file opened as it is met.
//!
//! A file is opened before its entry is given to the vault, so that its numbers and its content are of the same file,
//! and a file that is removed a moment later is still copied whole. A few dozen stay open, for the vault asks for the
//! content a little after the entry; those it does not ask for (unchanged since the last snapshot) are closed again.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::errors;
use super::inspect;
use super::names;
use super::notes::Notes;
use super::policy::Tree;
use super::properties::{Properties, Unreadable};
use super::reader::FileReader;
use super::walk::{Found, Walk, What, open_file};
use crate::driver::{Ctx, Error};
use crate::vault::tree::{Entry, Kind, TreeSource};

/// How many files are kept open until the vault asks for their content.
const OPEN: usize = 64;

pub(crate) struct Source {
    tree: Arc<Tree>,
    properties: Arc<Properties>,
    notes: Arc<Notes>,
    ctx: Ctx,
    opened: Mutex<VecDeque<FileReader>>,
}

impl Source {
    pub(crate) fn new(tree: Arc<Tree>, properties: Arc<Properties>, notes: Arc<Notes>, ctx: Ctx) -> Self {
        Self { tree, properties, notes, ctx, opened: Mutex::default() }
    }

    /// The entry that the vault shall have for what the walk met; `None` if it is left out.
    fn entry(&self, walk: &mut Walk<'_>, found: &Found) -> Result<Option<Entry>, Error> {
        let path = &found.path;
        let stat = match &found.what {
            What::Entry(stat) => stat,
            What::Excluded => return Ok(None),
            What::Mount => return self.notes.mount(path).map(|()| None),
            What::Unreadable(errno) => return self.unreadable(path, *errno),
            What::Vanished => {
                self.notes.vanished(path);
                return Ok(None);
            }
            What::Temporary => {
                self.notes.temporary(path);
                return Ok(None);
            }
        };
        let entry = if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile {
            self.file(walk, path)
        } else {
            walk.complete(path, stat).map(Some)
        };
        match entry {
            Ok(Some(entry)) => Ok(Some(entry)),
            Ok(None) | Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL | Errno::LOOP) if !path.is_empty() => {
                self.notes.vanished(path);
                walk.skip_content(found);
                Ok(None)
            }
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                walk.skip_content(found);
                self.unreadable(path, errno)
            }
            Ok(None) => Err(Error::transient("the directory vanished while it was copied")),
            Err(errno) => Err(errors::entry("read", path, errno)),
        }
    }

    /// Opens a file and keeps it for the vault; `None` if it is no file any more.
    fn file(&self, walk: &mut Walk<'_>, path: &names::Path) -> rustix::io::Result<Option<Entry>> {
        let (dir, name) = walk.holder(path)?;
        let Some((fd, stat)) = open_file(dir, name)? else { return Ok(None) };
        let xattrs = inspect::xattrs_open(fd.as_fd())?;
        let entry = Entry { path: path.to_vec(), kind: Kind::File, meta: inspect::meta(&stat, xattrs) };
        let reader = FileReader::new(path.to_vec(), fd, stat, self.notes.clone(), self.ctx.clone());
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push_back(reader);
        if opened.len() > OPEN {
            opened.pop_front();
        }
        Ok(Some(entry))
    }

    fn unreadable(&self, path: &names::Path, errno: Errno) -> Result<Option<Entry>, Error> {
        if self.properties.unreadable == Unreadable::Fail || path.is_empty() {
            return Err(Error::permanent(format!(
                "can't read {}: {}; exclude it, set the property unreadable: skip, or give the worker the right \
                 (CAP_DAC_READ_SEARCH)",
                names::show(path),
                errors::words(errno)
            )));
        }
        self.notes.unreadable(path).map(|()| None)
    }

    /// The file again, when it was not kept: it must still be what its entry said.
    fn reopen(&self, entry: &Entry) -> Result<FileReader, Error> {
        let path = &entry.path;
        let (name, above) = path.split_last().ok_or_else(|| Error::permanent("the directory itself is not a file"))?;
        let failed = |errno| errors::entry("open", path, errno);
        let dir = super::beneath::open_dir(self.tree.fd(), above).map_err(failed)?;
        match open_file(dir.as_fd(), name).map_err(failed)? {
            Some((fd, stat)) if stat.stx_size == entry.meta.size => {
                Ok(FileReader::new(path.clone(), fd, stat, self.notes.clone(), self.ctx.clone()))
            }
            _ => Err(Error::transient(format!("{} changed while the directory was copied", names::show(path)))),
        }
    }
}

impl TreeSource for Source {
    fn entries(&self) -> Box<dyn Iterator<Item = io::Result<Entry>> + Send + '_> {
        let mut walk = Walk::new(&self.tree, &self.properties.exclude);
        let mut ended = false;
        Box::new(std::iter::from_fn(move || {
            while !ended {
                let next = self.ctx.go_on().and_then(|()| {
                    let walk = walk.as_mut().map_err(|errno| errors::entry("list", &[], *errno))?;
                    match walk.step().map_err(|errno| errors::entry("list a directory in", &[], errno))? {
                        Some(found) => self.entry(walk, &found).map(Some),
                        None => self.notes.ended().map(|()| None),
                    }
                });
                match next {
                    Ok(Some(Some(entry))) => return Some(Ok(entry)),
                    Ok(Some(None)) => {}
                    Ok(None) => ended = true,
                    Err(error) => {
                        ended = true;
                        return Some(Err(self.notes.fail(error)));
                    }
                }
            }
            None
        }))
    }

    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send>> {
        let kept = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            let at = opened.iter().position(|reader| reader.path() == entry.path && reader.size() == entry.meta.size);
            at.and_then(|at| opened.remove(at))
        };
        match kept.map_or_else(|| self.reopen(entry), Ok) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(error) => Err(self.notes.fail(error)),
        }
    }
}
