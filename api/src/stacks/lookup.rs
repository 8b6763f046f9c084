//! A stack by its name or its id alone: 302 to both, on any method, the query kept. The same for some of what is below
//! a stack; snapshots are not among them, in Heat neither.

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use serde::Deserialize;

use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::params::At;
use crate::webob;

#[derive(Debug, Deserialize)]
pub(crate) struct LookupPath {
    stack_name: String,
}

pub(crate) async fn stack(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<LookupPath>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Fault> {
    redirect(&api, &caller, &base, &path.stack_name, "", uri.query()).await
}

pub(crate) async fn below(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    At(path): At<LookupPath>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Fault> {
    let below = uri.path().rsplit_once('/').map_or("", |(_, below)| below);
    redirect(&api, &caller, &base, &path.stack_name, &format!("/{below}"), uri.query()).await
}

async fn redirect(
    api: &Api,
    caller: &Caller,
    base: &Base,
    name: &str,
    below: &str,
    query: Option<&str>,
) -> Result<Response, Fault> {
    let store = &api.store;
    // An id first, as Heat does; a deleted stack is still found by it.
    let stack = match name.to_ascii_lowercase().parse() {
        Ok(id) => store.find_stack(&caller.project, id).await,
        Err(_) => match name.parse() {
            Ok(name) => store.find_stack_by_name(&caller.project, &name).await,
            Err(_) => return Err(Fault::no_stack(name)),
        },
    };
    let stack = stack.map_err(|error| Fault::from(error).about_stack(name))?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(webob::found(&format!("{}{below}{query}", base.stack(&stack))))
}
