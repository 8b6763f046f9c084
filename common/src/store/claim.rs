//! A worker takes a step, keeps it, and says how far it is.
//!
//! A claim is one commit: the item is `Running` by this worker, its fence is one higher, its timer is the lease's end.
//! From then on every write of that worker requires the item's version, so that a worker which lost its lease can write
//! nothing. A renewal moves the timer and writes nothing else, so the version stays.

use std::time::{Duration, Instant};

use super::backend::{At, Batch};
use super::begin::{Rank, event};
use super::keys::{self, Timer};
use super::{Error, Store, backend, decode, put, require_version};
use crate::ids::{SnapshotId, StepId, WorkerId};
use crate::kinds::CutKind;
use crate::operation::{Item, ItemState, Of, Operation, Stage, State, Verb, When};
use crate::queue::{Job, Lane};
use crate::record::{ResourceShown, Shown, Status};
use crate::store::Millis;
use crate::types::{Artifact, Progress, Resource};

/// A step that this worker may run.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub step: StepId,
    pub verb: Verb,
    pub operation: Operation,
    pub item: Item,
    /// The snapshot that this step makes or uses.
    pub snapshot: Option<SnapshotId>,
    /// The artifact to be restored, looked at, verified or discarded, if it was recorded.
    pub artifact: Option<Artifact>,
    /// Of a native type (its whole state is in the stack's record), and of a cloud's: the resource as the stack has it
    /// now, if it has it and the step is one that has to know.
    pub current: Option<Resource>,
    /// When the claim was sent, by this process's clock: the lease counts from here.
    pub sent: Instant,
    pub at: Millis,
    pub(super) version: u64,
}

impl Claimed {
    pub fn fence(&self) -> u64 {
        self.item.fence
    }

    /// The lane of its job.
    pub fn lane(&self) -> Lane {
        self.operation.stages.get(usize::from(self.step.stage)).map_or(Lane::Control, Stage::lane)
    }
}

/// What a renewal learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// Go on until `sent` plus the lease's length.
    GoOn { sent: Instant },
    /// The same, and the operation has stopped: end the step soon if it is one that stops.
    Stop { sent: Instant },
    /// Somebody else has the step.
    Lost,
}

impl Store {
    /// Takes the step that a job points at; `None` if there is nothing to do about it (any more): the job is then done.
    pub async fn claim(&self, job: &Job, worker: &WorkerId) -> Result<Option<Claimed>, Error> {
        let project = &job.project;
        let shard = self.shard(project);
        let StepId { operation, stage, index } = job.step;
        for _ in 0..10 {
            let op_key = keys::operation(project, operation);
            let item_key = keys::item(project, operation, index);
            let [Some((_, op)), Some((_, item))] = self.read_all(shard, [op_key.clone(), item_key.clone()]).await?
            else {
                return Ok(None);
            };
            let op = decode::<Operation>(&op_key, &op)?.value;
            let item = decode::<Item>(&item_key, &item)?;
            if !may_claim(&op, &item.value, stage, index) {
                return Ok(None);
            }
            let Some(plan) = op.stages.get(usize::from(stage)) else { return Ok(None) };
            let (verb, snapshot) = (plan.verb, op.snapshot_of(plan, &item.value));
            if op.stop.is_some() && plan.when == When::Going && !item.value.in_hand(verb, stage) {
                // Nothing more is begun; `advance` writes it down as skipped.
                return Ok(None);
            }
            let artifact = match (verb, snapshot, &item.value.resource) {
                (Verb::Restore | Verb::Preview | Verb::Verify | Verb::Discard, Some(snapshot), Some(resource)) => {
                    self.read(shard, keys::artifact(project, snapshot, &resource.name)).await?.map(|read| read.value)
                }
                _ => None,
            };
            let current = self.current(&op, plan, &item.value).await?;
            let now = self.now().await?;
            let mut item_now = item.value;
            begin_run(&mut item_now, job.step, verb, worker, now);
            let mut batch = self.batch(shard).await?;
            require_version(&mut batch, item_key.clone(), item.version);
            put(&mut batch, item_key, &item_now)?;
            batch.set_timer(Timer::from((project, job.step)).id(), At::In(millis(self.settings.lease)));
            show_begin(&mut batch, &op, &item_now, verb, now)?;
            let sent = Instant::now();
            match self.settle(&batch, self.settings.lease / 2).await {
                Ok(committed) => {
                    return Ok(Some(Claimed {
                        step: job.step,
                        verb,
                        operation: op,
                        item: item_now,
                        snapshot,
                        artifact,
                        current,
                        sent,
                        at: now,
                        version: committed.seq,
                    }));
                }
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// A native resource, or one of a cloud, as it is now, for the steps that compare with it or copy it. A snapshot's
    /// own copy is of what was captured: the stack is held.
    async fn current(&self, op: &Operation, stage: &Stage, item: &Item) -> Result<Option<Resource>, Error> {
        let Some(resource) = &item.resource else { return Ok(None) };
        if !self.kinds.get(&resource.kind).is_some_and(|kind| kind.cut == CutKind::Inline || kind.cloud) {
            return Ok(None);
        }
        match (stage.verb, stage.of) {
            (Verb::Copy, Of::Snapshot) => Ok(Some(resource.clone())),
            (Verb::Preview | Verb::Restore, _) | (Verb::Cut | Verb::Copy, Of::Safety) => {
                let stack = self.stack(&op.project, op.stack).await?.value;
                let is_it = |other: &Resource| other.name == resource.name && other.kind == resource.kind;
                Ok(stack.resources.into_iter().find(is_it))
            }
            _ => Ok(None),
        }
    }

    /// Keeps a step for another lease length, and tells how far it is.
    pub async fn renew(&self, claimed: &Claimed, progress: &Progress) -> Result<Renewed, Error> {
        let project = &claimed.operation.project;
        let shard = self.shard(project);
        let StepId { operation, index, .. } = claimed.step;
        let mut batch = self.batch(shard).await?.disposable();
        require_version(&mut batch, keys::item(project, operation, index), claimed.version);
        put(&mut batch, keys::progress(project, operation, index), progress)?;
        batch.set_timer(Timer::from((project, claimed.step)).id(), At::In(millis(self.settings.lease)));
        let sent = Instant::now();
        match self.settle(&batch, Duration::ZERO).await {
            Ok(_) => {}
            Err(backend::Error::Conflict(_)) => return Ok(Renewed::Lost),
            Err(error) => return Err(error.into()),
        }
        let op = self.operation(project, operation).await?.value;
        Ok(if op.stop.is_some() { Renewed::Stop { sent } } else { Renewed::GoOn { sent } })
    }
}

/// Whether a job's step is to be run: its stage is the operation's, or it is a held copy that was begun before its
/// stage and lost its worker.
fn may_claim(op: &Operation, item: &Item, stage: u16, index: u32) -> bool {
    let in_turn = op.stage == stage
        && item.waits_for(stage)
        && op.stages.get(usize::from(stage)).is_some_and(|s| s.contains(index));
    let held_before = stage > op.stage && item.stage == stage && item.state == ItemState::Ready;
    op.state == State::Running && (in_turn || held_before)
}

/// Notes on the item that a run of a step begins.
pub(super) fn begin_run(item: &mut Item, step: StepId, verb: Verb, worker: &WorkerId, now: Millis) {
    if item.stage != step.stage {
        item.attempts = 0;
        item.away_since = None;
        item.last_error = None;
        item.checkpoint = serde_json::Value::Null;
    }
    item.stage = step.stage;
    item.state = ItemState::Running { worker: worker.clone(), since: now };
    item.fence += 1;
    item.note = None;
    item.unplaced_since = None;
    if verb == Verb::Cut {
        // What an earlier round cut is void.
        item.cut = serde_json::Value::Null;
        item.cut_at = None;
        item.cut_lost = false;
    }
    item.started_at.get_or_insert(now);
    if matches!(verb, Verb::Cut | Verb::Copy | Verb::Seal) && !item.tried.contains(&step) {
        item.tried.push(step);
    }
}

/// The resource shows that its operation works on it, from its first step on.
fn show_begin(batch: &mut Batch, op: &Operation, item: &Item, verb: Verb, now: Millis) -> Result<(), Error> {
    // What leaves shows what Heat says of it.
    let Some(resource) = item.resource.as_ref().filter(|_| !item.leaves) else { return Ok(()) };
    let Some(action) = op.action_for(&resource.name) else { return Ok(()) };
    if item.started_at != Some(now) || !matches!(verb, Verb::Check | Verb::Cut | Verb::Copy | Verb::Preview) {
        return Ok(());
    }
    let shown = Shown::new(action, Status::InProgress, "state changed");
    show_resource(batch, op, resource, shown, Rank::ResourceStarts, now)
}

pub(super) fn show_resource(
    batch: &mut Batch,
    op: &Operation,
    resource: &Resource,
    shown: Shown,
    rank: Rank,
    now: Millis,
) -> Result<(), Error> {
    let event = event(now, rank, Some(resource), shown.clone());
    put(batch, keys::event(&op.project, op.stack, event.id), &event)?;
    let key = keys::resource(&op.project, op.stack, &resource.name);
    put(batch, key, &ResourceShown { shown, created_at: now, updated_at: Some(now) })
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
