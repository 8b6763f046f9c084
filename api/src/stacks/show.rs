//! `GET /stacks/{name}/{id}`. Deleted stacks are shown too, as `DELETE_COMPLETE`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{StackPath, view};
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<StackPath>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let outputs = params.truth("resolve_outputs")?.unwrap_or(true);
    let stack = path.any(&api, &caller.project).await?;
    Ok(Json(json!({"stack": view::full(&base, &stack, outputs)})))
}
