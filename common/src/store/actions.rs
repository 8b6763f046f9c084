//! Actions on a stack as it is: suspend, resume, check; and the health of one resource.
//!
//! A check has a worker look at each resource. Suspend and resume touch nothing outside: what is registered here is not
//! this service's to be stopped. They change what the stack and its resources show, by Heat's rules, so that clients that
//! wait for it go on.

use std::time::Duration;

use super::backend::Batch;
use super::begin::{Begun, Draft, Gate, Rank, Request, event};
use super::snapshots::hold_stack;
use super::{Error, PATIENCE, Read, Store, backend, keys, put, require_version};
use crate::ids::{ProjectId, StackId};
use crate::operation::{Kind, Stop, Verb, plan};
use crate::record::{Answer, ResourceShown, Shown, Stack, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Suspend,
    Resume,
    Check,
}

impl Action {
    pub fn kind(self) -> Kind {
        match self {
            Action::Suspend => Kind::Suspend,
            Action::Resume => Kind::Resume,
            Action::Check => Kind::Check,
        }
    }

    /// Whether a stack shows it already, so that there is nothing to do (Heat's `stack_suspend`, `stack_resume`).
    pub fn is_done(self, stack: &Stack) -> bool {
        self != Action::Check
            && self.kind().action() == Some(stack.shown.action.as_str())
            && stack.shown.status == Status::Complete
    }

    /// Why a resource in a state can't go along (`heat/engine/resource.py`, `suspend` and `resume`).
    fn refuses(self, shown: &Shown) -> bool {
        match self {
            Action::Check => false,
            Action::Suspend => shown.action != "SUSPEND" && shown.status != Status::Complete,
            Action::Resume => {
                let resumed = shown.action == "RESUME" && shown.status != Status::InProgress;
                !resumed && (shown.action.as_str(), shown.status) != ("SUSPEND", Status::Complete)
            }
        }
    }
}

impl Store {
    pub async fn act(&self, request: &Request<'_>, stack: StackId, action: Action) -> Result<Answer, Error> {
        self.accept(request, |gate| self.build_action(request, stack, action, gate)).await
    }

    async fn build_action(
        &self,
        request: &Request<'_>,
        stack: StackId,
        action: Action,
        gate: Gate,
    ) -> Result<(Batch, Begun), Error> {
        let project = &request.project;
        let (mut batch, Read { value: mut stack, version }, now) = self.free_stack(project, stack).await?;
        let plan = match action {
            Action::Check => plan::each(&self.kinds, &stack.resources, Verb::Check),
            Action::Suspend | Action::Resume => plan::nothing(),
        };
        let draft = Draft { stop: self.refused(&stack, action).await?, ..Draft::new(action.kind(), Some(plan)) };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        hold_stack(&mut batch, &mut stack, version, &operation, now)?;
        Ok((batch, Begun { operation, stack, snapshot: None, captured: None }))
    }

    /// In Heat such an action begins, and fails at the first resource that can't go along.
    async fn refused(&self, stack: &Stack, action: Action) -> Result<Option<Stop>, Error> {
        let states = self.resources_shown(&stack.project, stack.id).await?;
        let before = Shown::new("INIT", Status::Complete, "");
        let found = stack.resources.iter().find_map(|resource| {
            let shown = states.get(resource.name.as_str()).map_or(&before, |state| &state.shown);
            action.refuses(shown).then_some((&resource.name, shown))
        });
        Ok(found.map(|(name, shown)| {
            let (word, verb) = (action.kind().action().unwrap_or_default(), action.kind().as_str());
            let state = format!("State ('{}', '{}') invalid for {verb}", shown.action, shown.status.as_str());
            Stop::Failed { reason: format!("Resource {word} failed: Error: resources.{name}: {state}") }
        }))
    }

    /// Marks a resource as unhealthy (CHECK_FAILED), or one that is so marked as healthy again. `resource` is its logical
    /// name, or the physical id of one alone.
    pub async fn mark_resource(
        &self,
        project: &ProjectId,
        stack: StackId,
        resource: &str,
        unhealthy: bool,
        reason: &str,
    ) -> Result<(), Error> {
        for _ in 0..10 {
            let (mut batch, Read { value: stack, version }, now) = self.free_stack(project, stack).await?;
            let by_id = |id: &Option<String>| id.as_deref() == Some(resource);
            let named = stack.resources.iter().find(|one| one.name.as_str() == resource);
            let found = named.or_else(|| stack.resources.iter().find(|one| by_id(&one.external_id)));
            let Some(found) = found else {
                return Err(Error::NoResource { resource: resource.to_owned(), stack: stack.name.clone() });
            };
            let key = keys::resource(project, stack.id, &found.name);
            let state = self.read::<ResourceShown>(self.shard(project), key.clone()).await?;
            let marked = state.as_ref().is_some_and(|state| state.value.shown.word() == "CHECK_FAILED");
            if !unhealthy && !marked {
                return Ok(());
            }
            let status = if unhealthy { Status::Failed } else { Status::Complete };
            let shown = Shown::new("CHECK", status, reason);
            let event = event(now, Rank::ResourceEnds, Some(found), shown.clone());
            // Nothing has begun on the stack meanwhile, and nobody else marked the resource.
            require_version(&mut batch, keys::stack(project, stack.id), version);
            match &state {
                Some(state) => require_version(&mut batch, key.clone(), state.version),
                None => {
                    batch.require(backend::Precondition::Absent(key.clone()));
                }
            }
            put(&mut batch, keys::event(project, stack.id, event.id), &event)?;
            put(&mut batch, key, &ResourceShown { shown, created_at: now, updated_at: Some(now) })?;
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(()),
                Err(backend::Error::Conflict(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same records".to_owned()).into())
    }
}
