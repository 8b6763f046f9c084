//! `GET …/resources` and `…/resources/{name}`: Heat's answer, with our states of resources while ours is the newer state
//! of their stack. Nested stacks' resources keep Heat's state.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;
use stacksnap_common::ids::ProjectId;
use stacksnap_common::record::{ResourceShown, Stack};

use super::{Heat, overlay};
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::stacks::StackPath;

/// Filters that look at a state.
const STATES: [&str; 2] = ["status", "action"];

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<StackPath>,
    params: Params,
    request: Request,
) -> Result<Response, Fault> {
    let heat = api.heat()?;
    let (parts, _) = request.into_parts();
    let newer = newer(&api, &heat, &caller.project, &path, &parts).await?;
    let states = match &newer {
        Some(states) if params.names().any(|name| STATES.contains(&name)) => Some(states),
        _ => None,
    };
    let query = match states {
        // What is asked for by state is filtered here, by what is shown.
        Some(_) => without_states(parts.uri.query().unwrap_or_default()),
        None => parts.uri.query().unwrap_or_default().to_owned(),
    };
    let query = (!query.is_empty()).then_some(query);
    let answer = heat.ask(&parts, heat.at(&parts.uri, query.as_deref())?).await?;
    let (Some(mut body), Some(shown)) = (answer.json(), newer) else { return Ok(answer.unchanged(&heat, &base)) };
    if let Some(rows) = body["resources"].as_array_mut() {
        for row in rows.iter_mut() {
            write(row, &shown);
        }
        if params.names().any(|name| STATES.contains(&name)) {
            rows.retain(|row| matches(row, &params));
        }
    }
    Ok(answer.changed(&heat, &base, &body))
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<StackPath>,
    request: Request,
) -> Result<Response, Fault> {
    let heat = api.heat()?;
    let (parts, _) = request.into_parts();
    let newer = newer(&api, &heat, &caller.project, &path, &parts).await?;
    let answer = heat.ask(&parts, heat.at(&parts.uri, parts.uri.query())?).await?;
    let (Some(mut body), Some(shown)) = (answer.json(), newer) else { return Ok(answer.unchanged(&heat, &base)) };
    write(&mut body["resource"], &shown);
    Ok(answer.changed(&heat, &base, &body))
}

fn write(row: &mut Value, shown: &BTreeMap<String, ResourceShown>) {
    if row.get("parent_resource").is_some_and(|parent| !parent.is_null()) {
        return;
    }
    if let Some(shown) = row["resource_name"].as_str().and_then(|name| shown.get(name)) {
        overlay::resource(row, shown);
    }
}

/// Our states of a stack's resources, if they are what is to be shown.
async fn newer(
    api: &Api,
    heat: &Heat,
    project: &ProjectId,
    path: &StackPath,
    parts: &axum::http::request::Parts,
) -> Result<Option<BTreeMap<String, ResourceShown>>, Fault> {
    let Ok(id) = path.stack_id.to_ascii_lowercase().parse() else { return Ok(None) };
    let Some(shadow) = api.store.shadow(project, id).await? else { return Ok(None) };
    if !shows(heat, project, path, parts, &shadow).await {
        return Ok(None);
    }
    let states = api.store.resources_shown(project, id).await?;
    // Of what other operations did before there may be older ones.
    let of_now = |state: &ResourceShown| state.shown.action == shadow.shown.action;
    Ok(Some(states.into_iter().filter(|(_, state)| of_now(state)).collect()))
}

/// Whether the stack shows our state now; where Heat does not say, it does not.
async fn shows(
    heat: &Heat,
    project: &ProjectId,
    path: &StackPath,
    parts: &axum::http::request::Parts,
    shadow: &Stack,
) -> bool {
    match heat.of(project, &parts.headers).stack(&path.stack_name, &path.stack_id).await {
        Ok(stack) => overlay::covers(shadow, &super::read::seen(&stack)),
        Err(_) => false,
    }
}

fn matches(row: &Value, params: &Params) -> bool {
    let word = row["resource_status"].as_str().unwrap_or_default();
    let (action, status) =
        stacksnap_common::heat::split(word).map_or((word, ""), |(action, status)| (action, status.as_str()));
    let is = |name: &str, value: &str| {
        let mut asked = params.all(name).peekable();
        asked.peek().is_none() || asked.any(|asked| asked.eq_ignore_ascii_case(value))
    };
    is("status", status) && is("action", action)
}

fn without_states(query: &str) -> String {
    let is_state = |pair: &str| pair.split('=').next().is_some_and(|name| STATES.contains(&name));
    query.split('&').filter(|pair| !pair.is_empty() && !is_state(pair)).collect::<Vec<_>>().join("&")
}
