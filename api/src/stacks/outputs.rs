//! `GET …/outputs` names them; `GET …/outputs/{key}` shows one with its value.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::StackPath;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;
use crate::template;

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<StackPath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.live(&api, &caller.project).await?;
    let mut outputs = template::outputs(&stack);
    for output in outputs.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        output.retain(|key, _| key == "output_key" || key == "description");
    }
    Ok(Json(json!({"outputs": outputs})))
}

#[derive(Debug, Deserialize)]
pub(crate) struct OutputPath {
    #[serde(flatten)]
    stack: StackPath,
    output_key: String,
}

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    At(path): At<OutputPath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.stack.live(&api, &caller.project).await?;
    let outputs = template::outputs(&stack);
    let found =
        outputs.as_array().into_iter().flatten().find(|output| output["output_key"] == path.output_key.as_str());
    match found {
        Some(output) => Ok(Json(json!({"output": output}))),
        None => {
            let why = format!("Specified output key {} not found.", path.output_key);
            Err(Fault::new(StatusCode::NOT_FOUND, "NotFound", why))
        }
    }
}
