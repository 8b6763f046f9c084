//! `POST …/actions`: one of suspend, resume, check, cancel_update, cancel_without_rollback, as the body's only key. 200 and
//! `null`, with the stack's new status shown by then. Each action has a rule of its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use stacksnap_common::store::actions::Action;
use stacksnap_common::store::{Begun, Request};

use super::StackPath;
use crate::Api;
use crate::answer;
use crate::auth::allowed;
use crate::auth::policy::{self, Rule};
use crate::body::Change;
use crate::fault::Fault;
use crate::params::At;
use crate::source::Stacks;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Act(Action),
    CancelUpdate { rollback: bool },
}

pub(crate) async fn act(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<StackPath>,
    mut change: Change,
) -> Result<Response, Fault> {
    let (asked, rule) = parse(&change.body.take().unwrap_or_default())?;
    allowed(&change.caller, rule)?;
    let stack = path.live(&api, change.project()).await?;
    let answer = |begun: &Begun| answer::make(begun, StatusCode::OK, Value::Null);
    if matches!(asked, Asked::Act(action) if action.is_done(&stack)) {
        return Ok(Json(Value::Null).into_response());
    }
    let grant = match asked {
        Asked::Act(Action::Check) => stacks.act(&change.caller, &stack.resources).await?,
        _ => None,
    };
    let request = Request { grant, ..change.request(&answer) };
    let done = match asked {
        Asked::Act(action) => api.store.act(&request, stack.id, action).await,
        Asked::CancelUpdate { rollback } => api.store.cancel_update(&request, stack.id, rollback).await,
    };
    let done = stacks.settle_grant(&request, done).await;
    Ok(answer::send(done.map_err(|error| path.fault(error))?))
}

fn parse(body: &Map<String, Value>) -> Result<(Asked, Rule), Fault> {
    let mut keys = body.keys();
    let Some(name) = keys.next() else { return Err(Fault::bad_request("No action specified")) };
    if keys.next().is_some() {
        return Err(Fault::bad_request("Multiple actions specified"));
    }
    Ok(match name.as_str() {
        "suspend" => (Asked::Act(Action::Suspend), policy::ACTION_SUSPEND),
        "resume" => (Asked::Act(Action::Resume), policy::ACTION_RESUME),
        "check" => (Asked::Act(Action::Check), policy::ACTION_CHECK),
        "cancel_update" => (Asked::CancelUpdate { rollback: true }, policy::ACTION_CANCEL_UPDATE),
        "cancel_without_rollback" => (Asked::CancelUpdate { rollback: false }, policy::ACTION_CANCEL_WITHOUT_ROLLBACK),
        other => {
            let other: String = other.chars().take(80).collect();
            return Err(Fault::bad_request(format!("Invalid action {other} specified")));
        }
    })
}
