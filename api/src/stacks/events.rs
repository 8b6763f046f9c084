//! `GET …/events`, and `…/resources/{resource}/events`: what happened, newest first unless asked otherwise. `--wait` of
//! Heat's clients polls it with `sort_dir=asc` and the last id as `marker`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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
        let why = format!("No events found for resource {}", path.resource_name);
        return Err(Fault::new(StatusCode::NOT_FOUND, "HTTPNotFound", why));
    }
    page(&base, &stack, events, &params)
}

/// By what events can be sorted (`heat/db/api.py`, `_events_filter_and_page_query`).
const SORT_KEYS: [&str; 2] = ["event_time", "resource_type"];

fn page(base: &Base, stack: &Stack, mut events: Vec<Event>, params: &Params) -> Result<Json<Value>, Fault> {
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    let nested = params.number("nested_depth")?.unwrap_or(0) > 0;
    let keys = params.sort_keys(&SORT_KEYS);
    let descending = params.descending(keys.is_empty())?;
    if keys.first() == Some(&"resource_type") {
        // Stable: of the same type they stay in the order of time.
        events.sort_by(|a, b| kind(a).cmp(kind(b)));
    }
    if descending {
        events.reverse();
    }
    if let Some(marker) = params.get("marker") {
        let after = events.iter().position(|event| event.id.to_string() == marker).map_or(0, |at| at + 1);
        events.drain(..after);
    }
    let wanted = |event: &&Event| wanted(stack, event, params);
    let shown = events.iter().filter(wanted).take(limit).map(|event| {
        let mut shown = view(base, stack, event);
        if nested && let Some(links) = shown["links"].as_array_mut() {
            links.push(link(&base.stack(stack), "root_stack"));
        }
        shown
    });
    Ok(Json(json!({"events": shown.collect::<Vec<_>>()})))
}

#[derive(Debug, Deserialize)]
pub(crate) struct EventPath {
    #[serde(flatten)]
    stack: StackPath,
    resource_name: String,
    event_id: String,
}

/// `GET …/resources/{resource}/events/{id}`: with the type. The properties, which Heat shows too, are left out: they hold
/// the values of hidden parameters.
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<EventPath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.stack.any(&api, &caller.project).await?;
    let id = path.event_id.to_ascii_lowercase();
    let events = api.store.list_events(&caller.project, stack.id).await?;
    let found = events.iter().find(|event| event.id.to_string() == id && name(&stack, event) == path.resource_name);
    let Some(event) = found else {
        let why = format!("No event {} found", path.event_id);
        return Err(Fault::new(StatusCode::NOT_FOUND, "HTTPNotFound", why));
    };
    let mut shown = view(&base, &stack, event);
    shown["resource_type"] = kind(event).into();
    shown["resource_properties"] = json!({});
    Ok(Json(json!({"event": shown})))
}

/// Whether it passes the filters that a caller gave.
pub(crate) fn wanted(stack: &Stack, event: &Event, params: &Params) -> bool {
    let (status, word) = (event.shown.status.as_str(), event.shown.word());
    let same = |asked: &str, value: &str| asked.eq_ignore_ascii_case(value);
    params.wants(&["resource_name"], name(stack, event))
        && params.wants(&["resource_type"], kind(event))
        && params.asks(&["resource_action"], |asked| same(asked, &event.shown.action))
        && params.asks(&["resource_status"], |asked| same(asked, status) || same(asked, &word))
}

/// The stack's own events bear the stack's name.
pub(crate) fn name<'a>(stack: &'a Stack, event: &'a Event) -> &'a str {
    event.resource.as_ref().map_or(stack.name.as_str(), |name| name.as_str())
}

fn kind(event: &Event) -> &str {
    match (&event.resource, &event.kind) {
        (None, _) => "OS::Heat::Stack",
        (Some(_), kind) => kind.as_deref().unwrap_or_default(),
    }
}

pub(crate) fn view(base: &Base, stack: &Stack, event: &Event) -> Value {
    let (name, href) = (name(stack, event), base.stack(stack));
    let resource = format!("{href}/resources/{name}");
    let physical = match event.resource {
        None => Some(stack.id.to_string()),
        Some(_) => event.physical_id.clone(),
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
