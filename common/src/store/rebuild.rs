//! An empty store, made again from what the vaults hold: the stacks that have a sealed snapshot, and those snapshots.
//!
//! A manifest says what a snapshot is; it was written before the snapshot was complete, so what its seal meant is put
//! right here. Operations, events and stacks without a sealed snapshot are gone for good. Each snapshot is a commit of its
//! own and nothing that is there is changed, so that a rebuild that was interrupted is simply run again.

use super::backend::{At, Error as BackendError, Precondition};
use super::keys::{self, Timer, count};
use super::snapshots::put_snapshot;
use super::verdict::complete_reason;
use super::{Error, Store, put};
use crate::ids::{ProjectId, StackId};
use crate::operation::SCHEMA;
use crate::record::{Captured, Purpose, ResourceShown, Shown, Snapshot, Stack, Status};
use crate::store::Millis;
use crate::store::claim::millis;
use crate::types::Artifact;

/// What a manifest says of a snapshot.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub snapshot: Snapshot,
    pub captured: Captured,
    pub artifacts: Vec<Artifact>,
    /// When the manifest was stored.
    pub sealed_at: Millis,
}

/// What became of one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    Made,
    /// The store knows it.
    Known,
    /// Another stack has the name of its stack now; it was left alone.
    NameTaken,
    /// Its stack was abandoned: it is there again when the stack is adopted.
    Abandoned,
    /// Its stack was deleted.
    StackDeleted,
}

impl Store {
    /// Brings back a snapshot's records and, if need be, its stack's. Of several snapshots of a stack the newest is to
    /// come first: the stack is made as that one captured it.
    pub async fn rebuild(&self, project: &ProjectId, sealed: &Sealed) -> Result<Rebuilt, Error> {
        match self.find_stack(project, sealed.captured.stack).await {
            Ok(stack) if stack.abandoned.is_some() => {
                self.rebuild_snapshot(project, sealed).await?;
                return Ok(Rebuilt::Abandoned);
            }
            Ok(stack) if stack.deleted_at.is_some() => return Ok(Rebuilt::StackDeleted),
            Ok(_) => {}
            Err(Error::NoStack(_)) => {
                if !self.rebuild_stack(project, sealed).await? {
                    return Ok(Rebuilt::NameTaken);
                }
            }
            Err(error) => return Err(error),
        }
        self.rebuild_snapshot(project, sealed).await
    }

    /// `false`: the name is taken.
    async fn rebuild_stack(&self, project: &ProjectId, sealed: &Sealed) -> Result<bool, Error> {
        let captured = &sealed.captured;
        let name = keys::stack_name(project, &captured.name);
        if self.read::<StackId>(self.shard(project), name.clone()).await?.is_some() {
            return Ok(false);
        }
        let shown = match sealed.snapshot.purpose {
            Purpose::Safety => captured.shown.clone(),
            _ => Shown::new("SNAPSHOT", Status::Complete, "Stack SNAPSHOT completed successfully"),
        };
        let stack = Stack {
            schema: SCHEMA,
            id: captured.stack,
            project: project.clone(),
            name: captured.name.clone(),
            shown: shown.clone(),
            description: captured.description.clone(),
            template: captured.template.clone(),
            environment: captured.environment.clone(),
            files: captured.files.clone(),
            parameters: captured.parameters.clone(),
            tags: captured.tags.clone(),
            timeout_mins: captured.timeout_mins,
            disable_rollback: true,
            owner: captured.owner.clone(),
            resources: captured.defined().to_vec(),
            created_at: captured.created_at,
            updated_at: Some(sealed.sealed_at),
            deleted_at: None,
            busy: None,
            deleting: None,
            heat: None,
            abandoned: None,
            revision: 0,
            times: Default::default(),
            other: Default::default(),
        };
        let mut batch = self.batch(self.shard(project)).await?;
        batch.require(Precondition::Absent(keys::stack(project, stack.id)));
        batch.require(Precondition::Absent(name.clone()));
        batch.count(count::stacks(project), 1, None);
        batch.count(count::resources(project), stack.resources.len() as i64, None);
        put(&mut batch, name, &stack.id)?;
        for resource in &stack.resources {
            let shown = Shown::new(&shown.action, Status::Complete, "state changed");
            let shown = ResourceShown { shown, created_at: stack.created_at, updated_at: None };
            put(&mut batch, keys::resource(project, stack.id, &resource.name), &shown)?;
        }
        put(&mut batch, keys::stack(project, stack.id), &stack)?;
        self.settle(&batch, super::PATIENCE).await?;
        Ok(true)
    }

    async fn rebuild_snapshot(&self, project: &ProjectId, sealed: &Sealed) -> Result<Rebuilt, Error> {
        let mut snapshot = sealed.snapshot.clone();
        snapshot.action = "CREATE".to_owned();
        snapshot.status = Status::Complete;
        snapshot.status_reason = Some(complete_reason(&snapshot));
        snapshot.ended_at = Some(sealed.sealed_at);
        snapshot.busy = None;
        // The operation is not there any more to be looked up.
        snapshot.made_by = None;
        let mut batch = self.batch(self.shard(project)).await?;
        batch.require(Precondition::Absent(keys::snapshot(project, snapshot.id)));
        if snapshot.purpose == Purpose::Safety {
            // When it would have expired was never sealed: it gets its whole time anew.
            let kept = millis(self.settings.safety_kept);
            snapshot.expires_at = Some(Millis(self.now().await?.0.saturating_add(kept)));
        } else {
            batch.count(count::snapshots_of(project, snapshot.stack), 1, None);
            batch.count(count::snapshots(project), 1, None);
        }
        if let Some(at) = snapshot.expires_at {
            batch.set_timer(Timer::Expire(project.clone(), snapshot.id).id(), At::Time(at));
        }
        put_snapshot(&mut batch, &snapshot, &sealed.captured)?;
        for artifact in &sealed.artifacts {
            put(&mut batch, keys::artifact(project, snapshot.id, &artifact.resource), artifact)?;
        }
        match self.settle(&batch, super::PATIENCE).await {
            Ok(_) => Ok(Rebuilt::Made),
            Err(BackendError::Conflict(_)) => Ok(Rebuilt::Known),
            Err(error) => Err(error.into()),
        }
    }
}
