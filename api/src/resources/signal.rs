//! `POST …/resources/{resource}/signal`: no type that this service knows takes signals, which Heat answers with 400.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::show::ResourcePath;
use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::At;

pub(crate) async fn signal(
    State(api): State<Arc<Api>>,
    At(path): At<ResourcePath>,
    change: Change,
) -> Result<Json<Value>, Fault> {
    path.find(&api, &change.caller).await?;
    Err(Fault::refused("ResourceActionNotSupported", "signal is not supported for resource."))
}
