//! `POST …/snapshots/{id}/verify`: reads what the snapshot has back and compares. 202; the operation has what was found.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::{SnapshotPath, chosen, looking, sent};
use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
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
    let (stack, id) = path.find(&stacks, &change.caller).await?;
    sent(api.store.verify_snapshot(&change.request(&looking), stack, id, &resources).await, &path)
}
