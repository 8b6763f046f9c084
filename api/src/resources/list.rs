//! `GET …/resources`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stacksnap_common::types::Resource;

use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::stacks::StackPath;

/// What a list can be narrowed by; another key is refused, as in Heat.
const FILTERS: [&str; 6] = ["type", "status", "name", "action", "id", "physical_resource_id"];
const OTHERS: [&str; 2] = ["nested_depth", "with_detail"];

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<StackPath>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    if let Some(unknown) = params.names().find(|name| !FILTERS.contains(name) && !OTHERS.contains(name)) {
        return Err(Fault::bad_request(format!("Invalid filter parameters ['{unknown}']")));
    }
    params.number("nested_depth")?;
    let detail = params.truth("with_detail")?.unwrap_or(false);
    let stack = path.any(&api, &caller.project).await?;
    if stack.deleted_at.is_some() {
        return Ok(Json(json!({"resources": []})));
    }
    let states = api.store.resources_shown(&caller.project, stack.id).await?;
    let wanted = |resource: &&Resource| {
        let shown = super::shown(states.get(resource.name.as_str()));
        let is = |key, value: &str| params.wants(&[key], value);
        is("type", &resource.kind)
            && is("name", resource.name.as_str())
            && is("status", shown.status.as_str())
            && is("action", &shown.action)
            && is("physical_resource_id", resource.external_id.as_deref().unwrap_or_default())
            && is("id", resource.name.as_str())
    };
    let found = stack.resources.iter().filter(wanted).map(|resource| {
        let mut shown = super::view(&base, &stack, resource, &states);
        if detail {
            super::show::detail(&mut shown, resource);
        }
        shown
    });
    Ok(Json(json!({"resources": found.collect::<Vec<_>>()})))
}
