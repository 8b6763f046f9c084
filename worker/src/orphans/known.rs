//! Whether a record knows of something that carries our mark.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use stacksnap_common::heat::By;
use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId, StackId, StepId};
use stacksnap_common::record::{Snapshot, Status};
use stacksnap_common::store::{self, Store};

use super::Error;
use crate::driver::{self, Beside, Records, Standing};

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
    /// The same, of what nothing is ever built on: it is known as long as that operation runs.
    Running { step: StepId },
    /// A trust: it is known as long as a grant names it, or one is being made for the same caller.
    Trust { id: String, trustor: String, project: Option<String> },
}

/// The records, asked about the things that one finder has listed: it is made after the list.
pub(super) struct Known<'a> {
    pub(super) store: &'a Store,
    /// Operations on which something of this type of resources rests, or, without a type, that run; read when it is first
    /// asked for.
    pub(super) rested_on: BTreeMap<Option<&'static str>, BTreeSet<OperationId>>,
}

impl Known<'_> {
    pub(super) async fn know(&mut self, mark: &Mark) -> Result<bool, Error> {
        let (step, kind) = match mark {
            Mark::Step { step, kind } => (step, Some(*kind)),
            Mark::Running { step } => (step, None),
            _ => return is_known(self.store, mark).await,
        };
        if !self.rested_on.contains_key(&kind) {
            self.rested_on.insert(kind, self.store.rested_on(kind).await?);
        }
        Ok(self.rested_on.get(&kind).is_some_and(|all| all.contains(&step.operation)))
    }
}

async fn is_known(store: &Store, mark: &Mark) -> Result<bool, Error> {
    match mark {
        Mark::Entry { project, snapshot, step } => {
            Ok(snapshot_is(store, project, *snapshot).await? || runs(store, project, step.operation).await?)
        }
        Mark::Made { project, snapshot, step } => {
            if runs(store, project, step.operation).await? {
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
        Mark::Step { .. } | Mark::Running { .. } => Ok(false),
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
    Ok(snapshot_of(store, project, snapshot).await?.is_some())
}

async fn snapshot_of(store: &Store, project: &ProjectId, id: SnapshotId) -> Result<Option<Snapshot>, Error> {
    match store.snapshot_by_id(project, id).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(store::Error::NoSnapshot(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A worker may still be at the step that is to leave or remove it.
async fn runs(store: &Store, project: &ProjectId, operation: OperationId) -> Result<bool, Error> {
    match store.find_operation(project, operation).await {
        Ok(operation) => Ok(!operation.state.ended()),
        Err(store::Error::NoOperation(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a whole stack goes just now.
async fn is_deleted(store: &Store, project: &ProjectId, stack: StackId) -> Result<bool, Error> {
    let deleting = match store.find_stack(project, stack).await {
        Ok(stack) => stack.deleting,
        Err(store::Error::NoStack(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match deleting {
        Some(operation) => runs(store, project, operation).await,
        None => Ok(false),
    }
}

/// What a store's records say to drivers.
pub(crate) struct OfStore(pub(crate) Store);

#[async_trait]
impl Records for OfStore {
    async fn beside(&self, project: &ProjectId, step: StepId) -> Result<Vec<Beside>, driver::Error> {
        let found = self.0.beside(project, step).await.map_err(later)?;
        Ok(found
            .into_iter()
            .filter_map(|(step, item)| Some(Beside { step, leaves: item.leaves, resource: item.resource? }))
            .collect())
    }

    async fn has_ended(&self, project: &ProjectId, step: StepId) -> Result<bool, driver::Error> {
        self.0.has_ended(project, step).await.map_err(later)
    }

    async fn standing(
        &self,
        project: &ProjectId,
        snapshot: SnapshotId,
        step: StepId,
    ) -> Result<Standing, driver::Error> {
        self.look(project, snapshot, step).await.map_err(later)
    }
}

fn later(error: impl ToString) -> driver::Error {
    driver::Error::away(error.to_string())
}

impl OfStore {
    async fn look(&self, project: &ProjectId, snapshot: SnapshotId, step: StepId) -> Result<Standing, Error> {
        let store = &self.0;
        if let Some(record) = snapshot_of(store, project, snapshot).await? {
            let goes = record.action == "DELETE" && record.status == Status::InProgress;
            if goes || is_deleted(store, project, record.stack).await? {
                return Ok(Standing::Leaving);
            }
        }
        let mark = Mark::Made { project: project.clone(), snapshot: Some(snapshot), step };
        Ok(if is_known(store, &mark).await? { Standing::Kept } else { Standing::Forgotten })
    }
}
