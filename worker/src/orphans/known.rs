//! Whether a record knows of something that carries our mark.

use std::collections::{BTreeMap, BTreeSet};

use stacksnap_common::heat::By;
use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId, StepId};
use stacksnap_common::store::{self, Store};

use super::Error;

/// What the mark says, as far as records are found by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// An entry of a vault: it is known as long as its snapshot is.
    Entry { project: ProjectId, snapshot: SnapshotId, step: StepId },
    /// Something that a step made in a cloud: it is known as long as a snapshot is built on what that operation made.
    Made { project: ProjectId, snapshot: Option<SnapshotId>, step: StepId },
    /// Something that a step made and that can say no more of itself than which: it is known as long as that operation
    /// runs, or as a snapshot is built on what it made of a resource of this type. One that a running restore brings back
    /// is built on.
    Step { step: StepId, kind: &'static str },
    /// A trust: it is known as long as a grant names it, or one is being made for the same caller.
    Trust { id: String, trustor: String, project: Option<String> },
}

/// The records, asked about the things that one finder has listed: it is made after the list.
pub(super) struct Records<'a> {
    pub(super) store: &'a Store,
    /// Operations on which something of this type of resources rests; read when it is first asked for.
    pub(super) rested_on: BTreeMap<&'static str, BTreeSet<OperationId>>,
}

impl Records<'_> {
    pub(super) async fn know(&mut self, mark: &Mark) -> Result<bool, Error> {
        if let Mark::Step { step, kind } = mark {
            if !self.rested_on.contains_key(kind) {
                self.rested_on.insert(kind, self.store.rested_on(kind).await?);
            }
            return Ok(self.rested_on.get(kind).is_some_and(|all| all.contains(&step.operation)));
        }
        is_known(self.store, mark).await
    }
}

async fn is_known(store: &Store, mark: &Mark) -> Result<bool, Error> {
    match mark {
        Mark::Entry { project, snapshot, step } => {
            Ok(snapshot_is(store, project, *snapshot).await? || runs(store, project, *step).await?)
        }
        Mark::Made { project, snapshot, step } => {
            if runs(store, project, *step).await? {
                return Ok(true);
            }
            let Some(snapshot) = *snapshot else { return Ok(false) };
            if !snapshot_is(store, project, snapshot).await? {
                return Ok(false);
            }
            // A restore makes things too (another volume, a bridge), under the snapshot that it restores.
            let artifacts = store.artifacts(project, snapshot).await?;
            let made_by = artifacts.iter().flat_map(|artifact| artifact.made_by());
            Ok(made_by.into_iter().any(|made_by| made_by.operation == step.operation))
        }
        // Asked of all projects at once.
        Mark::Step { .. } => Ok(false),
        Mark::Trust { id, trustor, project } => {
            let grants = store.grants().await?;
            Ok(grants.iter().any(|grant| match &grant.by {
                By::Trust { id: Some(named), .. } => named == id,
                // Which one it will be is written down in a moment.
                By::Trust { id: None, trustor: of } => {
                    of == trustor && project.as_deref().is_none_or(|project| project == grant.project.as_str())
                }
                By::Token(_) | By::Operator => false,
            }))
        }
    }
}

async fn snapshot_is(store: &Store, project: &ProjectId, snapshot: SnapshotId) -> Result<bool, Error> {
    match store.snapshot_by_id(project, snapshot).await {
        Ok(_) => Ok(true),
        Err(store::Error::NoSnapshot(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A worker may still be at the step that is to leave or remove it.
async fn runs(store: &Store, project: &ProjectId, step: StepId) -> Result<bool, Error> {
    match store.find_operation(project, step.operation).await {
        Ok(operation) => Ok(!operation.state.ended()),
        Err(store::Error::NoOperation(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
