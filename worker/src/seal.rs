//! Seal and unseal: the snapshot as a whole.
//!
//! The manifest says everything that is needed to show and restore the snapshot without the store: the stack as it was
//! captured, the snapshot's own record, and all artifacts. It is written last, when every artifact is in its place, and
//! removed first. A snapshot is sealed exactly while its manifest is in the vault.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stacksnap_common::operation::Verb;
use stacksnap_common::record::{Captured, Snapshot};
use stacksnap_common::store::{self, Claimed};
use stacksnap_common::types::Artifact;

use crate::Shared;
use crate::driver::{Ctx, Error};
use crate::vault::{EntryId, Label, Work};
use crate::verbs::{Ran, done};

/// The newest layout that this program writes; it reads all older ones.
pub const VERSION: u16 = 1;

/// What a sealed snapshot is, whole. JSON, in the vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u16,
    pub captured: Captured,
    pub snapshot: Snapshot,
    pub artifacts: Vec<Artifact>,
}

pub(crate) async fn run(shared: &Shared, ctx: &Ctx, claimed: &Claimed) -> Result<Ran, Error> {
    let Some(id) = claimed.snapshot else {
        return Err(Error::permanent("the operation names no snapshot"));
    };
    let work = Work { progress: ctx.progress.clone(), cancel: ctx.cancel.clone(), lease: ctx.lease.clone() };
    let vault = ctx.vault.vault(&ctx.project).await?;
    if claimed.verb == Verb::Unseal {
        vault.remove_manifest(id).await?;
        return Ok(done(None, Value::Null));
    }
    let store = &shared.store;
    let captured = store.captured(&ctx.project, id).await.map_err(gone_or_later)?;
    let snapshot = store.snapshot_by_id(&ctx.project, id).await.map_err(gone_or_later)?;
    let artifacts = store.artifacts(&ctx.project, id).await.map_err(gone_or_later)?;
    let mut entries = Vec::new();
    for artifact in artifacts.iter().filter(|artifact| artifact.protected) {
        if let Some(entry) = &artifact.entry {
            entries.push(entry.parse::<EntryId>()?);
        }
    }
    // What is promised is there: each entry's packs exist and none of them is marked to be removed.
    vault.check_sealed(&entries, work.clone()).await?;
    let manifest = Manifest { version: VERSION, captured, snapshot, artifacts };
    let bytes = serde_json::to_vec(&manifest).map_err(|error| Error::permanent(format!("manifest: {error}")))?;
    let label = Label {
        project: ctx.project.clone(),
        stack: ctx.stack,
        snapshot: id,
        resource: None,
        step: ctx.step,
        fence: ctx.lease.fence(),
    };
    vault.put_manifest(&label, bytes, work).await?;
    Ok(done(None, Value::Null))
}

fn gone_or_later(error: store::Error) -> Error {
    if error.is_transient() { Error::away(error.to_string()) } else { Error::permanent(error.to_string()) }
}
