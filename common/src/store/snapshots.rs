//! Requests about snapshots: create, restore, plan, verify, delete.

use std::collections::{BTreeMap, BTreeSet};

use super::backend::{Batch, Precondition};
use super::begin::{Begun, Draft, Gate, Request, show};
use super::keys::{self, count};
use super::{Error, INCOMPLETE, Read, Store, put, require_version};
use crate::ids::{ProjectId, ResourceName, SnapshotId, StackId};
use crate::operation::{Kind, Operation, Options, SCHEMA};
use crate::record::{Answer, Captured, Purpose, Shown, Snapshot, Stack, Status};
use crate::store::Millis;
use crate::types::{Artifact, Changes, Consistency, Resource, ServerMode, VolumeMode};

/// What a caller asks of a snapshot.
#[derive(Debug, Clone, Default)]
pub struct NewSnapshot {
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The level that it must reach.
    pub consistency: Option<Consistency>,
    /// It may protect nothing at all.
    pub allow_unprotected: bool,
    /// What is to be made of volumes; `None`: what the worker's configuration says.
    pub volumes: Option<VolumeMode>,
    /// What is done to servers while they are cut; `None`: as the service is set up.
    pub servers: Option<ServerMode>,
}

/// What a caller asks of a restore.
#[derive(Debug, Clone, Default)]
pub struct NewRestore {
    /// Chosen resources; empty means all.
    pub resources: Vec<ResourceName>,
    /// Take a safety snapshot first; `None`: as the service is set up.
    pub safety: Option<bool>,
}

impl Store {
    pub async fn create_snapshot(
        &self,
        request: &Request<'_>,
        stack: StackId,
        new: &NewSnapshot,
    ) -> Result<Answer, Error> {
        let id = SnapshotId::random();
        self.accept(request, |gate| self.build_snapshot(request, stack, id, new, gate)).await
    }

    async fn build_snapshot(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        new: &NewSnapshot,
        gate: Gate,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let (mut batch, Read { value: mut stack, version }, now) = self.free_stack(project, stack).await?;
        let limit = self.settings.snapshots_per_stack;
        if limit >= 0 {
            batch.require(Precondition::CounterBelow(count::snapshots_of(project, stack.id), limit));
        }
        batch.require(Precondition::CounterBelow(count::snapshots(project), self.settings.snapshots));
        batch.count(count::snapshots_of(project, stack.id), 1, None);
        batch.count(count::snapshots(project), 1, None);

        let captured = Captured::of(&stack);
        let servers = new.servers.unwrap_or(self.settings.servers);
        let plan = self.plan_snapshot(&stack, request.heat.as_ref(), servers);
        let mut snapshot = new_snapshot(&stack, id, Purpose::User, now);
        snapshot.name.clone_from(&new.name);
        snapshot.labels.clone_from(&new.labels);
        for (resource, why) in &plan.unprotected {
            put_unprotected(&mut batch, project, id, resource, why)?;
        }
        if let Some(begin) = &request.heat {
            self.put_captured(&mut batch, &stack, id, &begin.captured, Kind::Snapshot.action(), now)?;
        }
        let options = Options {
            consistency: new.consistency,
            allow_unprotected: new.allow_unprotected,
            volumes: new.volumes,
            servers,
            ..Options::default()
        };
        let draft = Draft { snapshot: Some(id), options, ..Draft::new(Kind::Snapshot, Some(plan)) };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        snapshot.made_by = Some(operation.id);
        put_snapshot(&mut batch, &snapshot, &captured)?;
        hold_stack(&mut batch, &mut stack, version, &operation, now)?;
        Ok((batch, Begun { operation, stack, snapshot: Some(snapshot), captured: Some(captured) }))
    }

    /// Restores a snapshot in place. Restoring it again restores again.
    pub async fn restore_snapshot(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        new: &NewRestore,
    ) -> Result<Answer, Error> {
        let safety = SnapshotId::random();
        self.accept(request, |gate| self.build_restore(request, stack, id, safety, new, gate)).await
    }

    async fn build_restore(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        safety: SnapshotId,
        new: &NewRestore,
        gate: Gate,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let mut snapshot = self.snapshot_of_stack(project, stack, id).await?;
        if snapshot.value.status != Status::Complete || snapshot.value.action != "CREATE" {
            return Err(Error::NotSupported(INCOMPLETE));
        }
        let (mut batch, Read { value: mut stack, version }, now) = self.free_stack(project, stack).await?;
        free_snapshot(&snapshot.value)?;
        let captured = self.captured(project, id).await?;
        let chosen = self.chosen(project, id, &captured, &new.resources).await?;
        let safe = new.safety.unwrap_or(self.settings.safety);
        let inline = request.heat.iter().flat_map(|begin| &begin.captured).map(|artifact| artifact.resource.clone());
        let inline = safe.then(|| inline.collect());
        let plan = self.plan_restore_of(project, id, &stack, &chosen, &new.resources, inline.as_ref()).await?;
        let (changes, grows) = if stack.heat.is_some() {
            // Heat brings the definition back.
            (Changes::default(), 0)
        } else {
            let changes = redefines(&stack, &captured, &new.resources);
            let grows =
                if changes.is_empty() { 0 } else { captured.defined().len() as i64 - stack.resources.len() as i64 };
            (changes, grows)
        };
        let draft = Draft {
            snapshot: Some(id),
            safety: safe.then_some(safety),
            options: Options { resources: new.resources.clone(), safety: safe, ..Options::default() },
            reserved: self.reserve(&mut batch, project, grows),
            changes,
            ..Draft::new(Kind::Restore, Some(plan))
        };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        if safe {
            let mut before = new_snapshot(&stack, safety, Purpose::Safety, now);
            before.name = Some(format!("before restore of {}", snapshot.value.name.as_deref().unwrap_or("a snapshot")));
            before.made_by = Some(operation.id);
            before.resources = chosen.len() as u32;
            match &request.heat {
                // Heat may change all of the stack.
                Some(begin) => {
                    before.resources = stack.resources.len() as u32;
                    self.put_captured(&mut batch, &stack, safety, &begin.captured, None, now)?;
                    put_snapshot(&mut batch, &before, &Captured::of(&stack))?;
                }
                None => {
                    let of_stack = Captured::of(&stack);
                    let defined = Some(of_stack.resources.clone());
                    put_snapshot(&mut batch, &before, &Captured { resources: chosen, defined, ..of_stack })?;
                }
            }
        }
        self.hold_snapshot(&mut batch, &mut snapshot, &operation)?;
        hold_stack(&mut batch, &mut stack, version, &operation, now)?;
        Ok((batch, Begun { operation, stack, snapshot: Some(snapshot.value), captured: Some(captured) }))
    }

    /// What a restore would do, without doing it.
    pub async fn plan_restore(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        resources: &[ResourceName],
    ) -> Result<Answer, Error> {
        self.accept(request, |gate| self.build_look(request, stack, id, resources, Kind::Plan, gate)).await
    }

    /// Reads a snapshot's artifacts back and compares.
    pub async fn verify_snapshot(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        resources: &[ResourceName],
    ) -> Result<Answer, Error> {
        self.accept(request, |gate| self.build_look(request, stack, id, resources, Kind::Verify, gate)).await
    }

    async fn build_look(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        resources: &[ResourceName],
        kind: Kind,
        gate: Gate,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let mut snapshot = self.snapshot_of_stack(project, stack, id).await?;
        if snapshot.value.status != Status::Complete || snapshot.value.action != "CREATE" {
            return Err(Error::NotSupported(match kind {
                Kind::Verify => "Verifying incomplete snapshot is not supported.",
                _ => "Planning the restore of incomplete snapshot is not supported.",
            }));
        }
        let (mut batch, stack) = self.kept_stack(project, stack).await?;
        let captured = self.captured(project, id).await?;
        let chosen = self.chosen(project, id, &captured, resources).await?;
        let now = self.now().await?;
        let draft = Draft {
            snapshot: Some(id),
            options: Options { resources: resources.to_vec(), ..Options::default() },
            changes: if kind == Kind::Plan && stack.heat.is_none() {
                redefines(&stack, &captured, resources)
            } else {
                Changes::default()
            },
            ..Draft::new(kind, Some(self.plan_look(project, id, &stack, &chosen, resources, kind).await?))
        };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        if kind.holds_snapshot() {
            free_snapshot(&snapshot.value)?;
            self.hold_snapshot(&mut batch, &mut snapshot, &operation)?;
        } else {
            require_version(&mut batch, keys::snapshot(project, id), snapshot.version);
        }
        Ok((batch, Begun { operation, stack, snapshot: Some(snapshot.value), captured: Some(captured) }))
    }

    /// Deletes a snapshot and every artifact of it. Deleting it again while it is being deleted is the same delete.
    pub async fn delete_snapshot(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
    ) -> Result<Answer, Error> {
        self.accept(request, |gate| self.build_delete_snapshot(request, stack, id, gate)).await
    }

    async fn build_delete_snapshot(
        &self,
        request: &Request<'_>,
        stack: StackId,
        id: SnapshotId,
        gate: Gate,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let mut snapshot = self.snapshot_of_stack(project, stack, id).await?;
        let (mut batch, stack) = self.kept_stack(project, stack).await?;
        let now = self.now().await?;
        if snapshot.value.action == "DELETE" && snapshot.value.status == Status::InProgress {
            if let Some(busy) = snapshot.value.busy {
                let operation = self.operation(project, busy).await?.value;
                return Ok((batch, Begun { operation, stack, snapshot: Some(snapshot.value), captured: None }));
            }
        } else if snapshot.value.status == Status::InProgress {
            return Err(Error::NotSupported("Deleting in-progress snapshot is not supported."));
        }
        free_snapshot(&snapshot.value)?;
        let draft = Draft { snapshot: Some(id), ..Draft::new(Kind::SnapshotDelete, None) };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        snapshot.value.action = "DELETE".to_owned();
        snapshot.value.status = Status::InProgress;
        snapshot.value.status_reason = Some("Snapshot delete started".to_owned());
        self.hold_snapshot(&mut batch, &mut snapshot, &operation)?;
        Ok((batch, Begun { operation, stack, snapshot: Some(snapshot.value), captured: None }))
    }

    /// A stack on which nothing runs, and a batch that requires that it stays so.
    pub(super) async fn free_stack(
        &self,
        project: &ProjectId,
        stack: StackId,
    ) -> Result<(Batch, Read<Stack>, Millis), Error> {
        let stack = self.live_stack(project, stack).await?;
        if let Some(operation) = stack.value.busy {
            let Stack { name, shown, .. } = stack.value;
            return Err(Error::Busy { stack: name, action: shown.action, operation });
        }
        Ok((self.batch(self.shard(project)).await?, stack, self.now().await?))
    }

    /// A stack that is not being deleted, and a batch that requires that it stays so. An abandoned one is kept: what of
    /// its snapshots expires is deleted like any other.
    async fn kept_stack(&self, project: &ProjectId, stack: StackId) -> Result<(Batch, Stack), Error> {
        let Read { value: stack, version } = match self.stack(project, stack).await? {
            read if read.value.deleted_at.is_none() || read.value.abandoned.is_some() => read,
            _ => return Err(Error::NoStack(stack.to_string())),
        };
        if let Some(operation) = stack.deleting {
            return Err(Error::Busy { stack: stack.name, action: "DELETE".to_owned(), operation });
        }
        let mut batch = self.batch(self.shard(project)).await?;
        require_version(&mut batch, keys::stack(project, stack.id), version);
        Ok((batch, stack))
    }

    fn hold_snapshot(
        &self,
        batch: &mut Batch,
        snapshot: &mut Read<Snapshot>,
        operation: &Operation,
    ) -> Result<(), Error> {
        let key = keys::snapshot(&operation.project, snapshot.value.id);
        snapshot.value.busy = Some(operation.id);
        require_version(batch, key.clone(), snapshot.version);
        put(batch, key, &snapshot.value)
    }

    /// The captured resources that are wanted and have an artifact that protects them.
    pub(super) async fn chosen(
        &self,
        project: &ProjectId,
        snapshot: SnapshotId,
        captured: &Captured,
        wanted: &[ResourceName],
    ) -> Result<Vec<Resource>, Error> {
        let artifacts = self.artifacts(project, snapshot).await?;
        let known: BTreeSet<_> = captured.resources.iter().map(|resource| &resource.name).collect();
        if let Some(missing) = wanted.iter().find(|name| !known.contains(name)) {
            return Err(Error::Invalid(format!("the snapshot has no resource {missing}")));
        }
        let artifact_of: BTreeMap<_, &Artifact> = artifacts.iter().map(|a| (&a.resource, a)).collect();
        let protects = |name: &ResourceName| artifact_of.get(name).is_some_and(|artifact| artifact.protected);
        if let Some(name) = wanted.iter().find(|name| !protects(name)) {
            let why = artifact_of.get(name).and_then(|artifact| artifact.why.clone()).unwrap_or_default();
            return Err(Error::Invalid(format!("resource {name} is not protected by this snapshot: {why}")));
        }
        let want = |resource: &&Resource| wanted.is_empty() || wanted.contains(&resource.name);
        Ok(captured.resources.iter().filter(want).filter(|resource| protects(&resource.name)).cloned().collect())
    }
}

/// What a restore does to the stack's definition: nothing, where resources were chosen.
fn redefines(stack: &Stack, captured: &Captured, chosen: &[ResourceName]) -> Changes {
    if chosen.is_empty() { Changes::between(&stack.resources, captured.defined()) } else { Changes::default() }
}

fn free_snapshot(snapshot: &Snapshot) -> Result<(), Error> {
    match snapshot.busy {
        Some(operation) => Err(Error::SnapshotBusy { snapshot: snapshot.id, operation }),
        None => Ok(()),
    }
}

pub(super) fn new_snapshot(stack: &Stack, id: SnapshotId, purpose: Purpose, now: Millis) -> Snapshot {
    Snapshot {
        schema: SCHEMA,
        id,
        project: stack.project.clone(),
        stack: stack.id,
        stack_name: stack.name.clone(),
        name: None,
        action: "CREATE".to_owned(),
        status: Status::InProgress,
        status_reason: None,
        purpose,
        created_at: now,
        ended_at: None,
        consistency: None,
        skew: None,
        frozen: None,
        expires_at: None,
        locked_until: None,
        labels: BTreeMap::new(),
        last_verified: None,
        verify_failed: None,
        made_by: None,
        busy: None,
        resources: stack.resources.len() as u32,
        protected: 0,
        other: BTreeMap::new(),
    }
}

pub(super) fn put_snapshot(batch: &mut Batch, snapshot: &Snapshot, captured: &Captured) -> Result<(), Error> {
    let project = &snapshot.project;
    put(batch, keys::snapshot(project, snapshot.id), snapshot)?;
    put(batch, keys::snapshot_of(project, snapshot.stack, snapshot.created_at, snapshot.id), &snapshot.id)?;
    put(batch, keys::captured(project, snapshot.id), captured)
}

fn put_unprotected(
    batch: &mut Batch,
    project: &ProjectId,
    snapshot: SnapshotId,
    resource: &Resource,
    why: &str,
) -> Result<(), Error> {
    let nobody = crate::ids::StepId { operation: crate::ids::OperationId(uuid::Uuid::nil()), stage: 0, index: 0 };
    let artifact = Artifact::unprotected(resource, nobody, 0, why);
    put(batch, keys::artifact(project, snapshot, &resource.name), &artifact)
}

/// Takes the stack for an operation and shows it.
pub(super) fn hold_stack(
    batch: &mut Batch,
    stack: &mut Stack,
    version: u64,
    operation: &Operation,
    now: Millis,
) -> Result<(), Error> {
    let action = operation.kind.action().unwrap_or("UPDATE");
    let key = keys::stack(&stack.project, stack.id);
    require_version(batch, key.clone(), version);
    stack.busy = Some(operation.id);
    // Heat bumps this at a snapshot and a restore (contract, 1.5).
    stack.updated_at = Some(now);
    let shown = Shown::new(action, Status::InProgress, format!("Stack {action} started"));
    show(batch, stack, shown, now)?;
    put(batch, key, stack)
}
