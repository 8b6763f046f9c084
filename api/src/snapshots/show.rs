//! `GET …/snapshots/{id}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::{SnapshotPath, view};
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;
use crate::source::Stacks;

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    caller: Caller,
    At(path): At<SnapshotPath>,
    _: NoBody,
) -> Result<Response, Fault> {
    let (stack, id) = path.find(&stacks, &caller).await?;
    let snapshot = api.store.find_snapshot(&caller.project, stack, id).await?;
    let shown = view::with_data(&api, &caller.project, &snapshot).await?;
    Ok(Json(BTreeMap::from([("snapshot", shown)])).into_response())
}
