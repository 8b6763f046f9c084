//! The proof that a snapshot may be sealed: every blob of its entries is in a pack that is there, and that no prune is
//! about to remove.
//!
//! A put builds on what the index had when it began. A prune that ran meanwhile may have marked such a pack for deletion,
//! because no entry needed it then. It is removed a day and the longest copy later, at the earliest; so the mark can be
//! taken back here: an index file that lists the pack as used outweighs one that marks it, for rustic as for us.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use rustic_core::repofile::IndexFile;
use rustic_core::{FileType, Id};

use super::open::Project;
use super::verify::needs;
use super::{EntryId, Error, Vault, Work};

impl Vault {
    /// Passes if everything that these entries need is there and will stay. [`Error::Damaged`] or [`Error::NotFound`]
    /// say what is not: then they must be copied again. Reads trees, no data.
    pub async fn check_sealed(&self, entries: &[EntryId], work: Work) -> Result<(), Error> {
        let (project, entries) = (Arc::clone(&self.0), entries.to_vec());
        self.run(work, move |work| {
            let packs: HashSet<Id> = project.storage.list(FileType::Pack)?.into_iter().collect();
            let mut marked = BTreeSet::new();
            for entry in &entries {
                work.go_on()?;
                let needs = needs(&project, entry).inspect_err(|error| {
                    // The next snapshot must not fail by the next damaged tree.
                    if matches!(error, Error::Damaged(_))
                        && let Err(error) = project.index().and_then(|index| project.look_at_trees(&index, &work))
                    {
                        tracing::warn!(%error, "the vault's trees can't be looked at now");
                    }
                })?;
                let index = project.index()?;
                for (kind, id) in needs {
                    let missing = |what: &str| Error::Damaged(format!("{entry}: blob {} {what}", hex::encode(id)));
                    let place = match index.find(kind, &id) {
                        Some(place) => place,
                        None => {
                            let place = index.locate(kind, &id).ok_or_else(|| missing("is in no pack"))?;
                            if index.damaged().contains(&place.pack) {
                                return Err(missing(
                                    "is in a pack that has been found damaged; take the snapshot again",
                                ));
                            }
                            marked.insert(place.pack);
                            place
                        }
                    };
                    if !packs.contains(&place.pack) {
                        return Err(missing("is in a pack that is missing"));
                    }
                }
            }
            work.commit()?;
            unmark(&project, &marked)
        })
        .await
    }
}

fn unmark(project: &Project, packs: &BTreeSet<Id>) -> Result<(), Error> {
    if packs.is_empty() {
        return Ok(());
    }
    let mut left = packs.clone();
    let mut file = IndexFile::default();
    for (_, other) in project.index_files()? {
        file.packs.extend(other.packs_to_delete.into_iter().filter(|pack| left.remove(&pack.id.into_inner())));
    }
    if let Some(gone) = left.first() {
        return Err(Error::Damaged(format!("the pack {} has just been removed", gone.to_hex().as_str())));
    }
    let json =
        serde_json::to_vec(&file).map_err(|error| Error::Internal(format!("an index file can't be made: {error}")))?;
    project.write_file(FileType::Index, &json)?;
    tracing::info!(project = %project.id, packs = packs.len(), "took back a prune's mark from packs that are in use");
    Ok(())
}
