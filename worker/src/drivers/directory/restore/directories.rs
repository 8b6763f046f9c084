//! Owners, modes, attributes and times of directories: last, because every change in a directory changes its time, and
//! deepest first, because a directory may end up closed to us.
//!
//! The archive gives parents before children. A directory is set when the walk leaves it, so all that is in memory are
//! the directories on the way down.

use std::os::fd::AsFd;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Restore;
use crate::driver::Error;
use crate::drivers::directory::archive::Archive;
use crate::drivers::directory::beneath::{self, Cursor};
use crate::drivers::directory::{errors, names};
use crate::vault::tree::{Entry, Kind};

/// Sets every directory of the snapshot that is not left out of this restore.
pub(crate) fn run<A: Archive>(restore: &Restore<'_, A>) -> Result<(), Error> {
    let mut cursor = Cursor::new(restore.tree.fd());
    let mut open: Vec<Entry> = Vec::new();
    let mut left: Option<Vec<Vec<u8>>> = None;
    for recorded in restore.archive.entries()? {
        let (entry, _) = recorded?;
        while open.last().is_some_and(|above| !entry.path.starts_with(&above.path)) {
            if let Some(directory) = open.pop() {
                set(restore, &mut cursor, &directory)?;
            }
        }
        if entry.kind != Kind::Directory || left.as_ref().is_some_and(|left| entry.path.starts_with(left)) {
            continue;
        }
        if (restore.stays)(&entry.path, true) {
            left = Some(entry.path);
            continue;
        }
        open.push(entry);
    }
    while let Some(directory) = open.pop() {
        set(restore, &mut cursor, &directory)?;
    }
    Ok(())
}

fn set<A: Archive>(
    restore: &Restore<'_, A>,
    cursor: &mut Cursor<std::os::fd::BorrowedFd<'_>>,
    entry: &Entry,
) -> Result<(), Error> {
    (restore.go_on)()?;
    let path = &entry.path;
    let failed = |errno| errors::entry("open", path, errno);
    let setter = restore.setter();
    let result = match path.split_last() {
        None => setter.set(restore.tree.fd(), &entry.meta),
        Some((name, above)) => {
            let dir = cursor.dir(above).map_err(failed)?;
            match beneath::open_entry(dir, name, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(fd) => setter.set(fd.as_fd(), &entry.meta),
                // A mount point was there when the trees were compared, or is now: it is not ours.
                Err(Errno::XDEV) => Ok(()),
                Err(errno) => {
                    return Err(Error::transient(format!(
                        "{}: {}; it changed while the directory was restored",
                        names::show(path),
                        errors::words(errno)
                    )));
                }
            }
        }
    };
    result.map_err(|(doing, errno)| errors::entry(doing, path, errno))
}
