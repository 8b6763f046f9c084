//! `DELETE /stacks/{name}/{id}`: all its snapshots, then the stack. What its resources name is not touched.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use stacksnap_common::store::Begun;

use super::StackPath;
use crate::Api;
use crate::answer;
use crate::body::Change;
use crate::fault::Fault;
use crate::heat::Begins;
use crate::params::At;
use crate::source::Stacks;

pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<StackPath>,
    change: Change,
) -> Result<Response, Fault> {
    change.none()?;
    let ready = stacks.begin(&path, &change.caller, Begins::StackDelete).await?;
    let answer = |begun: &Begun| answer::make(begun, StatusCode::NO_CONTENT, Value::Null);
    let request = ready.request(change.request(&answer));
    let result = api.store.delete_stack(&request, ready.stack).await;
    Ok(answer::send(stacks.settle(&ready, result).await.map_err(|error| path.fault(error))?))
}
