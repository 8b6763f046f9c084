//! Hard links: made when all that they lead to is in its place.

use std::sync::Mutex;

use rustix::fs::{AtFlags, linkat};
use rustix::io::Errno;

use super::place::{Before, put};
use super::record::{List, Record};
use super::{Restore, locked};
use crate::driver::Error;
use crate::drivers::directory::archive::Archive;
use crate::drivers::directory::beneath::Cursor;
use crate::drivers::directory::compare::Action;
use crate::drivers::directory::{errors, names};

/// Works off the list of links.
pub(crate) fn run<A: Archive>(restore: &Restore<'_, A>, record: &Mutex<Record>) -> Result<(), Error> {
    let mut links = locked(record).read(List::Links).map_err(|error| errors::control(&error))?;
    let mut from = Cursor::new(restore.tree.fd());
    let mut to = Cursor::new(restore.tree.fd());
    while let Some(link) = links.next().map_err(|error| errors::control(&error))? {
        let Action::Link(of) = &link.action else { continue };
        let (Some((name, above)), Some((of_name, of_above))) = (link.path.split_last(), of.split_last()) else {
            continue;
        };
        let failed = |errno| errors::entry("make the hard link", &link.path, errno);
        let temporary = restore.temporary_name();
        let source = from.dir(of_above).map_err(failed)?;
        let dir = to.dir(above).map_err(failed)?;
        // Without `AT_SYMLINK_FOLLOW`: a link of a symbolic link is one of the link itself.
        let make = || linkat(source, of_name.as_slice(), dir, temporary.as_slice(), AtFlags::empty());
        restore.access.with(dir, make).map_err(failed)?;
        let placed = (restore.go_on)().and_then(|()| put(dir, &temporary, name).map_err(failed));
        if let Ok(Before::Aside) = placed {
            to.forget(&link.path);
            restore.remove_aside(&names::child(above, &temporary), &link.path)?;
        } else {
            // After a failure, and after a rename of a file onto another name of itself, it is still there.
            match rustix::fs::unlinkat(dir, temporary.as_slice(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => tracing::debug!(%errno, "a temporary link was left"),
            }
            placed?;
        }
        restore.progress.add_files(1);
        locked(record).count(List::Links, 1);
    }
    locked(record).done(List::Links, 0).map_err(|error| errors::control(&error))
}
