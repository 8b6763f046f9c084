//! A step ends: one commit that records what it left, counts its stage down, and publishes what comes next.
//!
//! Whatever the outcome, the commit requires the item's version as this worker last wrote it. At zero the same commit
//! sets the operation's `advance` timer to now. Else it makes room for one more step of the stage, which this process's own
//! pump publishes (`handed.rs`), or whichever pump sees it first.

use std::time::Duration;

use serde_json::Value;

use super::backend::{At, Batch, Due, Precondition, TimerChange};
use super::begin::Rank;
use super::claim::{Claimed, begin_run, millis, show_resource};
use super::keys::{self, Timer, count};
use super::{Error, Store, backend, handed, put, require_version};
use crate::ids::{StepId, WorkerId};
use crate::operation::{Item, ItemState, Kind, OnFailure, Operation, Stop, Verb, When, machine};
use crate::record::{Shown, Status};
use crate::store::Millis;
use crate::types::Artifact;

/// How a run of a step ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// `artifact` is recorded; `result` is kept with the item.
    Done { artifact: Option<Box<Artifact>>, result: Value },
    /// A cut that any worker can copy from.
    Cut { cut: Value, at: Millis },
    /// A cut that this worker holds: the item's copy is claimed by the same commit, and [`Store::finish`] returns it.
    Held { at: Millis },
    /// Look again after that; not an attempt that failed.
    Later { after: Duration, checkpoint: Value },
    /// Failed, and worth another try: after that if given, else after a growing pause. `away`: what it needs does not answer.
    Retry { reason: String, after: Option<Duration>, away: bool },
    /// Failed for good. `gone`: because the resource is not there or can't be read.
    Failed { reason: String, gone: bool },
    /// Given back unharmed: the worker shuts down.
    HandedBack { checkpoint: Value },
    /// Given up, because the operation has stopped.
    Stopped,
}

impl Ended {
    /// The same step is run again, most likely.
    fn goes_again(&self) -> bool {
        matches!(self, Ended::Later { .. } | Ended::Retry { .. } | Ended::HandedBack { .. })
    }
}

impl Store {
    /// Ends a run. `Ok(Some(_))`: the copy that goes on from a held cut. [`backend::Error::Conflict`] on the item: the
    /// lease was lost; nothing was recorded.
    ///
    /// Goes on trying while the store does not answer, for as long as `patience`.
    pub async fn finish(&self, claimed: &Claimed, ended: Ended, patience: Duration) -> Result<Option<Claimed>, Error> {
        let mut op = claimed.operation.clone();
        let mut op_version = None;
        if ended.goes_again() {
            // Whether there is a next time depends on whether the operation has stopped since the claim.
            let read = self.operation(&op.project, op.id).await?;
            (op, op_version) = (read.value, Some(read.version));
        }
        loop {
            let mut run = Run { store: self, claimed, op: &op, op_version, hands: None };
            let (batch, goes_on) = run.batch(ended.clone()).await?;
            match self.settle(&batch, patience).await {
                Ok(committed) => {
                    run.hand_over(&committed);
                    return Ok(goes_on.map(|next| Claimed { version: committed.seq, ..next }));
                }
                Err(backend::Error::Conflict(Precondition::Version(key, version))) => {
                    let own = keys::item(&op.project, op.id, claimed.step.index);
                    if key == own {
                        return Err(backend::Error::Conflict(Precondition::Version(key, version)).into());
                    }
                    let read = self.operation(&claimed.operation.project, claimed.operation.id).await?;
                    (op, op_version) = (read.value, Some(read.version));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends a step on behalf of a worker that can't: one that went away, or that never came. `false`: it moved
    /// meanwhile.
    ///
    /// The timer must still stand where it was seen: a renewal moves it, and only it.
    pub(super) async fn end_for(&self, look: super::looks::Held, due: &Due, ended: Ended) -> Result<bool, Error> {
        let super::looks::Held { op, op_version, item, item_version, step } = look;
        let Some(plan) = op.stages.get(usize::from(step.stage)) else { return Ok(false) };
        let mut item = item;
        item.stage = step.stage;
        let claimed = Claimed {
            step,
            verb: plan.verb,
            operation: op.clone(),
            snapshot: op.snapshot_of(plan, &item),
            artifact: None,
            current: None,
            sent: std::time::Instant::now(),
            at: self.now().await?,
            version: item_version,
            item,
        };
        let mut run = Run { store: self, claimed: &claimed, op: &op, op_version: Some(op_version), hands: None };
        let (mut batch, _) = run.batch(ended).await?;
        batch.require(Precondition::TimerAt(due.id.clone(), due.at));
        match self.settle(&batch, Duration::from_secs(1)).await {
            Ok(committed) => {
                run.hand_over(&committed);
                Ok(true)
            }
            Err(backend::Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The end of one run, as it is turned into a batch.
struct Run<'a> {
    store: &'a Store,
    claimed: &'a Claimed,
    op: &'a Operation,
    /// Known when the operation was read again; needed only to stop it.
    op_version: Option<u64>,
    /// The step that this process's own pump is told of once the batch is committed.
    hands: Option<Timer>,
}

impl Run<'_> {
    async fn batch(&mut self, ended: Ended) -> Result<(Batch, Option<Claimed>), Error> {
        let store = self.store;
        let now = store.now().await?;
        let mut batch = store.batch(store.shard(&self.op.project)).await?;
        let item_key = self.item_key();
        require_version(&mut batch, item_key.clone(), self.claimed.version);
        let mut item = self.claimed.item.clone();
        item.away_since = match ended {
            Ended::Retry { away: true, .. } => item.away_since.or(Some(now)),
            _ => None,
        };
        let waits = self.claimed.verb.outlasts() && waited(&item, now) < store.settings.outage;
        let goes_on = match ended {
            Ended::Later { after, checkpoint } => {
                if checkpoint != item.checkpoint {
                    item.attempts = 0;
                }
                item.checkpoint = checkpoint;
                self.again(&mut batch, &mut item, after);
                // What waits for somebody else takes no place of those that wait for us.
                if item.made_room != Some(item.stage) {
                    item.made_room = Some(item.stage);
                    self.publish_next(&mut batch, item.stage);
                }
                None
            }
            Ended::HandedBack { checkpoint } => {
                item.checkpoint = checkpoint;
                self.again(&mut batch, &mut item, Duration::ZERO);
                None
            }
            Ended::Retry { reason, after, away: true } if waits => {
                item.last_error = Some(clip(&reason));
                let pause = after.unwrap_or_else(|| back_off_for(waited(&item, now)));
                self.again(&mut batch, &mut item, pause);
                None
            }
            Ended::Retry { reason, after, .. } => {
                item.attempts += 1;
                item.last_error = Some(clip(&reason));
                if item.attempts >= store.settings.attempts {
                    let (tries, waited) = (item.attempts, waited(&item, now).as_secs());
                    let tried = match self.claimed.verb.outlasts() && waited > 0 {
                        true => format!("away for {waited} s, see worker.outage; tried {tries} times"),
                        false => format!("tried {tries} times"),
                    };
                    self.failed(&mut batch, &mut item, format!("{reason} ({tried})"), false, now).await?;
                } else {
                    let pause = after.unwrap_or_else(|| back_off(item.attempts));
                    self.again(&mut batch, &mut item, pause);
                }
                None
            }
            Ended::Failed { reason, gone } => {
                self.failed(&mut batch, &mut item, reason, gone, now).await?;
                None
            }
            Ended::Stopped => {
                self.end(&mut batch, &mut item, ItemState::Skipped, now);
                None
            }
            Ended::Done { artifact, result } => {
                if let Some(artifact) = artifact {
                    self.record(&mut batch, &item, &artifact)?;
                }
                if self.claimed.verb == Verb::Discard {
                    self.forget_artifact(&mut batch, &item);
                }
                item.result = result;
                self.show_end(&mut batch, &item, Status::Complete, "state changed".to_owned(), now)?;
                self.end(&mut batch, &mut item, ItemState::Done, now);
                None
            }
            Ended::Cut { cut, at } => {
                item.cut = cut;
                item.cut_at = Some(at);
                self.end(&mut batch, &mut item, ItemState::Done, now);
                if self.is_held() && self.op.stop.is_none() {
                    // A type that holds its cuts did not hold this one: its stage publishes no copy of it, so it is done
                    // here.
                    item.stage = self.copy_stage()?;
                    item.state = ItemState::Ready;
                    batch.set_timer(self.timer().id(), At::NOW);
                }
                None
            }
            Ended::Held { at } => {
                item.cut_at = Some(at);
                Some(self.hold(&mut batch, &mut item, now)?)
            }
        };
        put(&mut batch, item_key, &item)?;
        Ok((batch, goes_on))
    }

    fn item_key(&self) -> backend::Key {
        keys::item(&self.op.project, self.op.id, self.claimed.step.index)
    }

    fn timer(&self) -> Timer {
        Timer::from((&self.op.project, self.claimed.step))
    }

    fn is_held(&self) -> bool {
        self.op.stages.iter().any(|stage| stage.is_held(self.claimed.step.index))
    }

    fn again(&self, batch: &mut Batch, item: &mut Item, after: Duration) {
        item.state = ItemState::Ready;
        // The session that held the cut ends with this run.
        item.cut_lost |= self.claimed.verb == Verb::Copy && self.is_held();
        batch.set_timer(self.timer().id(), At::In(millis(after)));
        if self.op.stop.is_some() {
            self.advance_now(batch);
        }
    }

    /// Ends the item's stage: counts it down and publishes the next of its chain.
    fn end(&mut self, batch: &mut Batch, item: &mut Item, state: ItemState, now: Millis) {
        item.state = state;
        item.ended_at = Some(now);
        self.count_down(batch, item.stage);
        batch.clear_timer(self.timer().id());
        batch.delete(keys::progress(&self.op.project, self.op.id, self.claimed.step.index));
        if self.op.stop.is_some() || self.is_early(item.stage) {
            // A copy that began before its stage does not bring a counter to zero, and yet may be what is waited for.
            self.advance_now(batch);
        }
        if item.made_room != Some(item.stage) {
            self.publish_next(batch, item.stage);
        }
    }

    /// The step that this one's end makes room for. What is owed or undoes goes on though the operation has stopped.
    fn publish_next(&mut self, batch: &mut Batch, stage: u16) {
        let Some(stage) = self.op.stages.get(usize::from(stage)) else { return };
        if stage.when == When::Going && self.op.stop.is_some() {
            return;
        }
        if let Some(next) = stage.after(self.claimed.step.index, self.op.window) {
            let timer = Timer::Item(self.op.project.clone(), self.op.id, next);
            if self.store.handed.taken() {
                batch.set_timer(timer.id(), At::In(handed::AGAIN));
                self.hands = Some(timer);
            } else {
                batch.set_timer(timer.id(), At::NOW);
            }
        }
    }

    fn hand_over(self, committed: &backend::Committed) {
        if let Some(timer) = self.hands {
            let at = Millis(committed.at.0 + handed::AGAIN);
            self.store.handed.give(Due { shard: self.store.shard(&self.op.project), id: timer.id(), at });
        }
    }

    fn is_early(&self, stage: u16) -> bool {
        self.op.stages.get(usize::from(stage)).is_some_and(|stage| stage.is_held(self.claimed.step.index))
    }

    fn count_down(&self, batch: &mut Batch, stage: u16) {
        let advance = TimerChange::Set { id: self.advance_timer().id(), at: At::NOW };
        batch.count(count::left(&self.op.project, self.op.id, stage), -1, Some(advance));
    }

    fn advance_timer(&self) -> Timer {
        Timer::Advance(self.op.project.clone(), self.op.id)
    }

    fn advance_now(&self, batch: &mut Batch) {
        batch.set_timer(self.advance_timer().id(), At::NOW);
    }

    async fn failed(
        &mut self,
        batch: &mut Batch,
        item: &mut Item,
        reason: String,
        gone: bool,
        now: Millis,
    ) -> Result<(), Error> {
        let Some(stage) = self.op.stages.get(usize::from(item.stage)) else { return Ok(()) };
        let reason = clip(&reason);
        let named = match &item.resource {
            Some(resource) => format!("resources.{}: {reason}", resource.name),
            None => reason.clone(),
        };
        tracing::warn!(
            project = %self.op.project, operation = %self.op.id, step = %self.claimed.step,
            verb = stage.verb.as_str(), reason = named, "step failed"
        );
        if stage.on_failure == OnFailure::NoteGone && gone {
            return self.note_gone(batch, item, stage.verb, reason, now);
        }
        self.show_end(batch, item, Status::Failed, named.clone(), now)?;
        self.end(batch, item, ItemState::Failed { reason }, now);
        match stage.on_failure {
            OnFailure::GoOn => {
                batch.count(count::failed(&self.op.project, self.op.id), 1, None);
            }
            OnFailure::Stop | OnFailure::NoteGone => {
                let (mut op, version) = match self.op_version {
                    Some(version) => (self.op.clone(), version),
                    None => {
                        let read = self.store.operation(&self.op.project, self.op.id).await?;
                        (read.value, read.version)
                    }
                };
                let action = op.kind.in_reasons();
                if machine::stop(&mut op, Stop::Failed { reason: format!("Resource {action} failed: {named}") }) {
                    let key = keys::operation(&op.project, op.id);
                    require_version(batch, key.clone(), version);
                    put(batch, key, &op)?;
                    self.advance_now(batch);
                }
            }
        }
        Ok(())
    }

    /// A safety snapshot goes on without what is not there.
    fn note_gone(
        &mut self,
        batch: &mut Batch,
        item: &mut Item,
        verb: Verb,
        reason: String,
        now: Millis,
    ) -> Result<(), Error> {
        if let Some(resource) = &item.resource {
            let artifact = Artifact::given_up(resource, self.claimed.step, item.fence, reason, &item.tried);
            self.record(batch, item, &artifact)?;
        }
        self.end(batch, item, ItemState::Done, now);
        if verb == Verb::Cut && self.is_held() {
            // Its copy is published by nobody: it ends with its cut.
            item.stage = self.copy_stage()?;
            self.count_down(batch, item.stage);
        }
        Ok(())
    }

    fn record(&self, batch: &mut Batch, item: &Item, artifact: &Artifact) -> Result<(), Error> {
        let (Some(snapshot), Some(resource)) = (self.claimed.snapshot, &item.resource) else { return Ok(()) };
        put(batch, keys::artifact(&self.op.project, snapshot, &resource.name), artifact)
    }

    fn forget_artifact(&self, batch: &mut Batch, item: &Item) {
        if let (Some(snapshot), Some(resource)) = (self.claimed.snapshot, &item.resource) {
            batch.delete(keys::artifact(&self.op.project, snapshot, &resource.name));
        }
    }

    /// The cut is held by this worker: its copy begins in this very commit, before its stage does.
    fn hold(&mut self, batch: &mut Batch, item: &mut Item, now: Millis) -> Result<Claimed, Error> {
        let from = self.claimed.step;
        self.count_down(batch, from.stage);
        self.publish_next(batch, from.stage);
        let copy = self.copy_stage()?;
        let step = StepId { stage: copy, ..from };
        let worker = match &item.state {
            ItemState::Running { worker, .. } => worker.clone(),
            _ => WorkerId::try_from("unknown".to_owned()).map_err(|error| Error::Invalid(error.to_string()))?,
        };
        begin_run(item, step, Verb::Copy, &worker, now);
        batch.set_timer(self.timer().id(), At::In(millis(self.store.settings.lease)));
        if self.op.stop.is_some() {
            self.advance_now(batch);
        }
        Ok(Claimed {
            step,
            verb: Verb::Copy,
            operation: self.op.clone(),
            item: item.clone(),
            snapshot: self.claimed.snapshot,
            artifact: None,
            current: None,
            sent: std::time::Instant::now(),
            at: now,
            version: 0,
        })
    }

    /// Which stage copies what this step cut: plans put it later, for the same snapshot.
    fn copy_stage(&self) -> Result<u16, Error> {
        let from = self.claimed.step;
        (from.stage + 1..self.op.stages.len() as u16)
            .find(|stage| self.op.stages[usize::from(*stage)].is_held(from.index))
            .ok_or_else(|| Error::Invalid(format!("step {from} holds a cut that no stage copies")))
    }

    /// The resource shows how the operation ended for it, at the last of its steps that a caller cares about.
    fn show_end(
        &self,
        batch: &mut Batch,
        item: &Item,
        status: Status,
        reason: String,
        now: Millis,
    ) -> Result<(), Error> {
        let Some(resource) = item.resource.as_ref().filter(|_| !item.leaves) else { return Ok(()) };
        let Some(action) = self.op.action_for(&resource.name) else { return Ok(()) };
        let last = match self.claimed.verb {
            Verb::Check | Verb::Restore => true,
            // The safety copy of a restore is not the end of it.
            Verb::Copy => self.op.kind == Kind::Snapshot,
            _ => false,
        };
        if !last && status != Status::Failed {
            return Ok(());
        }
        show_resource(batch, self.op, resource, Shown::new(action, status, reason), Rank::ResourceEnds, now)
    }
}

/// A reason as it is recorded: what a person can read, not a child's whole output.
fn clip(reason: &str) -> String {
    const LONGEST: usize = 2000;
    match reason.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// For how long what the step needs has not answered.
fn waited(item: &Item, now: Millis) -> Duration {
    Duration::from_millis(item.away_since.map_or(0, |since| now.0.saturating_sub(since.0)))
}

/// Half as long as it has been waited for already, from 1 s to 30 s, so that its return is seen soon.
fn back_off_for(waited: Duration) -> Duration {
    spread((waited / 2).clamp(Duration::from_secs(1), Duration::from_secs(30)))
}

/// 1 s, 2 s, 4 s … 60 s.
fn back_off(attempts: u32) -> Duration {
    let full = 1000_u64.saturating_mul(1 << attempts.saturating_sub(1).min(6)).min(60_000);
    spread(Duration::from_millis(full))
}

/// Shortened by up to half at random, so that many failures at once don't come back at once.
fn spread(full: Duration) -> Duration {
    full - full / 2 * u32::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255
}
