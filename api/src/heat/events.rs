//! `GET …/events`, and `…/resources/{resource}/events`: Heat's events and ours, in the order of time.
//!
//! Of a stack that we have no events of, the answer is Heat's. Else Heat is asked for all of its events (it keeps 1,000 of
//! a stack by default), and order, filters, marker and limit are applied to both kinds together: a marker may be an event
//! of ours, and a page may end with one.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use stacksnap_common::clock::rfc3339;

use super::Heat;
use super::ask::Answer;
use super::merge::{Ours, Place, Theirs, merge};
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::stacks::StackPath;
use crate::stacks::events as registry;

/// Applied here and not by Heat.
const PAGING: [&str; 4] = ["limit", "marker", "sort_dir", "sort_keys"];

#[derive(Debug, Deserialize)]
pub(super) struct Path {
    #[serde(flatten)]
    stack: StackPath,
    resource_name: Option<String>,
}

pub(super) async fn events(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<Path>,
    params: Params,
    request: Request,
) -> Result<Response, Fault> {
    let heat = api.heat()?;
    let (parts, _) = request.into_parts();
    let shadow = match path.stack.stack_id.to_ascii_lowercase().parse() {
        Ok(id) => api.store.shadow(&caller.project, id).await?,
        Err(_) => None,
    };
    let ours = match &shadow {
        Some(stack) => api.store.list_events(&caller.project, stack.id).await?,
        None => Vec::new(),
    };
    let (Some(stack), false) = (shadow, ours.is_empty()) else {
        let answer = heat.ask(&parts, heat.at(&parts.uri, parts.uri.query())?).await?;
        return Ok(answer.unchanged(&heat, &base));
    };
    let limit = params.number("limit")?.filter(|limit| *limit > 0);
    let descending = params.descending(true)?;
    let all = match asked(&heat, &parts, |name| name == "nested_depth").await? {
        Ok(all) => all,
        // 404 of a resource that Heat has no events of.
        Err(answer) if answer.status == axum::http::StatusCode::NOT_FOUND && path.resource_name.is_some() => {
            return Ok(answer.unchanged(&heat, &base));
        }
        Err(answer) => return Ok(answer.unchanged(&heat, &base)),
    };
    let is_filter = |name: &str| !PAGING.contains(&name) && name != "nested_depth";
    let fit: Option<BTreeSet<String>> = if params.names().any(is_filter) {
        match asked(&heat, &parts, |name| !PAGING.contains(&name)).await? {
            Ok(fit) => Some(fit.iter().filter_map(|event| event["id"].as_str().map(str::to_owned)).collect()),
            Err(answer) => return Ok(answer.unchanged(&heat, &base)),
        }
    } else {
        None
    };
    let of_theirs: Vec<_> = all
        .iter()
        .map(|event| {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            Theirs { id: text("id"), at: text("event_time") }
        })
        .collect();
    let of_ours: Vec<_> = ours.iter().map(|event| Ours { after: event.after.clone(), at: rfc3339(event.at) }).collect();
    let mut merged = merge(&of_theirs, &of_ours);
    if descending {
        merged.reverse();
    }
    if let Some(marker) = params.get("marker") {
        let is_marker = |place: &Place| match place {
            Place::Theirs(at) => of_theirs[*at].id == marker,
            Place::Ours(at) => ours[*at].id.to_string() == marker,
        };
        // A marker that is not there is the whole list, as in Heat.
        let after = merged.iter().position(is_marker).map_or(0, |at| at + 1);
        merged.drain(..after);
    }
    let wanted = |place: &Place| match place {
        Place::Theirs(at) => fit.as_ref().is_none_or(|fit| fit.contains(&of_theirs[*at].id)),
        Place::Ours(at) => {
            let event = &ours[*at];
            path.resource_name.as_deref().is_none_or(|name| name == registry::name(&stack, event))
                && registry::wanted(&stack, event, &params)
        }
    };
    let shown: Vec<Value> = merged
        .into_iter()
        .filter(wanted)
        .take(limit.unwrap_or(usize::MAX))
        .map(|place| match place {
            Place::Theirs(at) => all[at].clone(),
            Place::Ours(at) => registry::view(&base, &stack, &ours[at]),
        })
        .collect();
    Ok(json_answer(&heat, &base, &json!({"events": shown})))
}

/// All of Heat's events, oldest first, with those of the caller's parameters that are `kept`. The inner error is an
/// answer of Heat's that is no list.
async fn asked(heat: &Heat, parts: &Parts, kept: impl Fn(&str) -> bool) -> Result<Result<Vec<Value>, Answer>, Fault> {
    let query = parts.uri.query().unwrap_or_default();
    let mut asked: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next().is_some_and(&kept))
        .map(str::to_owned)
        .collect();
    asked.push("sort_dir=asc".to_owned());
    let answer = heat.ask(parts, heat.at(&parts.uri, Some(&asked.join("&")))?).await?;
    Ok(match answer.json() {
        Some(body) => Ok(body["events"].as_array().cloned().unwrap_or_default()),
        None => Err(answer),
    })
}

fn json_answer(heat: &Heat, base: &Base, body: &Value) -> Response {
    use axum::response::IntoResponse;
    let replaced = super::urls::Urls::new(&heat.url, base).replace(body.to_string().as_bytes());
    ([(axum::http::header::CONTENT_TYPE, "application/json")], replaced).into_response()
}
