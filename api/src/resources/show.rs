//! `GET …/resources/{resource}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use stacksnap_common::types::Resource;

use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::At;
use crate::stacks::StackPath;

#[derive(Debug, Deserialize)]
pub(crate) struct ResourcePath {
    #[serde(flatten)]
    stack: StackPath,
    resource_name: String,
}

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<ResourcePath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let stack = path.stack.live(&api, &caller.project).await?;
    let found = stack.resources.iter().find(|resource| resource.name.as_str() == path.resource_name);
    let resource = found.ok_or_else(|| super::missing(&stack, &path.resource_name))?;
    let states = api.store.resources_shown(&caller.project, stack.id).await?;
    let mut shown = super::view(&base, &stack, resource, &states);
    detail(&mut shown, resource);
    Ok(Json(json!({"resource": shown})))
}

/// What a list has only with `with_detail`. Ours: the pool, whose workers can reach the resource.
pub(super) fn detail(shown: &mut Value, resource: &Resource) {
    shown["description"] = "".into();
    shown["attributes"] = super::attributes(resource);
    shown["pool"] = resource.pool.as_str().into();
}
