//! A stack's resources, as Heat has them: `…/stacks/{name}/{id}/resources…`.

pub(crate) mod list;
pub(crate) mod routes;
pub(crate) mod show;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use stacksnap_common::clock::rfc3339;
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
    let created = stack.created_at;
    let updated = state.and_then(|state| state.updated_at).unwrap_or(created);
    let required_by: Vec<_> = stack
        .resources
        .iter()
        .filter(|other| other.depends_on.contains(&resource.name))
        .map(|other| other.name.as_str())
        .collect();
    let href = base.stack(stack);
    json!({
        "updated_time": rfc3339(updated),
        "creation_time": rfc3339(created),
        "logical_resource_id": resource.name,
        "resource_name": resource.name,
        "physical_resource_id": resource.external_id.as_deref().unwrap_or_default(),
        "resource_status": shown.word(),
        "resource_status_reason": shown.reason,
        "resource_type": resource.kind,
        "links": [link(&format!("{href}/resources/{}", resource.name), "self"), link(&href, "stack")],
        "required_by": required_by,
    })
}

/// What no operation has touched yet is as Heat has it before its creation.
fn shown(state: Option<&ResourceShown>) -> Shown {
    state.map_or_else(|| Shown::new("INIT", Status::Complete, ""), |state| state.shown.clone())
}
