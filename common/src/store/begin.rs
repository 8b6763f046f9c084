//! A request becomes records, in one commit.
//!
//! What every request shares: the idempotency key, the project's gate (so many operations run at once, the rest wait in
//! order), the operation with its items and the first window of timers. A request that conflicts with another is decided
//! anew from what is there then; one whose outcome is unknown is sent again unchanged.

use super::backend::{At, Batch, Precondition};
use super::keys::{self, Timer, count};
use super::{Error, PATIENCE, Read, Store, backend, put};
use crate::heat;
use crate::ids::{OperationId, ProjectId, SnapshotId};
use crate::operation::plan::Plan;
use crate::operation::{Item, Kind, Operation, Options, SCHEMA, State, Stop, Verb, machine};
use crate::record::{Answer, Captured, Event, Shown, Snapshot, Stack, Status};
use crate::store::Millis;
use crate::types::{Changes, Resource};

/// Items that go into the commit that accepts an operation. More are written down afterwards, before it starts.
pub(super) const INLINE: usize = 200;

/// How long an answer is kept for its `Idempotency-Key`, in milliseconds.
const ANSWER_KEPT: u64 = 24 * 3600 * 1000;

/// Who asks, and how the answer is made.
pub struct Request<'a> {
    pub project: ProjectId,
    /// The caller, as it is shown: a user's name.
    pub caller: String,
    pub trace: Option<String>,
    pub idempotency: Option<Idempotency>,
    /// Where the stack is a Heat's: what was learned from it for this request.
    pub heat: Option<heat::Begin>,
    /// By what workers act in the cloud for the caller, where they have to.
    pub grant: Option<heat::Grant>,
    /// Makes the answer of what was begun; kept with the idempotency key.
    pub answer: &'a (dyn Fn(&Begun) -> Answer + Send + Sync),
}

/// An `Idempotency-Key`, as the API hands it on.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// SHA-256 of caller, route and key, hexadecimal.
    pub digest: String,
    /// SHA-256 of the request's body, hexadecimal.
    pub body: String,
}

/// What a request made.
#[derive(Debug, Clone)]
pub struct Begun {
    pub operation: Operation,
    pub stack: Stack,
    pub snapshot: Option<Snapshot>,
    pub captured: Option<Captured>,
}

/// A new operation, before it is put into a batch.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) snapshot: Option<SnapshotId>,
    pub(super) safety: Option<SnapshotId>,
    pub(super) options: Options,
    /// `None`: it is planned when it is prepared.
    pub(super) plan: Option<Plan>,
    pub(super) changes: Changes,
    pub(super) reserved: u32,
    pub(super) rolls_back: bool,
    /// It fails before it began.
    pub(super) stop: Option<Stop>,
}

impl Draft {
    pub(super) fn new(kind: Kind, plan: Option<Plan>) -> Self {
        Self {
            kind,
            snapshot: None,
            safety: None,
            options: Options::default(),
            plan,
            changes: Changes::default(),
            reserved: 0,
            rolls_back: false,
            stop: None,
        }
    }
}

/// Whether a draft may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// The project runs as many as it may: wait in line.
    Closed,
    /// Something on the stack must end first, which will wake this one.
    Blocked,
}

impl Store {
    /// Runs `build` until its batch is applied. `build` is given the gate to plan for; it reads what it needs, refuses,
    /// or makes a batch.
    pub(super) async fn accept<B, F>(&self, request: &Request<'_>, build: B) -> Result<Answer, Error>
    where
        B: Fn(Gate) -> F,
        F: Future<Output = Result<(Batch, Begun), Error>>,
    {
        match self.accept_anew(request, build).await {
            // What is in the way may be this very request: sent twice at once, and the other one was accepted meanwhile.
            Err(refused) => self.answered(request).await?.ok_or(refused),
            done => done,
        }
    }

    async fn accept_anew<B, F>(&self, request: &Request<'_>, build: B) -> Result<Answer, Error>
    where
        B: Fn(Gate) -> F,
        F: Future<Output = Result<(Batch, Begun), Error>>,
    {
        let mut gate = Gate::Open;
        for _ in 0..50 {
            if let Some(answer) = self.answered(request).await? {
                return Ok(answer);
            }
            let (mut batch, begun) = build(gate).await?;
            let answer = (request.answer)(&begun);
            if let Some(key) = &request.idempotency {
                let at = keys::answer(&request.project, &key.digest);
                batch.require(Precondition::Absent(at.clone()));
                put(&mut batch, at, &Answer { body: key.body.clone(), ..answer.clone() })?;
                batch.set_timer(Timer::Forget(request.project.clone(), key.digest.clone()).id(), At::In(ANSWER_KEPT));
            }
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => {
                    let operation = &begun.operation;
                    tracing::info!(
                        project = %operation.project, operation = %operation.id, kind = operation.kind.as_str(),
                        stack = %operation.stack, state = operation.state.as_str(), "operation accepted"
                    );
                    crate::metrics::operation_started(operation.kind.as_str());
                    return Ok(answer);
                }
                Err(backend::Error::Conflict(on)) => {
                    let closed = [count::running(&request.project), count::waiting(&request.project)];
                    match &on {
                        on if self.is_guard(&request.project, request.heat.as_ref(), on) => {
                            return Err(Error::Changing(begun.stack.name.to_string()));
                        }
                        Precondition::CounterBelow(key, _) if closed.contains(key) => gate = Gate::Closed,
                        Precondition::CounterBelow(key, _) => return Err(self.limit(request, &begun, key)),
                        _ => {}
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same records".to_owned()).into())
    }

    pub(super) async fn answered(&self, request: &Request<'_>) -> Result<Option<Answer>, Error> {
        let Some(key) = &request.idempotency else { return Ok(None) };
        let shard = self.shard(&request.project);
        match self.read::<Answer>(shard, keys::answer(&request.project, &key.digest)).await? {
            Some(Read { value, .. }) if value.body == key.body => Ok(Some(value)),
            Some(_) => Err(Error::KeyReused),
            None => Ok(None),
        }
    }

    fn limit(&self, request: &Request<'_>, begun: &Begun, key: &backend::Key) -> Error {
        let project = &request.project;
        let settings = &self.settings;
        let say = |what: &str, limit: i64, delete: &str| {
            Error::Limit(format!("You have reached the maximum {what}, {limit}. Please delete some {delete}."))
        };
        if *key == count::steps(project) {
            Error::TooMuch { limit: settings.steps }
        } else if *key == count::stacks(project) {
            say("stacks per tenant", settings.stacks, "stacks")
        } else if *key == count::resources(project) {
            say("resources per tenant", settings.resources, "stacks")
        } else if *key == count::snapshots_of(project, begun.stack.id) {
            say("snapshots per stack", settings.snapshots_per_stack, "snapshots")
        } else {
            say("snapshots per tenant", settings.snapshots, "snapshots")
        }
    }

    /// Puts a new operation and what starts it into a batch. A small one whose plan is known starts in this very commit.
    pub(super) fn open(
        &self,
        batch: &mut Batch,
        request: &Request<'_>,
        stack: &Stack,
        draft: Draft,
        gate: Gate,
        now: Millis,
    ) -> Result<Operation, Error> {
        let project = &request.project;
        let mut op = Operation {
            schema: SCHEMA,
            id: OperationId::next(),
            project: project.clone(),
            stack: stack.id,
            stack_name: stack.name.clone(),
            kind: draft.kind,
            snapshot: draft.snapshot,
            safety: draft.safety,
            options: draft.options,
            state: State::Waiting,
            stage: 0,
            reached: None,
            stages: Vec::new(),
            items: 0,
            window: self.settings.window,
            stop: draft.stop,
            reason: None,
            requested_by: request.caller.clone(),
            created_at: now,
            started_at: None,
            stage_started_at: None,
            ended_at: None,
            trace: request.trace.clone(),
            frozen_at: None,
            thawed_at: None,
            again: 0,
            redo: false,
            grant: None,
            changes: draft.changes,
            reserved: draft.reserved,
            rolls_back: draft.rolls_back,
            other: Default::default(),
        };
        if let Some(guard) = request.heat.as_ref().and_then(|begin| begin.guard) {
            self.require_guard(batch, stack, guard);
        }
        if let Some(grant) = &request.grant {
            op.grant = Some(grant.id);
            let grant = heat::Grant { operation: Some(op.id), ..grant.clone() };
            put(batch, keys::grant(project, grant.id), &grant)?;
        }
        let steps = draft.plan.as_ref().map_or(1, |plan| plan.items.len()) as i64;
        batch.require(Precondition::CounterBelow(count::steps(project), self.settings.steps));
        batch.count(count::steps(project), steps, None);
        op.items = steps as u32;
        let advance = Timer::Advance(project.clone(), op.id).id();
        if gate != Gate::Open {
            if gate == Gate::Closed {
                batch.count(count::waiting(project), 1, None);
                batch.put(keys::waiting(project, op.id), Vec::new());
            }
            // At once: the gate may have opened since it was found closed.
            batch.set_timer(advance, At::NOW);
        } else {
            if draft.kind.stands_in_line() {
                batch.require(Precondition::CounterBelow(count::running(project), self.settings.running));
                batch.require(Precondition::CounterBelow(count::waiting(project), 1));
            }
            batch.count(count::running(project), 1, None);
            op.started_at = Some(now);
            match draft.plan {
                Some(plan) if plan.items.len() <= INLINE => {
                    op.stages = plan.stages;
                    op.state = State::Running;
                    put_items(batch, &op, plan.items.iter().enumerate())?;
                    self.start_first(batch, &mut op, now);
                }
                _ => {
                    op.state = State::Preparing;
                    batch.set_timer(advance, At::NOW);
                }
            }
        }
        put(batch, keys::operation(project, op.id), &op)?;
        Ok(op)
    }

    /// Starts the first stage of an operation whose items are all written down. A seal that comes first (nothing is
    /// protected) is looked at before, as every seal is.
    pub(super) fn start_first(&self, batch: &mut Batch, op: &mut Operation, now: Millis) {
        match machine::next(op, false) {
            machine::Next::Start(stage) if op.stages[usize::from(stage)].verb != Verb::Seal => {
                let advance = Timer::Advance(op.project.clone(), op.id);
                batch.set_timer(advance.id(), At::In(super::advance::RUNNING_LOOK));
                self.start_stage(batch, op, stage, now);
            }
            _ => {
                batch.set_timer(Timer::Advance(op.project.clone(), op.id).id(), At::NOW);
            }
        }
    }

    /// Starts a stage: its counter, and the timers that publish its first window. The caller puts the operation, and
    /// leaves its timer alone: the counter sets it if all of the stage has ended before it began (held copies).
    pub(super) fn start_stage(&self, batch: &mut Batch, op: &mut Operation, stage: u16, now: Millis) {
        machine::start(op, stage);
        op.stage_started_at = Some(now);
        let project = op.project.clone();
        let advance = Timer::Advance(project.clone(), op.id);
        let now_advance = backend::TimerChange::Set { id: advance.id(), at: At::NOW };
        if op.current().is_some_and(|stage| stage.verb == Verb::Quiesce) {
            op.frozen_at = Some(now);
        }
        if let Some(stage_now) = op.current() {
            for item in stage_now.first_window(op.window) {
                batch.set_timer(Timer::Item(project.clone(), op.id, item).id(), At::NOW);
            }
            batch.count(count::left(&project, op.id, stage), i64::from(stage_now.len()), Some(now_advance));
        }
    }
}

pub(super) fn put_items<'a>(
    batch: &mut Batch,
    op: &Operation,
    items: impl Iterator<Item = (usize, &'a Item)>,
) -> Result<(), Error> {
    for (index, item) in items {
        put(batch, keys::item(&op.project, op.id, index as u32), item)?;
    }
    Ok(())
}

/// Where an event stands among others of the same millisecond.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rank {
    StackStarts,
    ResourceStarts,
    ResourceEnds,
    StackEnds,
}

/// An event whose id sorts by time and, within a millisecond, in the order in which such things happen.
pub(super) fn event(at: Millis, rank: Rank, resource: Option<&Resource>, shown: Shown) -> Event {
    let mut random = *uuid::Uuid::new_v4().as_bytes();
    random[0] = rank as u8;
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&random[..10]);
    let id = uuid::Builder::from_unix_timestamp_millis(at.0, &bytes).into_uuid();
    Event {
        id,
        at,
        resource: resource.map(|resource| resource.name.clone()),
        shown,
        kind: resource.map(|resource| resource.kind.clone()),
        physical_id: resource.and_then(|resource| resource.external_id.clone()),
        after: None,
    }
}

/// Shows a new state on the stack, and tells it as an event. The caller puts the stack.
pub(super) fn show(batch: &mut Batch, stack: &mut Stack, shown: Shown, now: Millis) -> Result<(), Error> {
    stack.shown = shown;
    if let Some(shadow) = &mut stack.heat {
        // Nothing of Heat's is newer, until Heat changes.
        shadow.newer = true;
    }
    let rank = if stack.shown.status == Status::InProgress { Rank::StackStarts } else { Rank::StackEnds };
    let mut event = event(now, rank, None, stack.shown.clone());
    event.after = stack.heat.as_ref().and_then(|shadow| shadow.seen.event.clone());
    put(batch, keys::event(&stack.project, stack.id, event.id), &event)
}
