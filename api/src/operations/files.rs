//! `GET /operations/{id}/files`: of a restore, what each resource's step left: what was restored and what was not. Only
//! a restore that failed or was cancelled half-way leaves a mix. What a step says is its driver's own; of a directory
//! it is how many paths are `done` and how many `left`, and the first thousand `files` of each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stacksnap_common::operation::{Kind, Operation, Verb};
use stacksnap_common::store::read::Seen;

use super::{MOST, OperationPath, view};
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};

pub(crate) async fn files(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<OperationPath>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let from = params.number("steps_from")?.map_or(0, |from| u32::try_from(from).unwrap_or(u32::MAX));
    let limit = params.number("steps_limit")?.unwrap_or(1000).clamp(1, MOST as usize);
    let operation = path.find(&api, &caller.project).await?;
    if operation.kind != Kind::Restore {
        let why = format!("Operation {} is a {}; only a restore has files.", operation.id, operation.kind.as_str());
        return Err(Fault::bad_request(why));
    }
    let steps = api.store.list_items(&caller.project, operation.id, from, limit).await?;
    let shown: Vec<_> = steps.iter().filter_map(|seen| of_step(&operation, seen)).collect();
    Ok(Json(json!({"resources": shown})))
}

fn of_step(operation: &Operation, seen: &Seen) -> Option<Value> {
    let resource = seen.item.resource.as_ref()?;
    let verb = |stage: u16| operation.stages.get(usize::from(stage)).map(|stage| stage.verb);
    let begun = verb(seen.item.stage) == Some(Verb::Restore);
    let step = view::step(operation, seen);
    Some(json!({
        "resource": resource.name,
        "type": resource.kind,
        // A step that never came to its restore left everything as it was.
        "state": if begun { step["state"].clone() } else { "untouched".into() },
        "reason": step["reason"],
        "result": if begun { seen.item.result.clone() } else { Value::Null },
    }))
}
