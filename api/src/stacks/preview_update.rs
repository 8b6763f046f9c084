//! `PUT` and `PATCH …/preview`: what an update would do to each resource; nothing changes. Nothing here is ever replaced: a
//! resource that becomes another is `updated`, for nothing outside is made or removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::ids::ResourceName;
use stacksnap_common::record::{ResourceShown, Stack};
use stacksnap_common::types::{Changes, Resource};

use super::StackPath;
use super::update::parse;
use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::{At, Params};

pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    At(path): At<StackPath>,
    params: Params,
    mut change: Change,
) -> Result<Json<Value>, Fault> {
    let body = change.required()?;
    preview(&api, &path, &params, &change, &body, false).await
}

pub(crate) async fn patch(
    State(api): State<Arc<Api>>,
    At(path): At<StackPath>,
    params: Params,
    mut change: Change,
) -> Result<Json<Value>, Fault> {
    let body = change.required()?;
    preview(&api, &path, &params, &change, &body, true).await
}

async fn preview(
    api: &Api,
    path: &StackPath,
    params: &Params,
    change: &Change,
    body: &Map<String, Value>,
    existing: bool,
) -> Result<Json<Value>, Fault> {
    params.truth("show_nested")?;
    let stack = path.live(api, change.project()).await?;
    let new = parse(api, &stack, body, existing).await?.definition.resources;
    let states = api.store.resources_shown(change.project(), stack.id).await?;
    let changes = Changes::between(&stack.resources, &new);
    let of = |all: &[Resource], names: &[ResourceName]| -> Value {
        let named = all.iter().filter(|resource| names.contains(&resource.name));
        named.map(|resource| shown(&stack, all, resource, &states)).collect()
    };
    let touched = |name: &&ResourceName| !changes.added.contains(name) && !changes.changed.contains(name);
    let unchanged: Vec<_> = new.iter().map(|resource| &resource.name).filter(touched).cloned().collect();
    Ok(Json(json!({"resource_changes": {
        "unchanged": of(&new, &unchanged),
        "updated": of(&stack.resources, &changes.changed),
        "replaced": [],
        "added": of(&new, &changes.added),
        "deleted": of(&stack.resources, &changes.removed),
    }})))
}

/// As Heat's engine has it (`heat/engine/api.py`, `format_stack_resource`): its API hands it on as it is.
fn shown(stack: &Stack, all: &[Resource], resource: &Resource, states: &BTreeMap<String, ResourceShown>) -> Value {
    let shown = crate::resources::shown(states.get(resource.name.as_str()));
    let times = stack.times_of(&resource.name);
    let identity =
        |path: &str| json!({"stack_name": stack.name, "stack_id": stack.id, "tenant": stack.project, "path": path});
    let needs = all.iter().filter(|other| other.depends_on.contains(&resource.name));
    json!({
        "updated_time": rfc3339(times.updated_at),
        "creation_time": rfc3339(times.created_at),
        "resource_name": resource.name,
        "physical_resource_id": resource.external_id.as_deref().unwrap_or_default(),
        "resource_action": shown.action,
        "resource_status": shown.status.as_str(),
        "resource_status_reason": shown.reason,
        "resource_type": resource.kind,
        "resource_identity": identity(&format!("/resources/{}", resource.name)),
        "stack_identity": identity(""),
        "stack_name": stack.name,
        "required_by": needs.map(|other| other.name.as_str()).collect::<Vec<_>>(),
    })
}
