//! Putting finished entries in their places, group by group, on a thread of its own.
//!
//! While one group is being written, the one before is made durable by a single `syncfs` (an fsync for each of a hundred
//! thousand small files would take longer than all the rest) and then renamed, entry by entry, the lease looked at
//! before each. So a power cut leaves under each name the old entry or the whole new one.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;

use rustix::fs::{AtFlags, FileType, OFlags, unlinkat};
use rustix::io::Errno;

use super::Restore;
use super::place::{Before, put};
use super::record::List;
use crate::driver::Error;
use crate::drivers::directory::archive::Archive;
use crate::drivers::directory::beneath::{self, Cursor};
use crate::drivers::directory::{errors, names};
use crate::vault::tree::Entry;

/// One line of the list of changes, ready to be done.
#[derive(Debug)]
pub(crate) enum Ready {
    /// The temporary name, in the directory of the path, takes the path's place.
    Rename { path: Vec<Vec<u8>>, temporary: Vec<u8> },
    /// Only numbers and attributes are to be set.
    Adjust(Box<Entry>),
    /// It needed no more.
    Done,
}

/// Commits groups in the order in which they come, until there are no more or one fails. After a failure, the
/// temporary names of this and all further groups are removed.
pub(crate) fn run<A: Archive>(
    restore: &Restore<'_, A>,
    groups: &std::sync::mpsc::Receiver<Vec<Ready>>,
    record: &Mutex<super::record::Record>,
) -> Result<(), Error> {
    let mut cursor = Cursor::new(restore.tree.fd());
    for mut group in groups {
        let mut done = 0;
        let result = commit(restore, &mut cursor, &group, &mut done);
        let counted = super::locked(record).done(List::Changes, done as u64);
        if let Err(error) = result.and_then(|()| counted.map_err(|error| errors::control(&error))) {
            forget(restore, group.drain(done..));
            for group in groups {
                forget(restore, group);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn commit<A: Archive>(
    restore: &Restore<'_, A>,
    cursor: &mut Cursor<BorrowedFd<'_>>,
    group: &[Ready],
    done: &mut usize,
) -> Result<(), Error> {
    rustix::fs::syncfs(restore.tree.fd()).map_err(|errno| errors::entry("write", &[], errno))?;
    for ready in group {
        (restore.go_on)()?;
        match ready {
            Ready::Rename { path, temporary } => {
                let Some((name, above)) = path.split_last() else { continue };
                let failed = |errno| errors::entry("put in place", path, errno);
                let dir = cursor.dir(above).map_err(failed)?;
                if restore.access.with(dir, || put(dir, temporary, name)).map_err(failed)? == Before::Aside {
                    let aside = names::child(above, temporary);
                    cursor.forget(path);
                    restore.remove_aside(&aside, path)?;
                }
            }
            Ready::Adjust(entry) => adjust(restore, cursor, entry)?,
            Ready::Done => {}
        }
        *done += 1;
    }
    Ok(())
}

/// Sets numbers and attributes of what is there, if it is still what was compared.
fn adjust<A: Archive>(
    restore: &Restore<'_, A>,
    cursor: &mut Cursor<BorrowedFd<'_>>,
    entry: &Entry,
) -> Result<(), Error> {
    let path = &entry.path;
    let Some((name, above)) = path.split_last() else { return Ok(()) };
    let failed = |errno| errors::entry("open", path, errno);
    let dir = cursor.dir(above).map_err(failed)?;
    let fd = restore.access.with(dir, || beneath::open_entry(dir, name, OFlags::PATH)).map_err(failed)?;
    let stat = beneath::stat_open(fd.as_fd()).map_err(failed)?;
    let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
    if directory || stat.stx_nlink > 1 {
        return Err(Error::transient(format!("{} changed while the directory was restored", names::show(path))));
    }
    restore.setter().set(fd.as_fd(), &entry.meta).map_err(|(doing, errno)| errors::entry(doing, path, errno))
}

/// Removes temporary names that will not be used. What can't be removed now, the next restore removes.
pub(crate) fn forget<A: Archive>(restore: &Restore<'_, A>, group: impl IntoIterator<Item = Ready>) {
    let mut cursor = Cursor::new(restore.tree.fd());
    for ready in group {
        if let Ready::Rename { path, temporary } = ready
            && let Some((_, above)) = path.split_last()
            && let Ok(dir) = cursor.dir(above)
            && let Err(errno) = unlinkat(dir, temporary.as_slice(), AtFlags::empty())
            && errno != Errno::NOENT
        {
            tracing::debug!(path = names::show(&path), %errno, "a temporary name of a restore was left");
        }
    }
}
