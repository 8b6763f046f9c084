//! What a person should know of a walk: what was left out, what changed under it. Bounded, whatever the tree.
//!
//! Two lists must be whole, because a restore leaves alone what is on them: mount points, and what could not be read.
//! A tree with more than [`MOST`] of those is refused with the advice to exclude them.

use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::names;
use crate::driver::Error;

/// The longest list that is kept.
pub(crate) const MOST: usize = 1_000;
/// How many of a kind are named to a person where a few will do.
pub(crate) const SOME: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Notes {
    lists: Mutex<Lists>,
    /// The first failure: what passes through the vault and comes back as an I/O error keeps its kind here.
    fault: OnceLock<Error>,
}

#[derive(Debug, Default)]
struct Lists {
    mounts: Vec<String>,
    unreadable: Vec<String>,
    changed: Some,
    vanished: Some,
    temporary: Some,
}

/// The first few, and how many in all.
#[derive(Debug, Default)]
pub(crate) struct Some {
    pub(crate) named: Vec<String>,
    pub(crate) count: u64,
}

impl Some {
    pub(crate) fn add(&mut self, path: &names::Path) {
        if self.named.len() < SOME {
            self.named.push(names::show(path));
        }
        self.count += 1;
    }

    /// One line for each that is named, and one for the rest.
    pub(crate) fn lines(&self, what: &str) -> Vec<String> {
        let mut lines: Vec<String> = self.named.iter().map(|path| format!("{path}: {what}")).collect();
        let more = self.count - self.named.len() as u64;
        if more > 0 {
            lines.push(format!("and {more} more: {what}"));
        }
        lines
    }
}

impl Notes {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self, path: &names::Path) {
        self.lists().changed.add(path);
    }

    pub(crate) fn vanished(&self, path: &names::Path) {
        self.lists().vanished.add(path);
    }

    pub(crate) fn temporary(&self, path: &names::Path) {
        self.lists().temporary.add(path);
    }

    pub(crate) fn mount(&self, path: &names::Path) -> Result<(), Error> {
        let mounts = &mut self.lists().mounts;
        if mounts.len() == MOST {
            return Err(Error::permanent("more than 1,000 mount points lie in the directory; exclude them"));
        }
        mounts.push(names::show(path));
        Ok(())
    }

    pub(crate) fn unreadable(&self, path: &names::Path) -> Result<(), Error> {
        let unreadable = &mut self.lists().unreadable;
        if unreadable.len() == MOST {
            return Err(Error::permanent(
                "more than 1,000 entries can't be read by the worker's user; exclude them, or give it the right \
                 (CAP_DAC_READ_SEARCH)",
            ));
        }
        unreadable.push(names::show(path));
        Ok(())
    }

    /// Mount points, then what could not be read: as text that `names::shown` reads.
    pub(crate) fn left_out(&self) -> (Vec<String>, Vec<String>) {
        let lists = self.lists();
        (lists.mounts.clone(), lists.unreadable.clone())
    }

    /// At most [`MOST`] lines.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let lists = self.lists();
        let unreadable = lists.unreadable.iter();
        let mut lines: Vec<String> =
            unreadable.map(|path| format!("{path}: not in this snapshot, the worker's user may not read it")).collect();
        lines.extend(
            lists.mounts.iter().map(|path| format!("{path}: a mount point; what is mounted there is not copied")),
        );
        lines.extend(lists.changed.lines("changed while it was copied; its content is of no one moment"));
        lines.extend(lists.vanished.lines("vanished while the directory was copied"));
        lines.extend(lists.temporary.lines("left by a restore that was not finished, not copied"));
        if lines.len() > MOST {
            let more = lines.len() - (MOST - 1);
            lines.truncate(MOST - 1);
            lines.push(format!("and {more} more warnings"));
        }
        lines
    }

    /// Keeps the first failure and makes an I/O error of this one, for what can carry no other.
    pub(crate) fn fail(&self, error: Error) -> io::Error {
        let carried = io::Error::other(error.to_string());
        let _ = self.fault.set(error);
        carried
    }

    /// The first failure that was kept.
    pub(crate) fn fault(&self) -> Option<Error> {
        self.fault.get().cloned()
    }
}
