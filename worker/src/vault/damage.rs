//! Packs whose bytes are no longer what was written, and what is done about them.
//!
//! Every reader of a blob passes what came of it through [`Project::judged`]. Where that was damage, the pack is looked at
//! as a whole: its name is the SHA-256 of its bytes. Only if it was read to its end twice and neither time had that hash,
//! or is certainly not there in a vault that certainly is, it goes on record ([`super::storage::Storage::record`]). What can't be
//! read now is no damage: a fault of a disk or of the way to it records nothing.
//!
//! The record is beside the index, in the vault, so that all workers see it at the start of their next call
//! ([`Project::index`]) and no kill loses it. It moves and removes nothing. What it does:
//!
//! - No put builds on a pack on record ([`super::index::Index::find`]): its blobs are stored anew when they come again, and
//!   are read from there by every entry that needs them, older ones too.
//! - A put that began before is not committed ([`Project::still_sound`]), and an entry that was is not sealed.
//! - Until then they are read from where they are: what is whole in a damaged pack is whole ([`super::index::Index::locate`]).
//! - A pack from which a blob was read rightly is looked at again, and taken off the record if all of it is right.
//! - A prune removes it when no entry needs anything that is only there, by the same delay as always
//!   ([`super::aside`]).
//!
//! An index file that is damaged is as one that is lost: what it named is indexed again from the packs
//! ([`super::reindex`]).

use std::collections::BTreeSet;
use std::sync::PoisonError;

use rustic_core::{FileType, Id};

use super::blob::hash;
use super::index::{Index, hash_of};
use super::open::Project;
use super::storage::MARKER;
use super::{Error, Work};

/// How often a pack is read before it is said to be damaged.
const READINGS: usize = 2;

impl Project {
    /// Passes on what came of reading from `pack`, and looks at the pack if that says something new of it.
    pub(super) fn judged<T>(&self, index: &Index, pack: &Id, read: Result<T, Error>) -> Result<T, Error> {
        match read {
            Err(Error::Damaged(text)) => {
                self.look_at(index, pack);
                let name = pack.to_hex();
                let named = text.contains(name.as_str());
                Err(Error::Damaged(if named { text } else { format!("{text} (pack {})", name.as_str()) }))
            }
            Ok(read) => {
                if index.damaged().contains(pack) {
                    self.look_at(index, pack);
                }
                Ok(read)
            }
            other => other,
        }
    }

    /// Puts the pack on record if it is damaged, or takes it off if it is not. Once in a call; where it can't be told, or the
    /// record can't be written, the log says so and the record stays as it is.
    pub(super) fn look_at(&self, index: &Index, pack: &Id) {
        // Held while the pack is read: whoever else met the damage goes on when it is on record.
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if !looked_at.insert(*pack) {
            return;
        }
        let known = index.damaged().contains(pack);
        let (project, name) = (&self.id, pack.to_hex());
        let name = name.as_str();
        let done = self.is_damaged(pack).and_then(|damaged| match (damaged, known) {
            (true, false) => {
                self.storage.record(pack)?;
                tracing::error!(%project, pack = name, "a pack of the vault is damaged: nothing new is built on it");
                Ok(())
            }
            (false, true) => {
                self.storage.absolve(pack)?;
                tracing::info!(%project, pack = name, "a pack of the vault that was damaged is as it was stored again");
                Ok(())
            }
            _ => Ok(()),
        });
        if let Err(error) = done {
            tracing::warn!(%project, pack = name, %error, "can't tell now, or can't record, whether a pack is damaged");
        }
    }

    /// Puts an index file on record, by which a prune removes it, if its bytes are certainly not what was written; if
    /// not, that it can't be used is an error.
    pub(super) fn give_up_index_file(&self, id: &Id, error: Error) -> Result<(), Error> {
        let again = self.storage.read_full(FileType::Index, id)?;
        if hash(&again) == hash_of(id) {
            return Err(error);
        }
        self.is_here()?;
        if !self.storage.damaged()?.contains(id) {
            self.storage.record(id)?;
            tracing::error!(
                project = %self.id, file = id.to_hex().as_str(),
                "an index file of the vault is damaged: what it names is looked for when a snapshot is verified"
            );
        }
        Ok(())
    }

    /// Whether the pack is certainly not what was written. An error says that it can't be told now.
    fn is_damaged(&self, pack: &Id) -> Result<bool, Error> {
        for _ in 0..READINGS {
            match self.storage.read_full(FileType::Pack, pack).map_err(Error::from) {
                Ok(bytes) if hash(&bytes) == hash_of(pack) => return Ok(false),
                Ok(_) => {}
                Err(error) => {
                    if !self.storage.lacks(pack)? {
                        return Err(error);
                    }
                }
            }
        }
        self.is_here()?;
        Ok(true)
    }

    /// Passes if the vault, and in it this repository, is certainly what is read from: not an empty mount point, and not
    /// another disk.
    fn is_here(&self) -> Result<(), Error> {
        let config = self.storage.read_full(FileType::Config, &Id::default())?;
        if self.common.place.read(MARKER)?.is_none() || self.key().open(&config).is_none() {
            return Err(Error::Unavailable(format!("{} is not the repository that it was", self.storage.location())));
        }
        Ok(())
    }

    /// Looks at every pack of trees: where one is damaged, what lies behind it was not seen, and a new entry needs all
    /// of its trees. They are a small part of a vault.
    pub(super) fn look_at_trees(&self, index: &Index, work: &Work) -> Result<(), Error> {
        for pack in index.tree_packs() {
            work.go_on()?;
            self.look_at(index, &pack);
        }
        Ok(())
    }

    /// Passes unless something was put on record since `index` was read, on which a put may have built by it.
    pub(super) fn still_sound(&self, index: &Index) -> Result<(), Error> {
        let damaged: BTreeSet<Id> = self.storage.damaged()?;
        match damaged.difference(index.damaged()).next() {
            None => Ok(()),
            Some(pack) => Err(Error::Undermined(format!("the pack {}", pack.to_hex().as_str()))),
        }
    }
}
