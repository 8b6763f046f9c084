//! `DELETE /stacks/{name}/{id}`: 204 at once. A stack that we have snapshots of is deleted by a worker: the snapshots
//! first, then the stack in Heat. One that we have nothing of is Heat's alone, and the request goes to Heat.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use stacksnap_common::store::Begun;

use super::{Begins, forward};
use crate::Api;
use crate::answer;
use crate::auth::Caller;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::At;
use crate::source::Stacks;
use crate::stacks::StackPath;

pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    stacks: Stacks,
    At(path): At<StackPath>,
    request: Request,
) -> Result<Response, Fault> {
    let ours = match path.stack_id.to_ascii_lowercase().parse() {
        Ok(id) => match api.store.shadow(&caller.project, id).await? {
            Some(shadow) if shadow.deleted_at.is_none() => {
                shadow.busy.is_some() || !api.store.list_snapshots(&caller.project, id).await?.is_empty()
            }
            _ => false,
        },
        Err(_) => false,
    };
    if !ours {
        return forward::forward(State(api), caller, request).await;
    }
    let change = Change::from_request(request, &api).await?;
    change.none()?;
    let ready = stacks.begin(&path, &change.caller, Begins::StackDelete).await?;
    let answer = |begun: &Begun| answer::make(begun, StatusCode::NO_CONTENT, Value::Null);
    let request = ready.request(change.request(&answer));
    let result = api.store.delete_stack(&request, ready.stack).await;
    let result = stacks.settle(&ready, result).await;
    Ok(answer::send(result.map_err(|error| path.fault(error))?))
}
