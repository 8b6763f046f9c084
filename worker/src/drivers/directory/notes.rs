//! What a person should know of a walk: what was left out, what changed under it. Bounded, whatever the tree.
//!
//! Two lists must be whole, because a restore leaves alone what is on them: mount points, and what could not be read.
//! A tree with more than [`MOST`] of those is refused with the advice to exclude them.
//!
//! The notes are also kept in a file of the control directory, written before the vault's entry is: should the worker
//! die between that entry and the record of it, its successor takes over the entry, and with it what is to be known of
//! it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{errors, names};
use crate::driver::Error;

/// The longest list that is kept.
pub(crate) const MOST: usize = 1_000;
/// How many of a kind are named to a person where a few will do.
pub(crate) const SOME: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Notes {
    file: Option<PathBuf>,
    lists: Mutex<Lists>,
    /// The walk is over: from now on every note is written at once.
    ended: AtomicBool,
    /// The first failure: what passes through the vault and comes back as an I/O error keeps its kind here.
    fault: OnceLock<Error>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Lists {
    mounts: Vec<String>,
    unreadable: Vec<String>,
    changed: Some,
    vanished: Some,
    temporary: Some,
}

/// The first few, and how many in all.
#[derive(Debug, Default, Serialize, Deserialize)]
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
    /// Notes that are kept in `file` as well, from [`Notes::ended`] on.
    pub(crate) fn kept_in(file: PathBuf) -> Self {
        Self { file: Option::Some(file), ..Self::default() }
    }

    /// The notes of an earlier run; `None` if it did not get so far.
    pub(crate) fn load(file: &Path) -> Option<Self> {
        let lists: Lists = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        Option::Some(Self { lists: Mutex::new(lists), ..Self::default() })
    }

    /// The walk is over: writes the notes down.
    pub(crate) fn ended(&self) -> Result<(), Error> {
        self.ended.store(true, Ordering::SeqCst);
        self.save(&self.lists())
    }

    fn save(&self, lists: &Lists) -> Result<(), Error> {
        let Option::Some(file) = &self.file else { return Ok(()) };
        let failed = |error: io::Error| errors::control(&error);
        let new = file.with_extension("new");
        let bytes = serde_json::to_vec(lists).map_err(|error| failed(error.into()))?;
        fs::write(&new, bytes).and_then(|()| fs::rename(&new, file)).map_err(failed)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file was not the same from its first byte to its last. Before its last byte is given out, this is on disk.
    pub(crate) fn changed(&self, path: &names::Path) -> Result<(), Error> {
        let mut lists = self.lists();
        lists.changed.add(path);
        if self.ended.load(Ordering::SeqCst) { self.save(&lists) } else { Ok(()) }
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
