//! An operation and its steps in JSON.

use serde_json::{Map, Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::ids::WorkerId;
use stacksnap_common::operation::{ItemState, Kind, Operation, State, When};
use stacksnap_common::store::read::Seen;
use stacksnap_common::types::Progress;

use crate::stacks::view::time;

/// Without its steps, as lists and events have it.
pub(crate) fn brief(operation: &Operation) -> Value {
    let phase = operation.current().filter(|_| operation.state == State::Running).map(|stage| stage.verb.as_str());
    json!({
        "id": operation.id,
        "kind": operation.kind,
        "state": operation.state,
        "phase": phase,
        "stopping": operation.stop.is_some() && !operation.state.ended(),
        "stack_id": operation.stack,
        "stack_name": operation.stack_name,
        "snapshot_id": operation.snapshot,
        "safety_snapshot_id": operation.safety,
        "reason": operation.reason,
        "definition": operation.kind.redefines().then_some(&operation.changes),
        "requested_by": operation.requested_by,
        "created_at": rfc3339(operation.created_at),
        "started_at": time(operation.started_at),
        "ended_at": time(operation.ended_at),
    })
}

/// How an item is shown: at its next stage if it will have one, else where it ended.
struct Place<'a> {
    stage: u16,
    state: &'static str,
    reason: Option<&'a str>,
    worker: Option<&'a WorkerId>,
}

fn place<'a>(operation: &Operation, seen: &'a Seen) -> Place<'a> {
    let item = &seen.item;
    let at = |stage, state| Place { stage, state, reason: item.last_error.as_deref(), worker: None };
    if let ItemState::Running { worker, .. } = &item.state
        && !operation.state.ended()
    {
        return Place { worker: Some(worker), ..at(item.stage, "running") };
    }
    let from = if item.state == ItemState::Ready { item.stage } else { item.stage + 1 };
    if !operation.state.ended()
        && let Some(stage) = next(operation, seen.index, from.max(operation.stage))
    {
        return at(stage, "waiting");
    }
    match &item.state {
        ItemState::Done => at(item.stage, "done"),
        ItemState::Failed { reason } => Place { reason: Some(reason.as_str()), ..at(item.stage, "failed") },
        ItemState::Ready | ItemState::Skipped | ItemState::Running { .. } => at(item.stage, "skipped"),
    }
}

/// The first stage from `from` on that an item is still to go through: the one that runs, and while nothing has gone
/// wrong those after it.
fn next(operation: &Operation, item: u32, from: u16) -> Option<u16> {
    let going = operation.stop.is_none();
    (from..operation.stages.len() as u16).find(|index| {
        let stage = &operation.stages[usize::from(*index)];
        let comes = *index == operation.stage || (going && stage.when == When::Going);
        comes && stage.contains(item)
    })
}

/// Whether a step has nothing more to do.
pub(crate) fn is_done(operation: &Operation, seen: &Seen) -> bool {
    !matches!(place(operation, seen).state, "waiting" | "running")
}

/// A step in JSON: an item of the operation, with the verb that it is at.
pub(crate) fn step(operation: &Operation, seen: &Seen) -> Value {
    let item = &seen.item;
    let Place { stage, state, reason, worker } = place(operation, seen);
    let verb = operation.stages.get(usize::from(stage)).map(|stage| stage.verb);
    json!({
        "index": seen.index,
        "resource": item.resource.as_ref().map(|resource| resource.name.as_str()),
        "type": item.resource.as_ref().map(|resource| resource.kind.as_str()),
        "pool": item.pool,
        "verb": verb,
        "state": state,
        "reason": reason,
        "note": item.note,
        "attempt": item.attempts,
        "worker": worker,
        "fence": item.fence,
        "progress": seen.progress,
        "result": item.result,
        "started_at": time(item.started_at),
        "ended_at": time(item.ended_at),
    })
}

/// The sum over steps; a total only where every step that has begun knows its own.
pub(crate) fn progress(steps: &[Seen]) -> Value {
    let mut sum = Progress { bytes_total: Some(0), files_total: Some(0), ..Progress::default() };
    let mut any = false;
    for progress in steps.iter().filter_map(|seen| seen.progress.as_ref()) {
        any = true;
        sum.bytes = sum.bytes.saturating_add(progress.bytes);
        sum.files = sum.files.saturating_add(progress.files);
        sum.rate = sum.rate.saturating_add(progress.rate);
        let add = |sum: Option<u64>, one: Option<u64>| sum.zip(one).map(|(sum, one)| sum.saturating_add(one));
        sum.bytes_total = add(sum.bytes_total, progress.bytes_total);
        sum.files_total = add(sum.files_total, progress.files_total);
    }
    if any { json!(sum) } else { Value::Null }
}

/// What a plan found, by resource, once it has ended, and what the restore would do to the stack's definition. A resource whose preview failed has its reason as a blocker.
pub(crate) fn plan(operation: &Operation, steps: &[Seen]) -> Option<Value> {
    if operation.kind != Kind::Plan || !operation.state.ended() {
        return None;
    }
    let mut resources = Map::new();
    let mut stack = None;
    for item in steps.iter().map(|seen| &seen.item) {
        let preview = match &item.state {
            ItemState::Failed { reason } => json!({"blockers": [reason]}),
            _ => item.result.clone(),
        };
        match &item.resource {
            Some(resource) => drop(resources.insert(resource.name.to_string(), preview)),
            None => stack = Some(preview),
        }
    }
    let mut plan = json!({"resources": resources, "definition": operation.changes});
    if let Some(stack) = stack {
        plan["stack"] = stack;
    }
    Some(plan)
}
