//! `advance`: looks at an operation and does what comes next. Repeatable: called too often, it changes nothing.
//!
//! - Waiting: in at the gate, if it is open.
//! - Preparing: its items are written down (`prepare.rs`), then its first stage starts.
//! - Running, stage not over: if the operation has stopped, what nobody runs is written down as skipped.
//! - Running, stage over: what the end of this stage means is recorded (`verdict.rs`), then the next one starts, or
//!   the operation ends.

use super::backend::{At, Precondition};
use super::keys::{self, Timer, count};
use super::{Error, Read, Store, backend, decode, put, require_version};
use crate::ids::{OperationId, ProjectId};
use crate::operation::machine::{self, Next};
use crate::operation::{Item, ItemState, Operation, State, Verb, When};
use std::time::Duration;

/// How soon an operation that runs is looked at again if nothing wakes it, in milliseconds.
pub(super) const RUNNING_LOOK: u64 = 60_000;

const SWEEP: usize = 200;

/// What an operation that has stopped waits for.
#[derive(Debug, Default)]
struct InHand {
    /// Steps of its stage.
    now: usize,
    /// Copies that a worker began before their stage.
    early: usize,
}

fn thaw_is_next(op: &Operation) -> bool {
    match machine::next(op, op.stage_started_at.is_some()) {
        Next::Start(stage) => op.stages[usize::from(stage)].verb == Verb::Thaw,
        Next::End(_) => false,
    }
}

impl Store {
    /// Brings an operation as far as it goes now.
    pub async fn advance(&self, project: &ProjectId, id: OperationId) -> Result<(), Error> {
        // Each turn is one commit; a conflict means that somebody else moved it, so look again.
        for _ in 0..1000 {
            match self.turn(project, id).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Error::Backend(backend::Error::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One turn; `false` when there is nothing more to do now.
    async fn turn(&self, project: &ProjectId, id: OperationId) -> Result<bool, Error> {
        let shard = self.shard(project);
        let timer = Timer::Advance(project.clone(), id).id();
        let op = match self.read::<Operation>(shard, keys::operation(project, id)).await? {
            Some(op) if !op.value.state.ended() => op,
            _ => {
                let mut batch = self.batch(shard).await?;
                batch.clear_timer(timer);
                self.settle(&batch, Duration::from_secs(1)).await?;
                return Ok(false);
            }
        };
        match op.value.state {
            State::Waiting if op.value.stop.is_some() => self.end(op).await,
            State::Waiting => self.enter(op).await,
            State::Preparing if op.value.stop.is_some() => self.end(op).await,
            State::Preparing => self.prepare(op).await,
            _ => self.running(op).await,
        }
    }

    /// In at the gate, in the order of the line. An operation that waits for its stack waits until the stack is its own,
    /// then stands in line like the others.
    async fn enter(&self, mut op: Read<Operation>) -> Result<bool, Error> {
        let project = op.value.project.clone();
        let (shard, id) = (self.shard(&project), op.value.id);
        let stack_key = keys::stack(&project, op.value.stack);
        let waiting_key = keys::waiting(&project, id);
        let [stack, waiting] = self.read_all(shard, [stack_key, waiting_key.clone()]).await?;
        if op.value.kind.holds_stack() {
            let stack = stack.map(|(key, value)| decode::<crate::record::Stack>(&key, &value)).transpose()?;
            if stack.is_some_and(|stack| stack.value.busy != Some(id)) {
                return Ok(false);
            }
        }
        let now = self.now().await?;
        let mut batch = self.batch(shard).await?;
        require_version(&mut batch, keys::operation(&project, id), op.version);
        let Some((_, queued)) = waiting else {
            batch.require(Precondition::Absent(waiting_key.clone()));
            batch.put(waiting_key, Vec::new());
            batch.count(count::waiting(&project), 1, None);
            self.settle(&batch, Duration::from_secs(1)).await?;
            return Ok(true);
        };
        if self.first_in_line(&project).await? != Some(id) {
            return Ok(false);
        }
        batch.require(Precondition::CounterBelow(count::running(&project), self.settings.running));
        batch.count(count::running(&project), 1, None);
        require_version(&mut batch, waiting_key.clone(), queued.version);
        batch.delete(waiting_key);
        batch.count(count::waiting(&project), -1, None);
        op.value.state = State::Preparing;
        op.value.started_at = Some(now);
        put(&mut batch, keys::operation(&project, id), &op.value)?;
        match self.settle(&batch, Duration::from_secs(1)).await {
            Ok(_) => {
                // There may be room for the next one too.
                self.wake_line(&project).await?;
                Ok(true)
            }
            // The gate is closed: the end of another operation wakes the first in line.
            Err(backend::Error::Conflict(Precondition::CounterBelow(..))) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn first_in_line(&self, project: &ProjectId) -> Result<Option<OperationId>, Error> {
        let page = self.backend.scan(self.shard(project), &keys::all_waiting(project), None, 1).await?;
        Ok(page.first().and_then(|(key, _)| key.0.rsplit('/').next()?.parse().ok()))
    }

    /// Has the first of those that wait for the gate looked at, after the gate may have opened. Called after the commit
    /// that opened it: who comes into the line later than this looks is looked at then, and finds it open.
    pub(super) async fn wake_line(&self, project: &ProjectId) -> Result<(), Error> {
        if let Some(first) = self.first_in_line(project).await? {
            let mut batch = self.batch(self.shard(project)).await?;
            batch.set_timer(Timer::Advance(project.clone(), first).id(), At::NOW);
            self.settle(&batch, Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    async fn running(&self, op: Read<Operation>) -> Result<bool, Error> {
        let project = op.value.project.clone();
        let id = op.value.id;
        let shard = self.shard(&project);
        if op.value.stop.is_some() {
            let in_hand = self.sweep(&op.value).await?;
            // Copies of held cuts do not keep a thaw waiting; what would undo them waits for their end.
            if in_hand.now > 0 || (in_hand.early > 0 && !thaw_is_next(&op.value)) {
                return Ok(false);
            }
        }
        let begun = op.value.stage_started_at.is_some();
        if begun {
            let left = count::left(&project, id, op.value.stage);
            if self.backend.counters(shard, &[left]).await?.first().is_some_and(|left| *left > 0) {
                return Ok(false);
            }
        }
        self.stage_over(op, begun).await
    }

    /// The stage has ended in every item: record what that means, and go on.
    async fn stage_over(&self, mut op: Read<Operation>, begun: bool) -> Result<bool, Error> {
        let project = op.value.project.clone();
        let id = op.value.id;
        let now = self.now().await?;
        let mut batch = self.batch(self.shard(&project)).await?;
        require_version(&mut batch, keys::operation(&project, id), op.version);
        let mut stopped = begun && self.after_stage(&mut batch, &mut op.value, now).await?;
        let next = machine::next(&op.value, begun);
        if let Next::Start(stage) = next {
            // What comes may show that it should not: then something else comes next.
            stopped |= self.before_stage(&mut batch, &mut op.value, stage).await?;
        }
        match next {
            _ if stopped => {
                put(&mut batch, keys::operation(&project, id), &op.value)?;
                self.settle(&batch, Duration::from_secs(1)).await?;
                Ok(true)
            }
            Next::Start(stage) => {
                self.start_stage(&mut batch, &mut op.value, stage, now);
                put(&mut batch, keys::operation(&project, id), &op.value)?;
                let committed = self.settle(&batch, Duration::from_secs(1)).await?;
                // Its timers do the rest, unless all of it has ended before it began (held copies).
                Ok(committed.counters.contains(&0))
            }
            Next::End(_) if op.value.redo && op.value.again == 0 => {
                self.redo(&mut op.value);
                put(&mut batch, keys::operation(&project, id), &op.value)?;
                self.settle(&batch, Duration::from_secs(1)).await?;
                Ok(true)
            }
            Next::End(_) => {
                // What `after_stage` put into the batch about a safety snapshot goes first, in a commit of its own.
                put(&mut batch, keys::operation(&project, id), &op.value)?;
                let committed = self.settle(&batch, Duration::from_secs(1)).await?;
                self.end(Read { value: op.value, version: committed.seq }).await
            }
        }
    }

    /// From quiesce again: the same stages once more, behind the first.
    fn redo(&self, op: &mut Operation) {
        let length = op.stages.len();
        crate::operation::plan::again(&mut op.stages, length);
        op.stage = length as u16;
        op.stage_started_at = None;
        op.reached = None;
        op.stop = None;
        op.redo = false;
        op.again = 1;
        op.frozen_at = None;
        op.thawed_at = None;
    }

    /// Writes down as skipped what an operation that has stopped will not begin; returns what must still end.
    async fn sweep(&self, op: &Operation) -> Result<InHand, Error> {
        let mut in_hand = InHand::default();
        let Some(stage) = op.current() else { return Ok(in_hand) };
        let going = stage.when == When::Going && op.stage_started_at.is_some();
        let (project, shard) = (&op.project, self.shard(&op.project));
        let prefix = keys::items(project, op.id);
        let mut after = None;
        loop {
            let page = self.backend.scan(shard, &prefix, after.as_ref(), SWEEP).await?;
            let Some((last, _)) = page.last() else { return Ok(in_hand) };
            let last = last.clone();
            let mut batch = self.batch(shard).await?;
            let mut skipped = 0;
            for (key, stored) in &page {
                let mut item = decode::<Item>(key, stored)?.value;
                let Some(index) = keys::item_index(key) else { continue };
                let in_stage = stage.contains(index) && !item.ended(op.stage);
                let early = item.stage > op.stage && !item.state.ended();
                let running = matches!(item.state, ItemState::Running { .. });
                if in_stage && (running || item.in_hand(stage.verb, op.stage)) {
                    in_hand.now += 1;
                } else if early && running {
                    in_hand.early += 1;
                } else if early || (going && in_stage) {
                    if !early {
                        item.stage = op.stage;
                        batch.count(count::left(project, op.id, op.stage), -1, None);
                    }
                    item.state = ItemState::Skipped;
                    require_version(&mut batch, key.clone(), stored.version);
                    put(&mut batch, key.clone(), &item)?;
                    batch.clear_timer(Timer::Item(project.clone(), op.id, index).id());
                    batch.delete(keys::progress(project, op.id, index));
                    skipped += 1;
                }
            }
            if skipped > 0 {
                self.settle(&batch, Duration::from_secs(1)).await?;
            }
            if page.len() < SWEEP {
                return Ok(in_hand);
            }
            after = Some(last);
        }
    }
}
