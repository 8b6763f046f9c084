//! A stack is given up, and comes back.
//!
//! An abandoned stack shows as deleted: its name and its place in the limits are free. Its record stays as long as it has
//! snapshots, and with it what they captured and what lies in the vault, all of it known to the catalogue. When the same
//! stack is adopted again in the same project (the document that was handed out has its id), the record becomes the new
//! stack's, and its snapshots are there as they were. They count to the project's limit all the time.

use super::backend::{Batch, Precondition};
use super::begin::{Begun, Draft, Gate, Request};
use super::keys::{self, count};
use super::snapshots::hold_stack;
use super::{Error, Read, Store, require_version};
use crate::ids::{ProjectId, StackId};
use crate::operation::{Kind, Operation, plan};
use crate::record::{Answer, Captured, Stack};
use crate::store::Millis;

impl Store {
    /// Gives a stack up. `Begun::captured` is what it was.
    pub async fn abandon_stack(&self, request: &Request<'_>, stack: StackId) -> Result<Answer, Error> {
        self.accept(request, |gate| self.build_abandon(request, stack, gate)).await
    }

    async fn build_abandon(&self, request: &Request<'_>, stack: StackId, gate: Gate) -> Result<(Batch, Begun), Error> {
        let (mut batch, Read { value: mut stack, version }, now) = self.free_stack(&request.project, stack).await?;
        let captured = Captured::of(&stack);
        let draft = Draft::new(Kind::Abandon, Some(plan::nothing()));
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        hold_stack(&mut batch, &mut stack, version, &operation, now)?;
        Ok((batch, Begun { operation, stack, snapshot: None, captured: Some(captured) }))
    }

    /// The stack's name and places are free; its snapshots keep theirs.
    pub(super) fn give_up(&self, batch: &mut Batch, op: &Operation, stack: &mut Stack, now: Millis) {
        let project = &stack.project;
        stack.deleted_at = Some(now);
        stack.abandoned = Some(op.id);
        batch.delete(keys::stack_name(project, &stack.name));
        batch.count(count::stacks(project), -1, None);
        batch.count(count::resources(project), -(stack.resources.len() as i64), None);
    }

    /// The id for a stack that is adopted: the one that it had, unless somebody in the project has it. What is told of an
    /// abandoned stack's life before ends here: who waits for the adoption would take it for news.
    pub(super) async fn id_again(
        &self,
        batch: &mut Batch,
        project: &ProjectId,
        wanted: StackId,
        fresh: StackId,
    ) -> Result<StackId, Error> {
        let key = keys::stack(project, wanted);
        match self.read::<Stack>(self.shard(project), key.clone()).await? {
            None => {
                batch.require(Precondition::Absent(key));
            }
            Some(stack) if stack.value.abandoned.is_some() => {
                self.remove_all(project, &keys::events(project, wanted)).await?;
                require_version(batch, key, stack.version);
            }
            Some(_) => return Ok(fresh),
        }
        Ok(wanted)
    }

    /// Removes an abandoned stack that nothing waits for. `false`: it has snapshots.
    pub(super) async fn retire_abandoned(&self, batch: &mut Batch, op: &Operation) -> Result<bool, Error> {
        let project = &op.project;
        let stack = match self.stack(project, op.stack).await {
            Ok(stack) if stack.value.abandoned == Some(op.id) => stack,
            // It was adopted, or is not there.
            Ok(_) | Err(Error::NoStack(_)) => return Ok(true),
            Err(error) => return Err(error),
        };
        if !self.all_snapshots_of(project, op.stack).await?.is_empty() {
            return Ok(false);
        }
        self.remove_all(project, &keys::events(project, op.stack)).await?;
        require_version(batch, keys::stack(project, op.stack), stack.version);
        batch.delete(keys::stack(project, op.stack));
        batch.delete_counter(count::snapshots_of(project, op.stack));
        Ok(true)
    }
}
