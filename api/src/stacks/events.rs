//! `GET …/events`, and `…/resources/{resource}/events`: what happened, newest first unless asked otherwise. `--wait` of
//! Heat's clients polls it with `sort_dir=asc` and the last id as `marker`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::record::{Event, Stack};

use super::StackPath;
use super::view::link;
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};

pub(crate) async fn events(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<StackPath>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.any(&api, &caller.project).await?;
    let events = api.store.list_events(&caller.project, stack.id).await?;
    page(&base, &stack, events, &params)
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResourceEventsPath {
    #[serde(flatten)]
    stack: StackPath,
    resource_name: String,
}

pub(crate) async fn of_resource(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<ResourceEventsPath>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.stack.any(&api, &caller.project).await?;
    let mut events = api.store.list_events(&caller.project, stack.id).await?;
    events.retain(|event| name(&stack, event) == path.resource_name);
    if events.is_empty() {
        return Err(crate::resources::missing(&stack, &path.resource_name));
    }
    page(&base, &stack, events, &params)
}

fn page(base: &Base, stack: &Stack, mut events: Vec<Event>, params: &Params) -> Result<Json<Value>, Fault> {
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    if params.descending(true)? {
        events.reverse();
    }
    if let Some(marker) = params.get("marker") {
        let after = events.iter().position(|event| event.id.to_string() == marker).map_or(0, |at| at + 1);
        events.drain(..after);
    }
    let wanted = |event: &&Event| wanted(stack, event, params);
    let shown: Vec<_> = events.iter().filter(wanted).take(limit).map(|event| view(base, stack, event)).collect();
    Ok(Json(json!({"events": shown})))
}

/// Whether it passes the filters that a caller gave.
pub(crate) fn wanted(stack: &Stack, event: &Event, params: &Params) -> bool {
    let is = |key, value: &str| params.get(key).is_none_or(|asked| asked.eq_ignore_ascii_case(value));
    is("resource_name", name(stack, event))
        && is("resource_action", &event.shown.action)
        && (is("resource_status", event.shown.status.as_str()) || is("resource_status", &event.shown.word()))
}

/// The stack's own events bear the stack's name.
pub(crate) fn name<'a>(stack: &'a Stack, event: &'a Event) -> &'a str {
    event.resource.as_ref().map_or(stack.name.as_str(), |name| name.as_str())
}

pub(crate) fn view(base: &Base, stack: &Stack, event: &Event) -> Value {
    let (name, href) = (name(stack, event), base.stack(stack));
    let resource = format!("{href}/resources/{name}");
    let physical = match &event.resource {
        None => Some(stack.id.to_string()),
        Some(name) => {
            let found = stack.resources.iter().find(|resource| resource.name == *name);
            found.and_then(|resource| resource.external_id.clone())
        }
    };
    json!({
        "id": event.id,
        "links": [
            link(&format!("{resource}/events/{}", event.id), "self"),
            link(&resource, "resource"),
            link(&href, "stack"),
        ],
        "event_time": rfc3339(event.at),
        "logical_resource_id": name,
        "resource_name": name,
        "physical_resource_id": physical.unwrap_or_default(),
        "resource_status": event.shown.word(),
        "resource_status_reason": event.shown.reason,
    })
}
