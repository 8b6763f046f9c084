//! Changing what a stack is.
//!
//! An update checks what it adds and changes by a worker each; until all of them are there the stack stays what it was.
//! What it is to become waits in a record of its own (`pending`), and is put in place by the commit that ends the
//! operation, or thrown away by it. A restore of a whole snapshot ends in the same way, with what the snapshot captured.
//! Resources that a stack will have more than it has are counted to the project when the request is accepted, so that no
//! limit is passed later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::backend::{At, Batch, Precondition};
use super::begin::{Begun, Draft, Gate, Request, show};
use super::keys::{self, Timer, count};
use super::snapshots::hold_stack;
use super::{Error, Read, Store, backend, put, require_version};
use crate::ids::{ProjectId, ResourceName, StackId};
use crate::kinds::CutKind;
use crate::operation::plan::{self, Plan};
use crate::operation::{Kind, Operation, State, Stop, Verb, machine};
use crate::record::{Answer, Captured, Definition, Shown, Stack, Status};
use crate::store::Millis;
use crate::types::{Changes, Resource};

/// What a stack is to become, checked for syntax and types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewUpdate {
    /// [`Stack::revision`] of the stack that this was made from.
    pub base: u64,
    #[serde(flatten)]
    pub definition: Definition,
    pub tags: Vec<String>,
    pub timeout_mins: Option<u64>,
    pub disable_rollback: bool,
}

impl Store {
    /// Changes a stack: UPDATE_IN_PROGRESS until a worker has looked at each resource that is new or not what it was.
    pub async fn update_stack(&self, request: &Request<'_>, stack: StackId, new: &NewUpdate) -> Result<Answer, Error> {
        plan::levels(&new.definition.resources)?;
        self.accept(request, |gate| self.build_update(request, stack, new, gate)).await
    }

    async fn build_update(
        &self,
        request: &Request<'_>,
        stack: StackId,
        new: &NewUpdate,
        gate: Gate,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let (mut batch, Read { value: mut stack, version }, now) = self.free_stack(project, stack).await?;
        let state = match stack.shown.action.as_str() {
            "SUSPEND" => "suspended",
            "DELETE" => "deleting",
            _ if stack.revision != new.base => return Err(Error::Changed(stack.name)),
            _ => "",
        };
        if !state.is_empty() {
            return Err(Error::Unsupported(format!("Updating a stack when it is {state}")));
        }
        let resources = &new.definition.resources;
        let changes = Changes::between(&stack.resources, resources);
        let checked = checked(&changes, resources);
        let grows = resources.len() as i64 - stack.resources.len() as i64;
        let draft = Draft {
            reserved: self.reserve(&mut batch, project, grows),
            changes,
            rolls_back: !new.disable_rollback,
            ..Draft::new(Kind::Update, Some(plan::each(&self.kinds, &checked, Verb::Check)))
        };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        put(&mut batch, keys::pending(project, operation.id), new)?;
        hold_stack(&mut batch, &mut stack, version, &operation, now)?;
        Ok((batch, Begun { operation, stack, snapshot: None, captured: None }))
    }

    /// Stops the update that runs; the stack stays what it was. With `rollback` it then shows ROLLBACK_COMPLETE, else
    /// UPDATE_FAILED. Without, a create can be stopped too.
    pub async fn cancel_update(&self, request: &Request<'_>, stack: StackId, rollback: bool) -> Result<Answer, Error> {
        self.accept(request, |_| self.build_cancel_update(request, stack, rollback)).await
    }

    async fn build_cancel_update(
        &self,
        request: &Request<'_>,
        stack: StackId,
        rollback: bool,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let Read { value: mut stack, version } = self.live_stack(project, stack).await?;
        let running = match stack.busy {
            Some(busy) if stack.deleting.is_none() => Some(self.operation(project, busy).await?),
            _ => None,
        };
        let may = |kind| kind == Kind::Update || (kind == Kind::Create && !rollback);
        let Some(mut running) = running.filter(|op| may(op.value.kind)) else {
            return Err(Error::Unsupported(format!("Cancelling update when stack is {}", stack.shown.word())));
        };
        let now = self.now().await?;
        let mut batch = self.batch(self.shard(project)).await?;
        require_version(&mut batch, keys::stack(project, stack.id), version);
        if machine::stop(&mut running.value, Stop::Cancelled { by: request.caller.clone(), at: now }) {
            running.value.rolls_back = rollback;
            let key = keys::operation(project, running.value.id);
            require_version(&mut batch, key.clone(), running.version);
            put(&mut batch, key, &running.value)?;
            batch.set_timer(Timer::Advance(project.clone(), running.value.id).id(), At::NOW);
            if rollback {
                show(&mut batch, &mut stack, rollback_started(), now)?;
                put(&mut batch, keys::stack(project, stack.id), &stack)?;
            }
        }
        Ok((batch, Begun { operation: running.value, stack, snapshot: None, captured: None }))
    }

    /// Counts to the project what a stack will have more; returns how many that is.
    pub(super) fn reserve(&self, batch: &mut Batch, project: &ProjectId, grows: i64) -> u32 {
        if grows <= 0 {
            return 0;
        }
        let below = self.settings.resources.saturating_sub(grows).saturating_add(1);
        batch.require(Precondition::CounterBelow(count::resources(project), below));
        batch.count(count::resources(project), grows, None);
        grows as u32
    }

    /// What an update that runs will make of its stack.
    pub(super) async fn pending(&self, op: &Operation) -> Result<NewUpdate, Error> {
        match self.read(self.shard(&op.project), keys::pending(&op.project, op.id)).await? {
            Some(pending) => Ok(pending.value),
            None => Err(backend::Error::Corrupt(format!("update {} has nothing to make of its stack", op.id)).into()),
        }
    }

    pub(super) fn plan_update(&self, op: &Operation, pending: &NewUpdate) -> Plan {
        plan::each(&self.kinds, &checked(&op.changes, &pending.definition.resources), Verb::Check)
    }

    /// What an operation that has ended makes of the stack: it is put in place, or it stays what it was.
    pub(super) async fn end_definition(
        &self,
        batch: &mut Batch,
        op: &Operation,
        stack: &mut Stack,
        now: Millis,
    ) -> Result<(), Error> {
        let before = stack.resources.len() as i64;
        let complete = op.state == State::Complete;
        match op.kind {
            Kind::Update => {
                if complete {
                    let new = self.pending(op).await?;
                    stack.tags = new.tags;
                    stack.timeout_mins = new.timeout_mins;
                    stack.disable_rollback = new.disable_rollback;
                    stack.define(new.definition, now);
                }
                batch.delete(keys::pending(&op.project, op.id));
            }
            Kind::Restore => {
                let ids = self.physical_ids(op, stack).await?;
                if let Some(snapshot) = op.snapshot.filter(|_| complete) {
                    let captured = self.captured(&op.project, snapshot).await?;
                    if op.options.resources.is_empty() {
                        stack.define(captured.definition(), now);
                    } else {
                        self.put_back(stack, &captured.resources, &op.options.resources, now);
                    }
                }
                point_at(stack, &ids, now);
            }
            _ => return Ok(()),
        }
        let more = stack.resources.len() as i64 - before - i64::from(op.reserved);
        batch.count(count::resources(&op.project), more, None);
        Ok(())
    }

    /// Under which physical ids a cloud's resources are to be found after a restore, however it ended: as before, unless a
    /// step made one anew.
    async fn physical_ids(&self, op: &Operation, stack: &Stack) -> Result<BTreeMap<ResourceName, String>, Error> {
        let is_cloud = |resource: &&Resource| self.kinds.get(&resource.kind).is_some_and(|kind| kind.cloud);
        let of_cloud = stack.resources.iter().filter(is_cloud);
        let mut ids: BTreeMap<_, _> =
            of_cloud.filter_map(|it| Some((it.name.clone(), it.external_id.clone()?))).collect();
        if !self.kinds.all().any(|kind| kind.cloud) {
            return Ok(ids);
        }
        for item in self.items_where(op, |item| item.result["physical_id"].is_string()).await? {
            if let (Some(resource), Some(id)) = (&item.resource, item.result["physical_id"].as_str()) {
                ids.insert(resource.name.clone(), id.to_owned());
            }
        }
        Ok(ids)
    }

    /// Of chosen resources the native ones are put back here: all of them is in the record. Where the stack has no such
    /// resource any more there is nothing to put it back into.
    fn put_back(&self, stack: &mut Stack, captured: &[Resource], chosen: &[ResourceName], now: Millis) {
        let mut resources = stack.resources.clone();
        for resource in &mut resources {
            let is_inline = self.kinds.get(&resource.kind).is_some_and(|kind| kind.cut == CutKind::Inline);
            let was = captured.iter().find(|was| was.name == resource.name && was.kind == resource.kind);
            if let Some(was) = was.filter(|_| is_inline && chosen.contains(&resource.name)) {
                resource.external_id.clone_from(&was.external_id);
                resource.properties.clone_from(&was.properties);
                resource.data = was.data.clone();
            }
        }
        if resources != stack.resources {
            let definition = Definition { resources, ..Captured::of(stack).definition() };
            stack.define(definition, now);
        }
    }

    /// Shows how an update went that did not get to its end.
    pub(super) fn show_failed_update(
        &self,
        batch: &mut Batch,
        op: &Operation,
        stack: &mut Stack,
        now: Millis,
    ) -> Result<(), Error> {
        let reason = match &op.stop {
            Some(Stop::Cancelled { by, at }) => {
                format!("Stack UPDATE cancelled by {by} at {}", crate::clock::rfc3339(*at))
            }
            _ => op.reason.clone().unwrap_or_default(),
        };
        let failed = Shown::new("UPDATE", Status::Failed, reason);
        if !op.rolls_back {
            return show(batch, stack, failed, now);
        }
        if stack.shown.action != "ROLLBACK" {
            show(batch, stack, failed, now)?;
            show(batch, stack, rollback_started(), Millis(now.0 + 1))?;
        }
        let done = Shown::new("ROLLBACK", Status::Complete, "Stack ROLLBACK completed successfully");
        show(batch, stack, done, Millis(now.0 + 2))
    }
}

/// Makes the stack's resources those with these physical ids.
fn point_at(stack: &mut Stack, ids: &BTreeMap<ResourceName, String>, now: Millis) {
    let mut resources = stack.resources.clone();
    for resource in &mut resources {
        if let Some(id) = ids.get(&resource.name) {
            resource.external_id = Some(id.clone());
        }
    }
    if resources != stack.resources {
        let definition = Definition { resources, ..Captured::of(stack).definition() };
        stack.define(definition, now);
    }
}

fn rollback_started() -> Shown {
    Shown::new("ROLLBACK", Status::InProgress, "Stack ROLLBACK started")
}

/// The resources that a worker is to look at.
fn checked(changes: &Changes, resources: &[Resource]) -> Vec<Resource> {
    let names: std::collections::BTreeSet<_> = changes.added.iter().chain(&changes.changed).collect();
    resources.iter().filter(|resource| names.contains(&resource.name)).cloned().collect()
}
