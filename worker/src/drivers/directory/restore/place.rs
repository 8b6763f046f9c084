//! Putting a finished entry in the place of another, in one step that nobody sees the middle of.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, RenameFlags, renameat, renameat_with, unlinkat};
use rustix::io::{Errno, Result};

/// What became of what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing was there, or it is gone.
    Gone,
    /// A directory stood against an entry that is none, or the reverse: it has the temporary name now.
    Aside,
}

/// Renames `temporary` to `name` in `dir`.
pub(crate) fn put(dir: BorrowedFd<'_>, temporary: &[u8], name: &[u8]) -> Result<Before> {
    match renameat(dir, temporary, dir, name) {
        Ok(()) => {
            // Two names of one file: rename(2) does nothing then, and leaves both.
            match unlinkat(dir, temporary, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(Before::Gone),
                Err(errno) => Err(errno),
            }
        }
        Err(Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST) => {
            renameat_with(dir, temporary, dir, name, RenameFlags::EXCHANGE)?;
            Ok(Before::Aside)
        }
        Err(errno) => Err(errno),
    }
}
