//! The catalogue and the vaults, compared: what of the store can be made again from the vaults. What in the vaults no
//! record points at is found by `orphans/`.
//!
//! Rebuilding reads every project's manifests and hands them to the store, each stack's newest first. Meant for an empty
//! store: what it has is left alone, but a snapshot whose deletion is cut short by it could come back.

use std::collections::HashMap;

use serde::Serialize;
use stacksnap_common::ids::{ProjectId, SnapshotId};
use stacksnap_common::store::rebuild::{Rebuilt, Sealed};
use stacksnap_common::store::{self, Millis, Store};

use crate::seal::{Manifest, VERSION};
use crate::vault::{self, EntryId, Vaults};

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
