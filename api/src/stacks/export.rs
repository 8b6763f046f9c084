//! `GET …/export`: what an abandon would hand out; nothing changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use stacksnap_common::record::Captured;

use super::StackPath;
use super::document::document;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;

pub(crate) async fn export(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<StackPath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    super::abandon::enabled(&api)?;
    let stack = path.live(&api, &caller.project).await?;
    let states = api.store.resources_shown(&caller.project, stack.id).await?;
    Ok(Json(document(&caller.project, &Captured::of(&stack), &states)))
}
