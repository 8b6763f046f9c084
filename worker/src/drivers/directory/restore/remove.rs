//! Removing what is not in the snapshot, with all that is in it.
//!
//! What is excluded, mounted or was left out of the snapshot stays, and so do the directories on the way to it. Nothing
//! recurses, and no link is followed: a directory is opened as a directory or not at all.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use crate::driver::Error;
use crate::drivers::directory::beneath::{self, Cursor, Names};
use crate::drivers::directory::policy::Tree;
use crate::drivers::directory::restore::access;
use crate::drivers::directory::{errors, names};

pub(crate) struct Remover<'a> {
    pub(crate) tree: &'a Tree,
    /// Whether the entry at this path stays; the second is whether it is a directory.
    pub(crate) stays: &'a dyn Fn(&names::Path, bool) -> bool,
    pub(crate) access: access::Access<'a>,
    pub(crate) go_on: &'a dyn Fn() -> Result<(), Error>,
}

/// A directory that is being emptied.
struct Level {
    names: Names,
    keeps: bool,
}

/// How often a directory is emptied again that somebody fills meanwhile.
const TRIES: u32 = 3;

impl Remover<'_> {
    /// Removes the entry at `path`; `as_if` is the path by which rules about it go. True if nothing is left of it.
    pub(crate) fn remove(&self, path: &names::Path, as_if: &names::Path) -> Result<bool, Error> {
        let mut cursor = Cursor::new(self.tree.fd());
        let mut levels: Vec<Level> = Vec::new();
        let mut at = path.to_vec();
        let mut tries = 0;
        let rule = |at: &names::Path| [as_if, &at[path.len()..]].concat();
        // Down into `at`, or, if it is no directory, off with it.
        let mut gone = self.one(&mut cursor, &at, &rule(&at), &mut levels)?;
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.names.take() {
                at.push(name.to_vec());
                let depth = levels.len();
                gone = self.one(&mut cursor, &at, &rule(&at), &mut levels)?;
                if levels.len() == depth {
                    at.pop();
                    levels.last_mut().into_iter().for_each(|level| level.keeps |= !gone);
                }
                continue;
            }
            let keeps = level.keeps;
            gone = !keeps && self.directory(&mut cursor, &at)?;
            if !keeps && !gone && tries < TRIES {
                tries += 1;
                let dir = cursor.dir(&at).map_err(|errno| errors::entry("list", &at, errno))?;
                level.names = Names::read(dir).map_err(|errno| errors::entry("list", &at, errno))?;
                continue;
            }
            levels.pop();
            if let Some(above) = levels.last_mut() {
                at.pop();
                above.keeps |= !gone;
            }
        }
        Ok(gone)
    }

    /// Removes one entry that is no directory, or adds a level for one that is. True if it is gone.
    fn one(
        &self,
        cursor: &mut Cursor<BorrowedFd<'_>>,
        at: &names::Path,
        rule: &names::Path,
        levels: &mut Vec<Level>,
    ) -> Result<bool, Error> {
        let Some((name, above)) = at.split_last() else { return Ok(false) };
        let failed = |errno| errors::entry("remove", at, errno);
        let dir = cursor.dir(above).map_err(failed)?;
        let stat = match beneath::stat(dir, name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(true),
            Err(errno) => return Err(failed(errno)),
        };
        let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
        if stat.stx_mnt_id != self.tree.mount || (self.stays)(rule, directory) {
            return Ok(false);
        }
        if directory {
            let names = match cursor.dir(at).and_then(Names::read) {
                Err(Errno::ACCESS) => {
                    let dir = cursor.dir(above).map_err(failed)?;
                    self.access.open_up(dir, name).map_err(failed)?;
                    cursor.dir(at).and_then(Names::read)
                }
                other => other,
            };
            let names = names.map_err(failed)?;
            levels.push(Level { names, keeps: false });
            return Ok(false);
        }
        (self.go_on)()?;
        match self.access.with(dir, || rustix::fs::unlinkat(dir, name.as_slice(), AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Removes an emptied directory; false if it is not empty after all.
    fn directory(&self, cursor: &mut Cursor<BorrowedFd<'_>>, at: &names::Path) -> Result<bool, Error> {
        let Some((name, above)) = at.split_last() else { return Ok(false) };
        (self.go_on)()?;
        let dir = cursor.dir(above).map_err(|errno| errors::entry("remove", at, errno))?;
        match self.access.with(dir, || rustix::fs::unlinkat(dir, name.as_slice(), AtFlags::REMOVEDIR)) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(errno) => Err(errors::entry("remove", at, errno)),
        }
    }
}
