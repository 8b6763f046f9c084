//! `POST …/snapshots/{id}/verify`: reads what the snapshot has back and compares. 202; the operation has what was found.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::{SnapshotPath, chosen, looking, sent};
use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::heat::Begins;
use crate::params::{At, Params};
use crate::source::Stacks;

pub(crate) async fn verify(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<SnapshotPath>,
    params: Params,
    mut change: Change,
) -> Result<Response, Fault> {
    let resources = chosen(change.body.take(), &params)?;
    let (ready, id) = path.begin(&stacks, &change.caller, Begins::Kept).await?;
    let request = ready.request(change.request(&looking));
    let result = api.store.verify_snapshot(&request, ready.stack, id, &resources).await;
    sent(stacks.settle(&ready, result).await, &path)
}
