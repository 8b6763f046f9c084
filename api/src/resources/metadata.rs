//! `GET …/resources/{resource}/metadata`: what the template says as the resource's metadata.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::show::ResourcePath;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;
use crate::template;

pub(crate) async fn metadata(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<ResourcePath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let (stack, _) = path.find(&api, &caller).await?;
    Ok(Json(json!({"metadata": template::metadata(&stack, &path.resource_name)})))
}
