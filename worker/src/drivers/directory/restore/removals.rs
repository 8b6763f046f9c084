//! Removing what is not in the snapshot, when all that is in it is in its place.

use std::sync::Mutex;

use super::record::{List, Record};
use super::{Restore, locked};
use crate::driver::Error;
use crate::drivers::directory::archive::Archive;
use crate::drivers::directory::compare::Action;
use crate::drivers::directory::errors;

/// Works off the list of removals. What is in a removed directory goes with it and is only counted.
pub(crate) fn run<A: Archive>(restore: &Restore<'_, A>, record: &Mutex<Record>) -> Result<(), Error> {
    let mut removals = locked(record).read(List::Removals).map_err(|error| errors::control(&error))?;
    while let Some(removal) = removals.next().map_err(|error| errors::control(&error))? {
        if removal.action == Action::Remove {
            restore.remover().remove(&removal.path, &removal.path)?;
        }
        locked(record).count(List::Removals, 1);
    }
    locked(record).done(List::Removals, 0).map_err(|error| errors::control(&error))
}
