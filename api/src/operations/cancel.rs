//! `POST /operations/{id}/cancel`: 202; it ends when what it must undo is undone. Cancelling twice is fine.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{OperationPath, view};
use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::At;

pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    At(path): At<OperationPath>,
    mut change: Change,
) -> Result<Response, Fault> {
    if change.body.take().is_some_and(|body| !body.is_empty()) {
        return Err(Fault::malformed());
    }
    let operation = api.store.cancel(change.project(), path.id()?, &change.caller.user).await?;
    let header = [("x-stacksnap-operation", operation.id.to_string())];
    Ok((StatusCode::ACCEPTED, header, Json(json!({"operation": view::brief(&operation)}))).into_response())
}
