//! What the timers' pump (`timers.rs`) asks of the store: which timers are due, and what each of them is about.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;

use tokio::sync::mpsc;

use super::backend::{At, Due, Precondition, Shard};
use super::keys::{self, Timer};
use super::{Ended, Error, Store, backend, decode};
use crate::ids::{OperationId, ProjectId, StepId};
use crate::operation::{Item, ItemState, Kind, Operation, State};
use crate::queue::{Job, Route};
use crate::record::Worker;
use crate::store::Millis;

/// How long a timer is out of others' sight while its taker acts on it, in milliseconds.
const HOLD: u64 = 10_000;

/// What is to be done about an item's timer.
#[derive(Debug)]
pub enum Look {
    /// Publish this; the timer is set to look again if nobody claims it.
    Publish(Box<Held>),
    /// Its worker's lease is over.
    Expired(Box<Held>),
    /// Nothing is to be done.
    Nothing,
}

/// A step and what is recorded of it, as it was read.
#[derive(Debug, Clone)]
pub struct Held {
    pub(super) op: Operation,
    pub(super) op_version: u64,
    pub(super) item: Item,
    pub(super) item_version: u64,
    pub(super) step: StepId,
}

impl Held {
    pub fn job(&self) -> Option<Job> {
        let stage = self.op.stages.get(usize::from(self.step.stage))?;
        let route = Route { pool: self.item.pool.clone(), lane: stage.lane() };
        let mut job = Job::new(self.op.project.clone(), self.step, route);
        job.trace.clone_from(&self.op.trace);
        Some(job)
    }

    /// Whether a worker can run it: it works in the pool and knows the type.
    pub fn can_run(&self, worker: &Worker) -> bool {
        let knows = |kind: &String| worker.types.iter().any(|known| known == kind);
        !worker.draining
            && worker.pools.contains(&self.item.pool)
            && self.item.resource.as_ref().is_none_or(|resource| knows(&resource.kind))
    }

    /// How long the step has waited, counted from the start of its stage, in milliseconds.
    fn waited(&self, now: Millis) -> u64 {
        now.0.saturating_sub(self.op.stage_started_at.unwrap_or(now).0)
    }
}

/// A due timer about an item, read with what it is about. One that is to be published is taken already.
#[derive(Debug)]
pub struct ItemLook {
    pub due: Due,
    /// When to look again, in milliseconds.
    again: u64,
    pub look: Look,
}

impl Store {
    /// Timers that are due now, at most `limit` of each shard.
    pub async fn due(&self, limit: usize) -> Result<Vec<Due>, Error> {
        Ok(self.backend.due(limit).await?)
    }

    /// Timers that this process sets and that only its own pump is told of, from now on until this is dropped.
    pub fn handed(&self) -> mpsc::UnboundedReceiver<Due> {
        self.handed.take()
    }

    /// Takes a timer: out of others' sight for a while. `None`: another process has it.
    pub async fn take(&self, due: &Due) -> Result<Option<Due>, Error> {
        let takes = [(due.clone(), HOLD)];
        Ok(self.take_all(due.shard, &takes).await?.pop())
    }

    /// Takes timers of one shard, each to be due again after so many milliseconds; returns those that were got, with
    /// their new times.
    ///
    /// All in one commit. If another process got any of them, those that still stand are tried once more together, and
    /// only then one by one: several processes see the same timers all the time.
    async fn take_all(&self, shard: Shard, takes: &[(Due, u64)]) -> Result<Vec<Due>, Error> {
        match self.take_together(shard, takes).await {
            Err(Error::Backend(backend::Error::Conflict(_))) if takes.len() > 1 => {}
            Err(Error::Backend(backend::Error::Conflict(_))) => return Ok(Vec::new()),
            other => return other,
        }
        let stands = try_join_all(takes.iter().map(|(due, _)| self.backend.timer(shard, &due.id))).await?;
        let left: Vec<_> = takes
            .iter()
            .zip(stands)
            .filter(|((due, _), at)| *at == Some(due.at))
            .map(|(take, _)| take.clone())
            .collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        match self.take_together(shard, &left).await {
            Err(Error::Backend(backend::Error::Conflict(_))) => {}
            other => return other,
        }
        let mut got = Vec::new();
        for take in &left {
            match self.take_together(shard, std::slice::from_ref(take)).await {
                Ok(taken) => got.extend(taken),
                Err(Error::Backend(backend::Error::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    async fn take_together(&self, shard: Shard, takes: &[(Due, u64)]) -> Result<Vec<Due>, Error> {
        let mut batch = self.batch(shard).await?.disposable();
        for (due, again) in takes {
            batch.require(Precondition::TimerAt(due.id.clone(), due.at));
            batch.set_timer(due.id.clone(), At::In(*again));
        }
        let at = self.settle(&batch, Duration::from_secs(1)).await?.at;
        Ok(takes.iter().map(|(due, again)| Due { at: Millis(at.0 + again), ..due.clone() }).collect())
    }

    /// Reads what due item timers of one shard are about, takes those that ask for something, and returns them. `ours`:
    /// they were handed to this process, so they are taken already.
    pub async fn look_at_items(&self, shard: Shard, dues: Vec<Due>, ours: bool) -> Result<Vec<ItemLook>, Error> {
        let mut subjects: Vec<(Due, ProjectId, OperationId, u32)> = Vec::new();
        for due in dues {
            if let Some(Timer::Item(project, operation, index)) = Timer::parse(&due.id) {
                subjects.push((due, project, operation, index));
            }
        }
        let ops = self.operations_of(shard, &subjects).await?;
        let item_keys: Vec<_> =
            subjects.iter().map(|(_, project, operation, index)| keys::item(project, *operation, *index)).collect();
        let items = self.backend.get(shard, &item_keys).await?;
        let now = self.now().await?;
        let mut looks = Vec::new();
        let mut clear = self.batch(shard).await?.disposable();
        let mut to_clear = 0;
        for (((due, _, operation, index), key), item) in subjects.into_iter().zip(item_keys).zip(items) {
            let item = item.map(|stored| decode::<Item>(&key, &stored)).transpose()?;
            let (look, again) = match (ops.get(&operation), item) {
                (Some((op, version)), Some(item)) => look(op, *version, item.value, item.version, index, now),
                _ => (Look::Nothing, 0),
            };
            if matches!(look, Look::Nothing) {
                clear.require(Precondition::TimerAt(due.id.clone(), due.at));
                clear.clear_timer(due.id.clone());
                to_clear += 1;
            } else {
                looks.push(ItemLook { due, again, look });
            }
        }
        if to_clear > 0 {
            // If one of them was set anew meanwhile, all are looked at again: nothing is lost.
            match self.settle(&clear, Duration::from_secs(1)).await {
                Ok(_) | Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let publish: Vec<_> = looks
            .iter()
            .filter(|_| !ours)
            .filter(|look| matches!(look.look, Look::Publish(_)))
            .map(|look| (look.due.clone(), look.again))
            .collect();
        if !publish.is_empty() {
            let got: BTreeMap<_, _> =
                self.take_all(shard, &publish).await?.into_iter().map(|due| (due.id.clone(), due)).collect();
            looks.retain_mut(|look| match (&look.look, got.get(&look.due.id)) {
                (Look::Publish(_), Some(taken)) => {
                    look.due = taken.clone();
                    true
                }
                (Look::Publish(_), None) => false,
                _ => true,
            });
        }
        Ok(looks)
    }

    async fn operations_of(
        &self,
        shard: Shard,
        subjects: &[(Due, ProjectId, OperationId, u32)],
    ) -> Result<BTreeMap<OperationId, (Operation, u64)>, Error> {
        let mut keys_of: Vec<_> =
            subjects.iter().map(|(_, project, operation, _)| keys::operation(project, *operation)).collect();
        keys_of.sort();
        keys_of.dedup();
        let mut ops = BTreeMap::new();
        for (key, stored) in keys_of.iter().zip(self.backend.get(shard, &keys_of).await?) {
            if let Some(stored) = stored {
                let read = decode::<Operation>(key, &stored)?;
                ops.insert(read.value.id, (read.value, read.version));
            }
        }
        Ok(ops)
    }

    /// Takes an expired step from its worker. It is published at its next look, which is at once.
    /// `false`: the lease was renewed after all, or another process took it.
    pub async fn take_over(&self, due: &Due, expired: Held) -> Result<bool, Error> {
        let ItemState::Running { worker, .. } = &expired.item.state else { return Ok(false) };
        let reason = format!("worker {worker} went away in the middle of it");
        self.end_for(expired, due, Ended::Retry { reason, after: Some(Duration::ZERO), away: false }).await
    }

    /// No live worker can run a step: notes so, and fails it once it has waited for `placement_timeout`.
    pub async fn unplaced(&self, due: &Due, held: Held) -> Result<(), Error> {
        let now = self.now().await?;
        let since = held.item.unplaced_since.unwrap_or(now);
        let waited = now.0.saturating_sub(since.0);
        let kind = held.item.resource.as_ref().map(|resource| format!(" that knows {}", resource.kind));
        let note = format!("no live worker in pool {}{}", held.item.pool, kind.unwrap_or_default());
        if waited >= super::claim::millis(self.settings.placement_timeout) {
            let reason = format!("{note} for {} s; start one, or raise placement_timeout", waited / 1000);
            self.end_for(held, due, Ended::Failed { reason, gone: false }).await?;
            return Ok(());
        }
        if held.item.note.as_deref() != Some(&note) {
            tracing::warn!(project = %held.op.project, step = %held.step, note, "step waits");
            let key = keys::item(&held.op.project, held.op.id, held.step.index);
            let mut batch = self.batch(due.shard).await?;
            super::require_version(&mut batch, key.clone(), held.item_version);
            super::put(&mut batch, key, &Item { note: Some(note), unplaced_since: Some(since), ..held.item })?;
            match self.settle(&batch, Duration::from_secs(1)).await {
                Ok(_) | Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.look_later(due, Duration::from_secs(3)).await
    }

    /// A live worker can run a step that no worker could: it no longer says so, and its time to wait begins anew.
    pub async fn placed(&self, held: &Held) -> Result<(), Error> {
        if held.item.unplaced_since.is_none() {
            return Ok(());
        }
        let key = keys::item(&held.op.project, held.op.id, held.step.index);
        let mut batch = self.batch(self.shard(&held.op.project)).await?;
        super::require_version(&mut batch, key.clone(), held.item_version);
        super::put(&mut batch, key, &Item { note: None, unplaced_since: None, ..held.item.clone() })?;
        match self.settle(&batch, Duration::from_secs(1)).await {
            Ok(_) | Err(backend::Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing can be done about a timer now: look again after that, unless it was set anew meanwhile (a claim or a
    /// renewal put the lease's end there).
    pub async fn look_later(&self, due: &Due, after: Duration) -> Result<(), Error> {
        let mut batch = self.batch(due.shard).await?.disposable();
        batch.require(Precondition::TimerAt(due.id.clone(), due.at));
        batch.set_timer(due.id.clone(), At::In(super::claim::millis(after)));
        match self.settle(&batch, Duration::from_secs(1)).await {
            Ok(_) | Err(backend::Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an answer that is a day old.
    pub async fn forget_answer(&self, project: &ProjectId, digest: &str) -> Result<(), Error> {
        let mut batch = self.batch(self.shard(project)).await?;
        batch.delete(keys::answer(project, digest));
        batch.clear_timer(Timer::Forget(project.clone(), digest.to_owned()).id());
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// Removes the records of an operation that ended long ago, and with those of its delete a stack's. Of an abandoned
    /// stack that still has snapshots nothing is removed: it is looked at again after as long a time.
    pub async fn retire(&self, project: &ProjectId, id: OperationId) -> Result<(), Error> {
        self.remove_all(project, &keys::items(project, id)).await?;
        let mut batch = self.batch(self.shard(project)).await?;
        match self.find_operation(project, id).await {
            Ok(op) if op.kind == Kind::StackDelete && op.state == State::Complete => {
                self.remove_all(project, &keys::events(project, op.stack)).await?;
                batch.delete(keys::stack(project, op.stack));
            }
            Ok(op) if op.kind == Kind::Abandon && op.state == State::Complete => {
                if !self.retire_abandoned(&mut batch, &op).await? {
                    let mut batch = self.batch(self.shard(project)).await?;
                    let kept = super::claim::millis(self.settings.operations_kept);
                    batch.set_timer(Timer::Retire(project.clone(), id).id(), At::In(kept));
                    self.settle(&batch, Duration::from_secs(1)).await?;
                    return Ok(());
                }
            }
            Ok(_) | Err(Error::NoOperation(_)) => {}
            Err(error) => return Err(error),
        }
        batch.delete(keys::operation(project, id));
        batch.clear_timer(Timer::Retire(project.clone(), id).id());
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }
}

/// What an item's timer asks for now.
fn look(op: &Operation, op_version: u64, item: Item, item_version: u64, index: u32, now: Millis) -> (Look, u64) {
    let held = |item: Item, stage| {
        let step = StepId { operation: op.id, stage, index };
        Box::new(Held { op: op.clone(), op_version, item, item_version, step })
    };
    if op.state != State::Running {
        return (Look::Nothing, 0);
    }
    if matches!(item.state, ItemState::Running { .. }) {
        let stage = item.stage;
        return (Look::Expired(held(item, stage)), 0);
    }
    let in_turn = item.waits_for(op.stage) && op.current().is_some_and(|stage| stage.contains(index));
    let held_before = item.stage > op.stage && item.state == ItemState::Ready;
    if !in_turn && !held_before {
        return (Look::Nothing, 0);
    }
    let stage = if held_before { item.stage } else { op.stage };
    let held = held(item, stage);
    // 30 s, 1 min, 2 min … 15 min: as long again as it has waited so far.
    let again = held.waited(now).clamp(30_000, 900_000);
    (Look::Publish(held), again)
}
