//! What the timers' pump (`timers.rs`) asks of the store: which timers are due, and what each of them is about.

use std::collections::BTreeMap;
use std::time::Duration;

use super::backend::{At, Due, Precondition, Shard, TimerId};
use super::keys::{self, Timer};
use super::{Error, Store, backend, decode};
use crate::ids::{OperationId, ProjectId};
use crate::operation::{Item, ItemState, Operation, State};
use crate::queue::{Job, Route};
use crate::store::Millis;

/// How long a timer is out of others' sight while its taker acts on it, in milliseconds.
const HOLD: u64 = 10_000;

/// What is to be done about an item's timer.
#[derive(Debug)]
pub enum Look {
    /// Publish this; the timer is set to look again if nobody claims it.
    Publish(Box<Job>),
    /// Its worker's lease is over.
    Expired(Box<Expired>),
    /// Nothing is to be done.
    Nothing,
}

#[derive(Debug)]
pub struct Expired {
    op: Operation,
    op_version: u64,
    item: Item,
    item_version: u64,
    index: u32,
}

/// A due timer about an item, read with what it is about.
#[derive(Debug)]
pub struct ItemLook {
    pub due: Due,
    /// When to look again.
    again: At,
    pub look: Look,
}

impl Store {
    /// Timers that are due now, at most `limit` of each shard.
    pub async fn due(&self, limit: usize) -> Result<Vec<Due>, Error> {
        Ok(self.backend.due(limit).await?)
    }

    /// Takes a timer: out of sight for a while. `false`: another process has it.
    pub async fn take(&self, due: &Due) -> Result<bool, Error> {
        let takes = [(due.clone(), At::In(HOLD))];
        Ok(!self.take_all(due.shard, &takes).await?.is_empty())
    }

    /// Takes timers of one shard, each to be due again at its time; returns those that were got. All in one commit,
    /// and one by one if another process got any of them.
    async fn take_all(&self, shard: Shard, takes: &[(Due, At)]) -> Result<Vec<TimerId>, Error> {
        let mut got = Vec::new();
        match self.take_together(shard, takes).await {
            Ok(()) => got.extend(takes.iter().map(|(due, _)| due.id.clone())),
            Err(Error::Backend(backend::Error::Conflict(_))) if takes.len() > 1 => {
                for take in takes {
                    match self.take_together(shard, std::slice::from_ref(take)).await {
                        Ok(()) => got.push(take.0.id.clone()),
                        Err(Error::Backend(backend::Error::Conflict(_))) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(Error::Backend(backend::Error::Conflict(_))) => {}
            Err(error) => return Err(error),
        }
        Ok(got)
    }

    async fn take_together(&self, shard: Shard, takes: &[(Due, At)]) -> Result<(), Error> {
        let mut batch = self.batch(shard).await?.disposable();
        for (due, again) in takes {
            batch.require(Precondition::TimerAt(due.id.clone(), due.at));
            batch.set_timer(due.id.clone(), *again);
        }
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// Reads what due item timers of one shard are about, takes those that ask for something, and returns them.
    pub async fn look_at_items(&self, shard: Shard, dues: Vec<Due>) -> Result<Vec<ItemLook>, Error> {
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
                _ => (Look::Nothing, At::NOW),
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
            .filter(|look| matches!(look.look, Look::Publish(_)))
            .map(|look| (look.due.clone(), look.again))
            .collect();
        if !publish.is_empty() {
            let got = self.take_all(shard, &publish).await?;
            looks.retain(|look| !matches!(look.look, Look::Publish(_)) || got.contains(&look.due.id));
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
    pub async fn take_over(&self, expired: Expired) -> Result<bool, Error> {
        let Expired { op, op_version, item, item_version, index } = expired;
        self.expire(&op, op_version, item, item_version, index).await
    }

    /// A job could not be published: look again soon.
    pub async fn publish_later(&self, due: &Due, after: Duration) -> Result<(), Error> {
        let mut batch = self.batch(due.shard).await?.disposable();
        batch.set_timer(due.id.clone(), At::In(super::claim::millis(after)));
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// Removes an answer that is a day old.
    pub async fn forget_answer(&self, project: &ProjectId, digest: &str) -> Result<(), Error> {
        let mut batch = self.batch(self.shard(project)).await?;
        batch.delete(keys::answer(project, digest));
        batch.clear_timer(Timer::Forget(project.clone(), digest.to_owned()).id());
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// Removes the records of an operation that ended long ago.
    pub async fn retire(&self, project: &ProjectId, id: OperationId) -> Result<(), Error> {
        self.remove_all(project, &keys::items(project, id)).await?;
        let mut batch = self.batch(self.shard(project)).await?;
        batch.delete(keys::operation(project, id));
        batch.clear_timer(Timer::Retire(project.clone(), id).id());
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// Notes on an item why it waits.
    pub async fn note_waiting(&self, job: &Job, note: &str) -> Result<(), Error> {
        let shard = self.shard(&job.project);
        let key = keys::item(&job.project, job.step.operation, job.step.index);
        let Some(mut item) = self.read::<Item>(shard, key.clone()).await? else { return Ok(()) };
        if item.value.note.as_deref() == Some(note) || matches!(item.value.state, ItemState::Running { .. }) {
            return Ok(());
        }
        item.value.note = Some(note.to_owned());
        let mut batch = self.batch(shard).await?;
        super::require_version(&mut batch, key.clone(), item.version);
        super::put(&mut batch, key, &item.value)?;
        match self.settle(&batch, Duration::from_secs(1)).await {
            Ok(_) | Err(backend::Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What an item's timer asks for now.
fn look(op: &Operation, op_version: u64, item: Item, item_version: u64, index: u32, now: Millis) -> (Look, At) {
    if op.state != State::Running {
        return (Look::Nothing, At::NOW);
    }
    if matches!(item.state, ItemState::Running { .. }) {
        let expired = Expired { op: op.clone(), op_version, item, item_version, index };
        return (Look::Expired(Box::new(expired)), At::NOW);
    }
    let in_turn = item.waits_for(op.stage) && op.current().is_some_and(|stage| stage.contains(index));
    let held_before = item.stage > op.stage && item.state == ItemState::Ready;
    if !in_turn && !held_before {
        return (Look::Nothing, At::NOW);
    }
    let stage = if held_before { item.stage } else { op.stage };
    let Some(plan) = op.stages.get(usize::from(stage)) else { return (Look::Nothing, At::NOW) };
    let step = crate::ids::StepId { operation: op.id, stage, index };
    let mut job = Job::new(op.project.clone(), step, Route { pool: item.pool.clone(), lane: plan.verb.lane() });
    job.trace.clone_from(&op.trace);
    // 30 s, 1 min, 2 min … 15 min: as long again as it has waited so far.
    let waited = now.0.saturating_sub(op.stage_started_at.unwrap_or(now).0);
    (Look::Publish(Box::new(job)), At::In(waited.clamp(30_000, 900_000)))
}
