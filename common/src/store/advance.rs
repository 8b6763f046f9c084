//! `advance`: looks at an operation and does what comes next. Repeatable: called too often, it changes nothing.
//!
//! - Waiting: in at the gate, if it is open.
//! - Preparing: its items are written down (`prepare.rs`), then its first stage starts.
//! - Running, stage not over: if the operation has stopped, what nobody runs is written down as skipped.
//! - Running, stage over: what the end of this stage means is recorded (`verdict.rs`), then the next one starts, or
//!   the operation ends.

use super::backend::Precondition;
use super::keys::{self, Timer, count};
use super::{Error, Read, Store, backend, decode, put, require_version};
use crate::ids::{OperationId, ProjectId};
use crate::operation::machine::{self, Next};
use crate::operation::{Item, ItemState, Operation, State, When};
use std::time::Duration;

/// How soon an operation that waits is looked at again if nothing wakes it, in milliseconds.
pub(super) const WAITING_LOOK: u64 = 15_000;
/// The same, for one that runs.
pub(super) const RUNNING_LOOK: u64 = 60_000;

const SWEEP: usize = 200;

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

    /// In at the gate. An operation that waits for its stack waits until the stack is its own.
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
        batch.require(Precondition::CounterBelow(count::running(&project), self.settings.running));
        batch.count(count::running(&project), 1, None);
        if let Some((_, queued)) = waiting {
            require_version(&mut batch, waiting_key.clone(), queued.version);
            batch.delete(waiting_key);
            batch.count(count::waiting(&project), -1, None);
        }
        op.value.state = State::Preparing;
        op.value.started_at = Some(now);
        put(&mut batch, keys::operation(&project, id), &op.value)?;
        match self.settle(&batch, Duration::from_secs(1)).await {
            Ok(_) => Ok(true),
            // The gate is closed: the end of another operation wakes the first in line.
            Err(backend::Error::Conflict(Precondition::CounterBelow(..))) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn running(&self, op: Read<Operation>) -> Result<bool, Error> {
        let project = op.value.project.clone();
        let id = op.value.id;
        let shard = self.shard(&project);
        if op.value.stop.is_some() && self.sweep(&op.value).await? > 0 {
            return Ok(false);
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
        if begun {
            self.after_stage(&mut batch, &mut op.value, now).await?;
        }
        let mut next = machine::next(&op.value, begun);
        if let Next::Start(stage) = next {
            // What comes may show that it should not: then something else comes next.
            if self.before_stage(&mut batch, &mut op.value, stage).await? {
                next = machine::next(&op.value, begun);
            }
        }
        match next {
            Next::Start(stage) => {
                self.start_stage(&mut batch, &mut op.value, stage, now);
                put(&mut batch, keys::operation(&project, id), &op.value)?;
                self.settle(&batch, Duration::from_secs(1)).await?;
                // Its timers do the rest, unless all of it has ended before it began (held copies).
                Ok(false)
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

    /// Writes down as skipped what an operation that has stopped will not begin; returns how many items still run.
    async fn sweep(&self, op: &Operation) -> Result<usize, Error> {
        let Some(stage) = op.current() else { return Ok(0) };
        let going = stage.when == When::Going && op.stage_started_at.is_some();
        let (project, shard) = (&op.project, self.shard(&op.project));
        let prefix = keys::items(project, op.id);
        let mut after = None;
        let mut running = 0;
        loop {
            let page = self.backend.scan(shard, &prefix, after.as_ref(), SWEEP).await?;
            let Some((last, _)) = page.last() else { return Ok(running) };
            let last = last.clone();
            let mut batch = self.batch(shard).await?;
            let mut skipped = 0;
            for (key, stored) in &page {
                let mut item = decode::<Item>(key, stored)?.value;
                let Some(index) = keys::item_index(key) else { continue };
                let in_stage = stage.contains(index) && !item.ended(op.stage);
                let early = item.stage > op.stage && !item.state.ended();
                if matches!(item.state, ItemState::Running { .. }) && (in_stage || early) {
                    running += 1;
                } else if going && (in_stage && !stage.is_held(index) || early) {
                    if !early {
                        item.stage = op.stage;
                        batch.count(count::left(project, op.id, op.stage), -1, None);
                    }
                    item.state = ItemState::Skipped;
                    require_version(&mut batch, key.clone(), stored.version);
                    put(&mut batch, key.clone(), &item)?;
                    batch.clear_timer(Timer::Item(project.clone(), op.id, index).id());
                    skipped += 1;
                } else if going && in_stage && stage.is_held(index) {
                    // Held copies that were never begun: their cut failed or was skipped.
                    item.stage = op.stage;
                    item.state = ItemState::Skipped;
                    batch.count(count::left(project, op.id, op.stage), -1, None);
                    require_version(&mut batch, key.clone(), stored.version);
                    put(&mut batch, key.clone(), &item)?;
                    skipped += 1;
                }
            }
            if skipped > 0 {
                self.settle(&batch, Duration::from_secs(1)).await?;
            }
            if page.len() < SWEEP {
                return Ok(running);
            }
            after = Some(last);
        }
    }
}
