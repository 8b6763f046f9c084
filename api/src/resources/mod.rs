//! A stack's resources, as Heat has them: `…/stacks/{name}/{id}/resources…`.

pub(crate) mod list;
pub(crate) mod mark;
pub(crate) mod metadata;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod signal;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::native;
use stacksnap_common::record::{ResourceShown, Shown, Stack, Status};
use stacksnap_common::types::Resource;

use crate::base::Base;
use crate::fault::Fault;
use crate::stacks::view::link;

/// 404 of a resource that is not in the stack.
pub(crate) fn missing(stack: &Stack, name: &str) -> Fault {
    let text = format!("The Resource ({name}) could not be found in Stack {}.", stack.name);
    Fault::new(StatusCode::NOT_FOUND, "ResourceNotFound", text)
}

/// As `list` has it; `show` adds to it.
fn view(base: &Base, stack: &Stack, resource: &Resource, states: &BTreeMap<String, ResourceShown>) -> Value {
    let state = states.get(resource.name.as_str());
    let shown = shown(state);
    let times = stack.times_of(&resource.name);
    let required_by: Vec<_> = stack
        .resources
        .iter()
        .filter(|other| other.depends_on.contains(&resource.name))
        .map(|other| other.name.as_str())
        .collect();
    let href = base.stack(stack);
    json!({
        "updated_time": rfc3339(times.updated_at),
        "creation_time": rfc3339(times.created_at),
        "logical_resource_id": resource.name,
        "resource_name": resource.name,
        "physical_resource_id": physical_id(resource, state),
        "resource_status": shown.word(),
        "resource_status_reason": shown.reason,
        "resource_type": resource.kind,
        "links": [link(&format!("{href}/resources/{}", resource.name), "self"), link(&href, "stack")],
        "required_by": required_by,
    })
}

/// What was not begun to be made has none.
fn physical_id<'a>(resource: &'a Resource, state: Option<&ResourceShown>) -> &'a str {
    let is_made = state.is_some() || native::get(&resource.kind).is_none();
    resource.external_id.as_deref().filter(|_| is_made).unwrap_or_default()
}

/// Of a native resource what its type shows; nothing here knows those of another.
fn attributes(resource: &Resource) -> Value {
    let native = native::get(&resource.kind).into_iter().flat_map(|native| native.attributes);
    let attributes = native.map(|one| (one.name.to_owned(), native::attribute(resource, one.name).unwrap_or_default()));
    Value::Object(attributes.collect())
}

/// What no operation has touched yet is as Heat has it before its creation.
pub(crate) fn shown(state: Option<&ResourceShown>) -> Shown {
    state.map_or_else(|| Shown::new("INIT", Status::Complete, ""), |state| state.shown.clone())
}
