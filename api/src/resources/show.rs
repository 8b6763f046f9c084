//! `GET …/resources/{resource}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use stacksnap_common::record::Stack;
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
    pub(crate) stack: StackPath,
    pub(crate) resource_name: String,
}

impl ResourcePath {
    /// A stack that is not deleted, and its resource's place in it.
    pub(super) async fn find(&self, api: &Api, caller: &Caller) -> Result<(Stack, usize), Fault> {
        let stack = self.stack.live(api, &caller.project).await?;
        let place = stack.resources.iter().position(|resource| resource.name.as_str() == self.resource_name);
        let place = place.ok_or_else(|| super::missing(&stack, &self.resource_name))?;
        Ok((stack, place))
    }
}

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<ResourcePath>,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let (stack, place) = path.find(&api, &caller).await?;
    let resource = &stack.resources[place];
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
