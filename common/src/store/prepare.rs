//! Writing down an operation's items, when there are too many for the commit that accepts it, or when they can only be
//! known once it is its turn (what a delete finds).
//!
//! The plan is made from records that don't change while the operation has its stack or snapshot, so making it twice
//! gives the same. Items are written in portions; those that are there already are left alone.

use std::time::Duration;

use super::backend::{At, Precondition};
use super::begin::INLINE;
use super::keys::{self, Timer, count};
use super::{Error, Read, Store, backend, put, require_version};
use crate::ids::{ProjectId, SnapshotId};
use crate::operation::heat;
use crate::operation::plan::{self, Plan};
use crate::operation::{Kind, Operation, State, Stop, Verb, machine};
use crate::types::Resource;

/// How soon a stack-delete looks again whether its snapshots are free, in milliseconds.
const BUSY_LOOK: u64 = 1_000;

impl Store {
    pub(super) async fn prepare(&self, mut op: Read<Operation>) -> Result<bool, Error> {
        let project = op.value.project.clone();
        let id = op.value.id;
        let shard = self.shard(&project);
        if op.value.kind == Kind::StackDelete && self.snapshots_are_busy(&op.value).await? {
            let mut batch = self.batch(shard).await?;
            batch.set_timer(Timer::Advance(project, id).id(), At::In(BUSY_LOOK));
            self.settle(&batch, Duration::from_secs(1)).await?;
            return Ok(false);
        }
        let plan = match self.plan(&op.value).await {
            Ok(plan) => plan,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                // Looking again would find the same: it ends, and says why.
                machine::stop(&mut op.value, Stop::Failed { reason: format!("it can't be planned: {error}") });
                let mut batch = self.batch(shard).await?;
                require_version(&mut batch, keys::operation(&project, id), op.version);
                put(&mut batch, keys::operation(&project, id), &op.value)?;
                self.settle(&batch, Duration::from_secs(1)).await?;
                return Ok(true);
            }
        };
        for portion in plan.items.iter().enumerate().collect::<Vec<_>>().chunks(INLINE) {
            let wanted: Vec<_> = portion.iter().map(|(index, _)| keys::item(&project, id, *index as u32)).collect();
            let there = self.backend.get(shard, &wanted).await?;
            let mut batch = self.batch(shard).await?;
            let mut missing = 0;
            for (((_, item), key), there) in portion.iter().zip(wanted).zip(there) {
                if there.is_none() {
                    batch.require(Precondition::Absent(key.clone()));
                    put(&mut batch, key, item)?;
                    missing += 1;
                }
            }
            if missing > 0 {
                self.settle(&batch, Duration::from_secs(5)).await?;
            }
        }
        let now = self.now().await?;
        let mut batch = self.batch(shard).await?;
        require_version(&mut batch, keys::operation(&project, id), op.version);
        let before = i64::from(op.value.items);
        op.value.items = plan.items.len() as u32;
        batch.count(count::steps(&project), i64::from(op.value.items) - before, None);
        op.value.stages = plan.stages;
        op.value.state = State::Running;
        self.start_first(&mut batch, &mut op.value, now);
        put(&mut batch, keys::operation(&project, id), &op.value)?;
        self.settle(&batch, Duration::from_secs(5)).await?;
        Ok(op.value.stage_started_at.is_none())
    }

    async fn plan(&self, op: &Operation) -> Result<Plan, Error> {
        let project = &op.project;
        match op.kind {
            Kind::SnapshotDelete => {
                let mut found = Vec::new();
                if let Some(snapshot) = op.snapshot {
                    found.push((snapshot, self.made(project, snapshot).await?));
                }
                Ok(plan::delete(&found))
            }
            Kind::StackDelete => {
                let mut found = Vec::new();
                for snapshot in self.all_snapshots_of(project, op.stack).await? {
                    found.push((snapshot.id, self.made(project, snapshot.id).await?));
                }
                let mut plan = plan::delete(&found);
                if self.stack(project, op.stack).await?.value.heat.is_some() {
                    heat::weave(&mut plan, op.kind, true);
                }
                Ok(plan)
            }
            Kind::Suspend | Kind::Resume | Kind::Abandon => Ok(plan::nothing()),
            Kind::Update => Ok(self.plan_update(op, &self.pending(op).await?)),
            Kind::Create | Kind::Adopt | Kind::Check => {
                let stack = self.live_stack(project, op.stack).await?.value;
                Ok(plan::each(&self.kinds, &stack.resources, Verb::Check))
            }
            Kind::Snapshot | Kind::Restore | Kind::Plan | Kind::Verify => {
                let snapshot = op.snapshot.ok_or_else(|| corrupt(op, "names no snapshot"))?;
                let captured = self.captured(project, snapshot).await?;
                if op.kind == Kind::Snapshot {
                    return self.plan_prepared_snapshot(op, snapshot, &captured.resources).await;
                }
                let chosen = self.chosen(project, snapshot, &captured, &op.options.resources).await?;
                let stack = self.stack(project, op.stack).await?.value;
                let wanted = &op.options.resources;
                match op.kind {
                    Kind::Restore => {
                        let inline = match op.safety {
                            Some(safety) => Some(self.inline(project, safety).await?),
                            None => None,
                        };
                        self.plan_restore_of(project, snapshot, &stack, &chosen, wanted, inline.as_ref()).await
                    }
                    kind => self.plan_look(project, snapshot, &stack, &chosen, wanted, kind).await,
                }
            }
        }
    }

    /// Whether something else still works on a snapshot of a stack that is to be deleted. What can be cancelled is.
    /// Nothing new begins meanwhile: requests see the delete.
    async fn snapshots_are_busy(&self, op: &Operation) -> Result<bool, Error> {
        let mut any = false;
        for snapshot in self.all_snapshots_of(&op.project, op.stack).await? {
            let Some(busy) = snapshot.busy.filter(|busy| *busy != op.id) else { continue };
            match self.cancel(&op.project, busy, "the delete of the stack").await {
                Ok(_) | Err(Error::NotCancellable { ended: false, .. }) => any = true,
                Err(Error::NotCancellable { ended: true, .. } | Error::NoOperation(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(any)
    }

    /// The resources that a snapshot has something of outside, or may have, as their artifacts tell.
    async fn made(&self, project: &ProjectId, snapshot: SnapshotId) -> Result<Vec<Resource>, Error> {
        let captured = self.captured(project, snapshot).await?;
        let made = self.artifacts(project, snapshot).await?;
        let made: std::collections::BTreeSet<_> =
            made.iter().filter(|artifact| !artifact.made_by().is_empty()).map(|artifact| &artifact.resource).collect();
        Ok(captured.resources.into_iter().filter(|resource| made.contains(&resource.name)).collect())
    }
}

fn corrupt(op: &Operation, what: &str) -> Error {
    backend::Error::Corrupt(format!("operation {} {what}", op.id)).into()
}
