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
use crate::params::At;

pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    At(path): At<StackPath>,
    change: Change,
) -> Result<Response, Fault> {
    change.none()?;
    let stack = path.live(&api, change.project()).await?;
    let answer = |begun: &Begun| answer::make(begun, StatusCode::NO_CONTENT, Value::Null);
    let answer = api.store.delete_stack(&change.request(&answer), stack.id).await.map_err(|error| path.fault(error))?;
    Ok(answer::send(answer))
}
