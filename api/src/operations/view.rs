//! An operation and its steps in JSON.

use serde_json::{Map, Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::operation::{ItemState, Kind, Operation, State};
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
        "requested_by": operation.requested_by,
        "created_at": rfc3339(operation.created_at),
        "started_at": time(operation.started_at),
        "ended_at": time(operation.ended_at),
    })
}

/// A step: an item of the operation, in the stage where it is now.
pub(crate) fn step(operation: &Operation, seen: &Seen) -> Value {
    let item = &seen.item;
    // Between two stages an item is still where it was, ended; it waits for the one that runs.
    let waits = operation.state == State::Running
        && item.stage < operation.stage
        && operation.current().is_some_and(|stage| stage.contains(seen.index));
    let stage = if waits { operation.stage } else { item.stage };
    let verb = operation.stages.get(usize::from(stage)).map(|stage| stage.verb);
    let mut worker = None;
    let mut reason = None;
    let state = match &item.state {
        _ if waits => "waiting",
        ItemState::Ready if operation.state.ended() => "skipped",
        ItemState::Ready => "waiting",
        ItemState::Running { worker: by, .. } => {
            worker = Some(by);
            "running"
        }
        ItemState::Done => "done",
        ItemState::Failed { reason: why } => {
            reason = Some(why.as_str());
            "failed"
        }
        ItemState::Skipped => "skipped",
    };
    json!({
        "index": seen.index,
        "resource": item.resource.as_ref().map(|resource| resource.name.as_str()),
        "type": item.resource.as_ref().map(|resource| resource.kind.as_str()),
        "pool": item.pool,
        "verb": verb,
        "state": state,
        "reason": reason.or(item.last_error.as_deref()),
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

/// What a plan found, by resource, once it has ended. A resource whose preview failed has its reason as a blocker.
pub(crate) fn plan(operation: &Operation, steps: &[Seen]) -> Option<Value> {
    if operation.kind != Kind::Plan || !operation.state.ended() {
        return None;
    }
    let mut resources = Map::new();
    for item in steps.iter().map(|seen| &seen.item) {
        let Some(resource) = &item.resource else { continue };
        let preview = match &item.state {
            ItemState::Failed { reason } => json!({"blockers": [reason]}),
            _ => item.result.clone(),
        };
        resources.insert(resource.name.to_string(), preview);
    }
    Some(json!({"resources": resources}))
}
