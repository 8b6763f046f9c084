//! `GET …/environment`: what the stack was made with, hidden values masked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::StackPath;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;
use crate::template::hidden;

pub(crate) async fn environment(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<StackPath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.any(&api, &caller.project).await?;
    let mut shown = hidden::environment(&stack.template, &stack.environment);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("encrypted_param_names".to_owned(), json!([]));
    }
    Ok(Json(shown))
}
