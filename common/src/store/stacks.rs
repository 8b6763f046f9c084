//! Requests about stacks: create and adopt (which check each resource), and delete.

use serde_json::{Map, Value};

use super::backend::{At, Precondition};
use super::begin::{Begun, Draft, Gate, Request, show};
use super::keys::{self, Timer, count};
use super::{Error, Read, Store, put, require_version};
use crate::ids::{ProjectId, StackId, StackName};
use crate::operation::{Kind, SCHEMA, Stop, Verb, machine, plan};
use crate::record::{Answer, Shown, Stack, Status};
use crate::types::Resource;

/// A stack to be made, checked for syntax and types.
#[derive(Debug, Clone)]
pub struct NewStack {
    pub name: StackName,
    pub description: String,
    pub template: Value,
    pub environment: Value,
    pub files: Map<String, Value>,
    pub parameters: Map<String, Value>,
    pub tags: Vec<String>,
    pub timeout_mins: Option<u64>,
    pub disable_rollback: bool,
    pub resources: Vec<Resource>,
    pub adopted: Option<Adopted>,
}

/// A stack that is made of what another one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The id that it had. It gets it again if nobody has it in this project; if it was abandoned here, its snapshots are
    /// there again.
    pub id: Option<StackId>,
}

impl Store {
    /// Makes a stack of what already exists: CREATE_IN_PROGRESS (or ADOPT_IN_PROGRESS) until a worker has looked at each
    /// resource.
    pub async fn create_stack(&self, request: &Request<'_>, new: &NewStack) -> Result<Answer, Error> {
        plan::levels(&new.resources)?;
        let fresh = StackId::random();
        self.accept(request, |gate| self.build_create(request, new, fresh, gate)).await
    }

    async fn build_create(
        &self,
        request: &Request<'_>,
        new: &NewStack,
        fresh: StackId,
        gate: Gate,
    ) -> Result<(super::backend::Batch, Begun), Error> {
        let project = &request.project;
        let shard = self.shard(project);
        let name_key = keys::stack_name(project, &new.name);
        if self.read::<StackId>(shard, name_key.clone()).await?.is_some() {
            return Err(Error::Exists(new.name.clone()));
        }
        let mut batch = self.batch(shard).await?;
        let id = match new.adopted.as_ref().and_then(|adopted| adopted.id) {
            Some(wanted) => self.id_again(&mut batch, project, wanted, fresh).await?,
            None => fresh,
        };
        let (kind, action) = if new.adopted.is_some() { (Kind::Adopt, "ADOPT") } else { (Kind::Create, "CREATE") };
        let now = self.now().await?;
        let mut stack = Stack {
            schema: SCHEMA,
            id,
            project: project.clone(),
            name: new.name.clone(),
            shown: Shown::new(action, Status::InProgress, format!("Stack {action} started")),
            description: new.description.clone(),
            template: new.template.clone(),
            environment: new.environment.clone(),
            files: new.files.clone(),
            parameters: new.parameters.clone(),
            tags: new.tags.clone(),
            timeout_mins: new.timeout_mins,
            disable_rollback: new.disable_rollback,
            owner: request.caller.clone(),
            resources: new.resources.clone(),
            created_at: now,
            updated_at: None,
            deleted_at: None,
            busy: None,
            deleting: None,
            heat: None,
            abandoned: None,
            revision: 0,
            times: Default::default(),
            other: Default::default(),
        };
        let count_resources = new.resources.len() as i64;
        batch.require(Precondition::Absent(name_key.clone()));
        batch.require(Precondition::CounterBelow(count::stacks(project), self.settings.stacks));
        batch.require(Precondition::CounterBelow(
            count::resources(project),
            self.settings.resources.saturating_sub(count_resources).saturating_add(1),
        ));
        batch.count(count::stacks(project), 1, None);
        batch.count(count::resources(project), count_resources, None);
        put(&mut batch, name_key, &id)?;
        let plan = plan::each(&self.kinds, &new.resources, Verb::Check);
        let draft = Draft::new(kind, Some(plan));
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        stack.busy = Some(operation.id);
        let shown = stack.shown.clone();
        show(&mut batch, &mut stack, shown, now)?;
        put(&mut batch, keys::stack(project, id), &stack)?;
        Ok((batch, Begun { operation, stack, snapshot: None, captured: None }))
    }

    /// Deletes a stack: what runs on it is cancelled and waited for, thaw included; then all its snapshots are deleted,
    /// then the stack. What the stack names is not touched. Deleting it again while it is being deleted is the same
    /// delete.
    pub async fn delete_stack(&self, request: &Request<'_>, id: StackId) -> Result<Answer, Error> {
        self.accept(request, |gate| self.build_delete(request, id, gate)).await
    }

    async fn build_delete(
        &self,
        request: &Request<'_>,
        id: StackId,
        gate: Gate,
    ) -> Result<(super::backend::Batch, Begun), Error> {
        let project = &request.project;
        let shard = self.shard(project);
        let Read { value: mut stack, version } = self.live_stack(project, id).await?;
        let now = self.now().await?;
        let mut batch = self.batch(shard).await?;
        require_version(&mut batch, keys::stack(project, id), version);
        if let Some(deleting) = stack.deleting {
            let operation = self.operation(project, deleting).await?;
            if !operation.value.state.ended() {
                return Ok((batch, Begun { operation: operation.value, stack, snapshot: None, captured: None }));
            }
        }
        let draft = Draft::new(Kind::StackDelete, None);
        let gate = if stack.busy.is_some() { Gate::Blocked } else { gate };
        let operation = self.open(&mut batch, request, &stack, draft, gate, now)?;
        if let Some(busy) = stack.busy {
            // What runs is told to stop; it will wake us when it has ended.
            let mut running = self.operation(project, busy).await?;
            if running.value.kind == Kind::Abandon && !running.value.state.ended() {
                // It is no longer its caller's to be deleted, and its snapshots are to stay.
                return Err(Error::Busy { stack: stack.name, action: "DELETE".to_owned(), operation: busy });
            }
            if machine::stop(&mut running.value, Stop::Cancelled { by: request.caller.clone(), at: now }) {
                require_version(&mut batch, keys::operation(project, busy), running.version);
                put(&mut batch, keys::operation(project, busy), &running.value)?;
                batch.set_timer(Timer::Advance(project.clone(), busy).id(), At::NOW);
            }
        } else {
            stack.busy = Some(operation.id);
        }
        stack.deleting = Some(operation.id);
        show(&mut batch, &mut stack, Shown::new("DELETE", Status::InProgress, "Stack DELETE started"), now)?;
        put(&mut batch, keys::stack(project, id), &stack)?;
        Ok((batch, Begun { operation, stack, snapshot: None, captured: None }))
    }

    /// A stack that is not deleted.
    pub(super) async fn live_stack(&self, project: &ProjectId, id: StackId) -> Result<Read<Stack>, Error> {
        match self.read::<Stack>(self.shard(project), keys::stack(project, id)).await? {
            Some(stack) if stack.value.deleted_at.is_none() => Ok(stack),
            _ => Err(Error::NoStack(id.to_string())),
        }
    }
}
