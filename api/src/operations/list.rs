//! `GET /operations`: the newest first; `stack` (an id), `snapshot`, `kind` and `state` narrow it, `limit` (default 100,
//! at most 1,000) and `marker` (the last id seen) page it. A state that no operation can have is a 400.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stacksnap_common::ids::OperationId;
use stacksnap_common::operation::{Operation, State as Reached};

use super::view;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::Params;

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let limit = params.number("limit")?.unwrap_or(100).min(1000);
    let marker = params.parsed::<OperationId>("marker")?;
    let state = params.get("state").map(state).transpose()?;
    let wanted = |operation: &Operation| {
        let is = |key, value: &str| params.get(key).is_none_or(|asked| asked.eq_ignore_ascii_case(value));
        is("stack", &operation.stack.to_string())
            && params.get("snapshot").is_none_or(|id| operation.snapshot.is_some_and(|own| own.to_string() == id))
            && is("kind", operation.kind.as_str())
            && state.is_none_or(|state| state == operation.state)
    };
    let found = api.store.newest_operations(&caller.project, marker, limit, wanted).await?;
    let more = found.len() == limit && limit > 0;
    let mut body = json!({"operations": found.iter().map(view::brief).collect::<Vec<_>>()});
    if let (true, Some(last)) = (more, found.last()) {
        body["next_marker"] = last.id.to_string().into();
    }
    Ok(Json(body))
}

fn state(text: &str) -> Result<Reached, Fault> {
    let found = Reached::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        Fault::bad_request("state must be one of waiting, preparing, running, complete, failed, cancelled.")
    })
}
