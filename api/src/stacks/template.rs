//! `GET …/template`: the template as it was given, as a bare object.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::StackPath;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;

pub(crate) async fn template(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<StackPath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    Ok(Json(path.any(&api, &caller.project).await?.template))
}
