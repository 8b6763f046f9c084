//! Putting a finished entry in the place of another, in one step that nobody sees the middle of.

use std::os::fd::BorrowedFd;

use rustix::fs::{RenameFlags, renameat, renameat_with};
use rustix::io::{Errno, Result};

/// What became of what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing was there, or it is gone.
    Gone,
    /// A directory stood against an entry that is none, or the reverse: it has the temporary name now.
    Aside,
}

/// Renames `temporary` to `name` in `dir`. If both are names of one file already, rename(2) does nothing, and both stay.
pub(crate) fn put(dir: BorrowedFd<'_>, temporary: &[u8], name: &[u8]) -> Result<Before> {
    match renameat(dir, temporary, dir, name) {
        Ok(()) => Ok(Before::Gone),
        Err(Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST) => {
            renameat_with(dir, temporary, dir, name, RenameFlags::EXCHANGE)?;
            Ok(Before::Aside)
        }
        Err(errno) => Err(errno),
    }
}
