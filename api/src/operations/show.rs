//! `GET /operations/{id}`: the operation with its steps, paged by `steps_from` and `steps_limit` (default 1,000).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stacksnap_common::store::read::Seen;

use super::{MOST, OperationPath, all_steps, view};
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<OperationPath>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let from = params.number("steps_from")?.unwrap_or(0);
    let limit = params.number("steps_limit")?.unwrap_or(1000).min(MOST as usize);
    let operation = path.find(&api, &caller.project).await?;
    let mut shown = view::brief(&operation);
    shown["steps_total"] = operation.items.into();
    let steps: Vec<Seen> = match all_steps(&api, &operation).await? {
        Some(all) => {
            shown["steps_done"] = all.iter().filter(|seen| view::is_done(&operation, seen)).count().into();
            shown["progress"] = view::progress(&all);
            if let Some(plan) = view::plan(&operation, &all) {
                shown["plan"] = plan;
            }
            all.into_iter().skip(from).take(limit).collect()
        }
        None if limit == 0 => Vec::new(),
        None => {
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            api.store.list_items(&operation.project, operation.id, from, limit).await?
        }
    };
    shown["steps"] = steps.iter().map(|seen| view::step(&operation, seen)).collect();
    Ok(Json(json!({"operation": shown})))
}
