//! `DELETE …/abandon`: the stack is given up, and what is needed to adopt it again is handed out. Its resources are not
//! touched, and its snapshots wait for it: they are there again when the document is adopted in the same project.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use stacksnap_common::store::Begun;

use super::StackPath;
use super::document::document;
use crate::Api;
use crate::answer;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::At;

pub(crate) async fn abandon(
    State(api): State<Arc<Api>>,
    At(path): At<StackPath>,
    change: Change,
) -> Result<Response, Fault> {
    change.none()?;
    enabled(&api)?;
    // A deleted one too: the same request, sent again, is answered with the document once more.
    let stack = path.any(&api, change.project()).await?;
    let states = api.store.resources_shown(change.project(), stack.id).await?;
    let answer = |begun: &Begun| {
        let document = begun.captured.as_ref().map(|captured| document(&begun.stack.project, captured, &states));
        answer::make(begun, StatusCode::OK, document.unwrap_or(Value::Null))
    };
    let answer =
        api.store.abandon_stack(&change.request(&answer), stack.id).await.map_err(|error| path.fault(error))?;
    Ok(answer::send(answer))
}

pub(super) fn enabled(api: &Api) -> Result<(), Fault> {
    if api.stacks.enable_abandon {
        Ok(())
    } else {
        Err(Fault::refused("NotSupported", "Stack Abandon is not supported."))
    }
}
