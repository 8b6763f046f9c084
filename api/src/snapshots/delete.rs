//! `DELETE …/snapshots/{id}`: 204 at once; until a worker has removed everything, the snapshot shows DELETE and
//! IN_PROGRESS. Deleting it again meanwhile is fine.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use stacksnap_common::store::Begun;

use super::{SnapshotPath, sent};
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
    At(path): At<SnapshotPath>,
    change: Change,
) -> Result<Response, Fault> {
    change.none()?;
    let (ready, id) = path.begin(&stacks, &change.caller, Begins::Kept).await?;
    let answer = |begun: &Begun| answer::make(begun, StatusCode::NO_CONTENT, Value::Null);
    let request = ready.request(change.request(&answer));
    let result = api.store.delete_snapshot(&request, ready.stack, id).await;
    sent(stacks.settle(&ready, result).await, &path)
}
