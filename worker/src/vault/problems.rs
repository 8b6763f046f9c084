//! What a verification has found wrong, and how it is told to a person: first how much is lost, in which packs, and what to
//! do; then one by one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustic_core::Id;

use super::index::Place;
use super::open::Project;
use super::{Error, Work};

/// Problems that are told one by one.
const TOLD: usize = 100;
/// Packs that are named in one line.
const NAMED: usize = 20;

/// Found by any number of threads.
#[derive(Default)]
pub(super) struct Problems(Mutex<Found>);

#[derive(Default)]
struct Found {
    told: Vec<String>,
    more: u64,
    /// Something that was read was not what was written.
    damage: bool,
    /// What could not be read, in bytes of content, and the packs where it should be.
    bytes: u64,
    packs: BTreeSet<Id>,
}

impl Problems {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Damage is a problem of the entry; anything else is one of the looking.
    pub(super) fn add(&self, error: Error) -> Result<(), Error> {
        let mut found = self.found();
        found.damage |= matches!(error, Error::Damaged(_));
        let (Error::Damaged(text) | Error::NotFound(text)) = error else { return Err(error) };
        if found.told.len() < TOLD {
            found.told.push(text);
        } else {
            found.more += 1;
        }
        Ok(())
    }

    /// A data blob that can't be read.
    pub(super) fn lost(&self, place: &Place) {
        let mut found = self.found();
        found.bytes += place.content();
        found.packs.insert(place.pack);
    }

    /// All of them, and what to do first. Nothing if there are none.
    ///
    /// Where there is damage, the trees of the whole repository are looked at: what lies behind one that can't be read was
    /// not seen, and the next snapshot must not build on it.
    pub(super) fn told(self, project: &Project, work: &Work) -> Result<Vec<String>, Error> {
        let Found { mut told, more, damage, bytes, mut packs } =
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        if damage {
            let index = project.index()?;
            project.look_at_trees(&index, work)?;
            let damaged = project.storage.damaged()?;
            packs.extend(
                damaged.iter().copied().filter(|pack| told.iter().any(|it| it.contains(pack.to_hex().as_str()))),
            );
            told.insert(0, advice(bytes, &packs, &damaged));
        }
        Ok(told)
    }
}

fn advice(bytes: u64, packs: &BTreeSet<Id>, damaged: &BTreeSet<Id>) -> String {
    let (sure, unsure): (Vec<&Id>, Vec<&Id>) = packs.iter().partition(|pack| damaged.contains(pack));
    let lost = match bytes {
        0 => "a part of it can't be read".to_owned(),
        bytes => format!("{bytes} bytes of it can't be read"),
    };
    let mut advice = vec![lost];
    if !sure.is_empty() {
        advice.push(format!("damaged in the vault: {}; nothing new is built on them", named(&sure)));
    }
    if !unsure.is_empty() {
        advice.push(format!(
            "not certainly damaged, perhaps not readable now (the log says more): {}; see to the disk and verify again",
            named(&unsure)
        ));
    }
    advice.push(
        "take a new snapshot, then verify this one again: what has not changed since is whole in it then".to_owned(),
    );
    advice.join("; ")
}

fn named(packs: &[&Id]) -> String {
    let mut names: Vec<String> = packs.iter().take(NAMED).map(|pack| pack.to_hex().as_str().to_owned()).collect();
    if packs.len() > NAMED {
        names.push(format!("and {} more", packs.len() - NAMED));
    }
    format!("{} {}", if packs.len() == 1 { "pack" } else { "packs" }, names.join(", "))
}
