//! The catalogue and the vaults, compared: what of the store can be made again from the vaults, and what in the vaults no
//! record points at.
//!
//! Rebuilding reads every project's manifests and hands them to the store, each stack's newest first. Meant for an empty
//! store: what it has is left alone, but a snapshot whose deletion is cut short by it could come back.
//!
//! An orphan is an entry whose snapshot the store does not know, or has deleted, and whose step can't be running: its
//! operation has ended or is not there. Removing them frees nothing at once; a later prune does.

use std::collections::HashMap;

use serde::Serialize;
use stacksnap_common::ids::{ProjectId, SnapshotId};
use stacksnap_common::store::rebuild::{Rebuilt, Sealed};
use stacksnap_common::store::{self, Millis, Store};

use crate::seal::{Manifest, VERSION};
use crate::vault::{self, Entry, EntryId, Vaults};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

/// What a rebuild found of one snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    pub project: ProjectId,
    pub stack: String,
    pub snapshot: SnapshotId,
    /// What was done, in words.
    pub became: String,
    /// It is in the store now.
    pub ok: bool,
}

/// Makes the store's records again from the vaults' manifests. Told of each snapshot; the rest goes on where one can't be
/// read.
pub async fn rebuild(store: &Store, vaults: &Vaults, mut tell: impl FnMut(Found)) -> Result<(), Error> {
    for project in vaults.projects().await? {
        let vault = vaults.existing(&project).await?;
        let stored: HashMap<EntryId, Millis> =
            vault.entries().await?.into_iter().map(|entry| (entry.id, entry.stored_at)).collect();
        let mut sealed = Vec::new();
        for manifest in vault.manifests().await? {
            let snapshot = manifest.label.snapshot;
            match read(&manifest, stored.get(&manifest.entry).copied().unwrap_or_default()) {
                Ok(one) => sealed.push(one),
                Err(why) => {
                    let stack = manifest.label.stack.to_string();
                    tell(Found { project: project.clone(), stack, snapshot, became: why, ok: false });
                }
            }
        }
        sealed.sort_by_key(|one| std::cmp::Reverse(one.snapshot.created_at));
        for one in sealed {
            let (became, ok) = match store.rebuild(&project, &one).await? {
                Rebuilt::Made => ("brought back", true),
                Rebuilt::Known => ("known already", true),
                Rebuilt::NameTaken => ("left alone: another stack has its stack's name", false),
                Rebuilt::Abandoned => ("kept: its stack is abandoned; adopt it to use it", true),
                Rebuilt::StackDeleted => ("left alone: its stack was deleted", false),
            };
            let stack = one.captured.name.to_string();
            tell(Found { project: project.clone(), stack, snapshot: one.snapshot.id, became: became.to_owned(), ok });
        }
    }
    Ok(())
}

fn read(manifest: &vault::Manifest, sealed_at: Millis) -> Result<Sealed, String> {
    let read: Manifest = serde_json::from_slice(&manifest.bytes)
        .map_err(|error| format!("left alone: its manifest can't be read ({error})"))?;
    if read.version > VERSION {
        return Err(format!("left alone: its manifest was written by a newer stacksnap (layout {})", read.version));
    }
    Ok(Sealed { snapshot: read.snapshot, captured: read.captured, artifacts: read.artifacts, sealed_at })
}

/// Something in a vault that no record points at.
#[derive(Debug, Clone, Serialize)]
pub struct Orphan {
    pub project: ProjectId,
    pub entry: EntryId,
    /// The snapshot that it was made for; none if it is none of ours.
    pub snapshot: Option<SnapshotId>,
    pub resource: Option<String>,
    pub stored_at: Millis,
    pub bytes: u64,
    pub removed: bool,
}

/// Finds the orphans of all projects, and removes them if `remove` says so. What stacksnap did not make is never removed
/// and not listed.
pub async fn orphans(store: &Store, vaults: &Vaults, remove: bool) -> Result<Vec<Orphan>, Error> {
    let mut found = Vec::new();
    for project in vaults.projects().await? {
        let vault = vaults.existing(&project).await?;
        // Listed before the records are looked at: what is made meanwhile is not taken for an orphan.
        let entries = vault.entries().await?;
        let mut known: HashMap<SnapshotId, bool> = HashMap::new();
        for entry in entries {
            let Some(label) = &entry.label else { continue };
            let snapshot = label.snapshot;
            let is_known = match known.get(&snapshot) {
                Some(known) => *known,
                None => {
                    let is_known = is_known(store, &project, &entry).await?;
                    known.insert(snapshot, is_known);
                    is_known
                }
            };
            if is_known {
                continue;
            }
            if remove {
                vault.forget(&entry.id).await?;
            }
            found.push(Orphan {
                project: project.clone(),
                snapshot: Some(snapshot),
                resource: label.resource.as_ref().map(ToString::to_string),
                entry: entry.id,
                stored_at: entry.stored_at,
                bytes: entry.bytes,
                removed: remove,
            });
        }
    }
    Ok(found)
}

async fn is_known(store: &Store, project: &ProjectId, entry: &Entry) -> Result<bool, Error> {
    let Some(label) = &entry.label else { return Ok(true) };
    match store.snapshot_by_id(project, label.snapshot).await {
        Ok(_) => return Ok(true),
        Err(store::Error::NoSnapshot(_)) => {}
        Err(error) => return Err(error.into()),
    }
    // The snapshot is gone, but a worker may still be at the step that is to leave or remove this.
    match store.find_operation(project, label.step.operation).await {
        Ok(operation) => Ok(!operation.state.ended()),
        Err(store::Error::NoOperation(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
