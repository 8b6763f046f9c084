//! `POST …/snapshots/{id}/restore`: 202. Heat takes no body; here `resources` (a list of names) and `safety` (whether to
//! take a safety snapshot first) may be given, in a body, or as `resource=` and `safety=` in the query, or `safety` as the
//! header `X-Stacksnap-Safety`. Anything else in a body is refused, as Heat refuses it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};
use stacksnap_common::store::Begun;
use stacksnap_common::store::snapshots::NewRestore;

use super::{SnapshotPath, named, resource_names, sent, unknown};
use crate::Api;
use crate::answer;
use crate::body::Change;
use crate::fault::Fault;
use crate::heat::Begins;
use crate::params::{At, Params, truth};
use crate::source::Stacks;

const SAFETY: &str = "x-stacksnap-safety";

pub(crate) async fn restore(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<SnapshotPath>,
    params: Params,
    headers: HeaderMap,
    mut change: Change,
) -> Result<Response, Fault> {
    let new = parse(change.body.take().unwrap_or_default(), &params, &headers)?;
    let snapshot = path.snapshot_id.to_ascii_lowercase().parse().ok();
    let (ready, id) = path.begin(&stacks, &change.caller, Begins::Restore(snapshot)).await?;
    let answer = |begun: &Begun| answer::make(begun, StatusCode::ACCEPTED, Value::Null);
    let request = ready.request(change.request(&answer));
    let result = api.store.restore_snapshot(&request, ready.stack, id, &new).await;
    sent(stacks.settle(&ready, result).await, &path)
}

fn parse(body: Map<String, Value>, params: &Params, headers: &HeaderMap) -> Result<NewRestore, Fault> {
    let mut new = NewRestore { resources: named(params)?, safety: params.truth("safety")? };
    if let Some(value) = headers.get(SAFETY) {
        new.safety = Some(truth("X-Stacksnap-Safety", value.to_str().unwrap_or("?"))?);
    }
    for (key, value) in body {
        match (key.as_str(), value) {
            ("resources", value) => new.resources.extend(resource_names(&value)?),
            ("safety", Value::Bool(yes)) => new.safety = Some(yes),
            ("safety", _) => return Err(Fault::bad_request("safety must be true or false.")),
            _ => return Err(unknown(&key)),
        }
    }
    Ok(new)
}
