//! The restore: makes a directory what it was at the snapshot.
//!
//! 1. The directory is locked (`control`), so that nobody else restores it, a paused former self included.
//! 2. The recorded tree is compared with the one on disk (`compare`), and what is to be done is written into lists in
//!    the control directory (`record`). Anything that stands in the way, and too little room, ends it here, with nothing
//!    touched.
//! 3. `files`: directories are made, files are written under temporary names beside their places; group by group they
//!    are made durable and renamed (`commit`).
//! 4. `links`: hard links.
//! 5. `removals`: what is not in the snapshot goes.
//! 6. `directories`: owners, modes and times of directories, deepest first. One more sync, and the record is removed.
//!
//! Killed at any point, it leaves whole entries only, old or new, and temporary names. The next claim begins at 1 again:
//! it finds most of it as it should be, and what the first one left under temporary names among what is to be removed.
//! A restore that fails keeps its record: it says which paths are done and which are not.

mod access;
mod commit;
mod directories;
mod files;
mod links;
mod metadata;
mod place;
pub(crate) mod record;
mod removals;
mod remove;
pub(crate) mod sink;
pub(crate) mod temporary;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stacksnap_common::ids::StepId;
use stacksnap_common::types::Preview;

use self::record::{List, Record};
use self::temporary::Temporary;
use super::archive::Archive;
use super::compare::{Outcome, Rules, compare};
use super::exclude::Excludes;
use super::policy::{Place, Tree};
use super::properties::Owners;
use super::rights::Rights;
use super::summary::Summary;
use super::{errors, names};
use crate::driver::Error;
use crate::progress::Progress;

/// Bytes that are written before they are put in place: about so much is on disk twice at a time. The last group is
/// flushed when there is nothing left to do meanwhile, so a group is small.
pub(crate) const GROUP_BYTES: u64 = 64 * 1024 * 1024;

/// What a restore is told.
pub(crate) struct Order<'a, A> {
    pub(crate) archive: &'a A,
    pub(crate) place: &'a Place,
    pub(crate) exclude: &'a Excludes,
    /// What the snapshot left out: mount points, what could not be read.
    pub(crate) left_out: &'a HashSet<Vec<Vec<u8>>>,
    pub(crate) owners: Owners,
    pub(crate) rights: &'a Rights,
    pub(crate) step: StepId,
    pub(crate) fence: u64,
    pub(crate) progress: &'a Progress,
    /// Asked before every effect: the lease is held, and nobody cancelled.
    pub(crate) go_on: &'a (dyn Fn() -> Result<(), Error> + Sync),
    /// Where restores of this directory keep their records.
    pub(crate) restores: &'a std::path::Path,
}

/// A restore under way.
struct Restore<'a, A> {
    archive: &'a A,
    tree: &'a Tree,
    access: access::Access<'a>,
    owners: Owners,
    rights: &'a Rights,
    progress: &'a Progress,
    go_on: &'a (dyn Fn() -> Result<(), Error> + Sync),
    stays: &'a (dyn Fn(&names::Path, bool) -> bool + Sync),
    temporary: Temporary,
    number: AtomicU64,
}

impl<A: Archive> Restore<'_, A> {
    fn temporary_name(&self) -> Vec<u8> {
        self.temporary.name(self.number.fetch_add(1, Ordering::Relaxed))
    }

    fn setter(&self) -> metadata::Setter<'_> {
        metadata::Setter { rights: self.rights, owners: self.owners }
    }

    fn remover(&self) -> remove::Remover<'_> {
        remove::Remover { tree: self.tree, stays: self.stays, access: self.access, go_on: self.go_on }
    }

    /// Removes what had to give way at `path` and stands under a temporary name now.
    fn remove_aside(&self, aside: &names::Path, path: &names::Path) -> Result<(), Error> {
        if self.remover().remove(aside, path)? {
            return Ok(());
        }
        Err(Error::permanent(format!(
            "{} has had to give way and holds what must not be removed (excluded, or a mount point); it is {} now, move \
             it away",
            names::show(path),
            names::show(aside)
        )))
    }
}

/// The directory as it is now; none if it would have to be made, which the one above it must be there for.
pub(crate) fn open(place: &Place) -> Result<Option<Tree>, Error> {
    match place.open() {
        Ok(tree) => Ok(Some(tree)),
        Err(Error::Gone(_)) => place.open_above().map(|_| None),
        Err(error) => Err(error),
    }
}

/// Compares without touching anything.
pub(crate) fn plan<A: Archive>(
    order: &Order<'_, A>,
    tree: Option<&Tree>,
    keep: &mut dyn FnMut(&Outcome) -> Result<(), Error>,
) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let rules = Rules { exclude: order.exclude, left_out: order.left_out, owners: order.owners, rights: order.rights };
    compare(order.archive, tree, &rules, order.go_on, &mut |outcome| {
        summary.add(&outcome);
        keep(&outcome)
    })?;
    let room = match tree {
        Some(tree) => summary.check_room(tree.fd()),
        None => summary.check_room(order.place.open_above()?.as_fd()),
    };
    room.map_err(|errno| errors::entry("look at", &[], errno))?;
    Ok(summary)
}

/// Restores. The directory is locked by the caller. Returns what was done.
pub(crate) fn run<A: Archive>(order: &Order<'_, A>) -> Result<Preview, Error> {
    let control = |error: std::io::Error| errors::control(&error);
    let tree = open(order.place)?;
    let mut record = Record::begin(order.restores, order.step).map_err(control)?;
    let summary = plan(order, tree.as_ref(), &mut |outcome| match outcome {
        Outcome::Change(change) => record.add(change).map_err(control),
        Outcome::Finding(_) => Ok(()),
    })?;
    record.close().map_err(control)?;
    let preview = summary.preview();
    if let Some(first) = preview.blockers.first() {
        // Nothing was touched, so there is nothing to keep a record of.
        record.discard().map_err(control)?;
        let more = match preview.blockers.len() {
            1 => String::new(),
            more => format!(" (and {} more reasons; a plan lists them)", more - 1),
        };
        return Err(Error::permanent(format!("the restore was not begun: {first}{more}")));
    }
    (order.go_on)()?;
    let tree = match tree {
        Some(tree) => tree,
        None => order.place.open_or_make()?,
    };
    order.progress.expect(preview.bytes, preview.creates + preview.overwrites);
    let record = Mutex::new(record);
    let stays =
        |path: &names::Path, directory: bool| order.exclude.cover(path, directory) || order.left_out.contains(path);
    let restore = Restore {
        archive: order.archive,
        tree: &tree,
        access: access::Access(order.rights),
        owners: order.owners,
        rights: order.rights,
        progress: order.progress,
        go_on: order.go_on,
        stays: &stays,
        temporary: Temporary::new(order.step, order.fence),
        number: AtomicU64::new(temporary::first_number()),
    };
    if let Err(error) = work(&restore, &record) {
        let mut record = record.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (done, all) = record.counted();
        record.done(List::Changes, 0).map_err(control)?;
        return Err(explain(error, done, all));
    }
    order.place.still(&tree)?;
    record.into_inner().unwrap_or_else(PoisonError::into_inner).finish().map_err(control)?;
    Ok(preview)
}

fn work<A: Archive>(restore: &Restore<'_, A>, record: &Mutex<Record>) -> Result<(), Error> {
    files::run(restore, record)?;
    links::run(restore, record)?;
    removals::run(restore, record)?;
    directories::run(restore)?;
    rustix::fs::syncfs(restore.tree.fd()).map_err(|errno| errors::entry("write", &[], errno))
}

/// Says how far it came: what fails leaves a mix.
fn explain(error: Error, done: u64, all: u64) -> Error {
    let add = |reason: String| format!("{reason} ({done} of {all} entries were restored before)");
    match error {
        Error::Transient { reason, after, away } => Error::Transient { reason: add(reason), after, away },
        Error::Permanent(reason) => Error::Permanent(add(reason)),
        Error::Gone(reason) => Error::Gone(add(reason)),
        other => other,
    }
}

fn locked(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
