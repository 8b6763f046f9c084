//! Snapshots that Heat made itself, before it stood behind us: listed with ours, and shown, restored and deleted by Heat.
//!
//! Heat restores under a hold, so nothing of ours runs meanwhile; and only a stack that it does not work on, which it
//! would not check itself (26 and later pre-empt what runs).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::forward;
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::source::Stacks;
use crate::stacks::StackPath;

#[derive(Debug, Deserialize)]
pub(super) struct Path {
    #[serde(flatten)]
    stack: StackPath,
    snapshot_id: String,
}

/// One snapshot: ours is answered by us, any other by Heat.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    stacks: Stacks,
    At(path): At<Path>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    use stacksnap_common::store::Error;
    let known = match path.snapshot_id.to_ascii_lowercase().parse() {
        Ok(id) => match api.store.snapshot_by_id(&caller.project, id).await {
            Ok(_) => true,
            Err(Error::NoSnapshot(_)) => false,
            Err(error) => return Err(error.into()),
        },
        Err(_) => false,
    };
    let below = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    // A plan or a verification is nothing that Heat has.
    if known || matches!(below.as_str(), "plan" | "verify") {
        return Ok(next.run(request).await);
    }
    if request.method() == Method::POST && below == "restore" {
        stacks.idle(&path.stack, &caller.project).await?;
    }
    forward::forward(State(api), caller, request).await
}

/// The list: Heat's own, which are older, and ours.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    params: Params,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    if request.method() != Method::GET || params.get("kind").is_some_and(|kind| !matches!(kind, "user" | "all")) {
        return Ok(next.run(request).await);
    }
    let heat = api.heat()?;
    let (parts, body) = request.into_parts();
    let url = heat.at(&parts.uri, None)?;
    let request = Request::from_parts(parts.clone(), body);
    let (ours, theirs) = tokio::join!(next.run(request), heat.ask(&parts, url));
    if ours.status() != StatusCode::OK {
        return Ok(ours);
    }
    let theirs = theirs?;
    let Some(listed) = theirs.json() else { return Ok(theirs.unchanged(&heat, &base)) };
    let mut theirs = listed["snapshots"].as_array().cloned().unwrap_or_default();
    theirs.sort_by(|a, b| a["creation_time"].as_str().cmp(&b["creation_time"].as_str()));
    if theirs.is_empty() {
        return Ok(ours);
    }
    let (mut head, body) = ours.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Fault::internal())?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| Fault::internal())?;
    let listed = body["snapshots"].as_array().cloned().unwrap_or_default();
    let page = page(theirs, listed, &caller, &api, &params).await?;
    head.headers.remove(axum::http::header::CONTENT_LENGTH);
    let text = serde_json::json!({"snapshots": page}).to_string();
    let replaced = super::urls::Urls::new(&heat.url, &base).replace(text.as_bytes());
    Ok((head, axum::body::Body::from(replaced)).into_response())
}

/// Puts both together. `ours` is filtered and paged already, with a marker that is not ours taken for none.
async fn page(
    mut theirs: Vec<Value>,
    mut ours: Vec<Value>,
    caller: &Caller,
    api: &Api,
    params: &Params,
) -> Result<Vec<Value>, Fault> {
    let descending = params.descending(false)?;
    if let Some(marker) = params.get("marker") {
        let at = theirs.iter().position(|snapshot| snapshot["id"] == marker);
        let is_ours = match marker.parse() {
            Ok(id) => api.store.snapshot_by_id(&caller.project, id).await.is_ok(),
            Err(_) => false,
        };
        match (at, descending) {
            (Some(at), false) => drop(theirs.drain(..=at)),
            (Some(at), true) => {
                theirs.truncate(at);
                ours.clear();
            }
            (None, false) if is_ours => theirs.clear(),
            (None, _) => {}
        }
    }
    if let Some(status) = params.get("status") {
        theirs.retain(|snapshot| snapshot["status"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(status)));
    }
    if !params.truth("with_data")?.unwrap_or(true) {
        theirs.iter_mut().for_each(|snapshot| snapshot["data"] = Value::Null);
    }
    let mut page = if descending {
        theirs.reverse();
        ours.extend(theirs);
        ours
    } else {
        theirs.extend(ours);
        theirs
    };
    page.truncate(params.number("limit")?.unwrap_or(usize::MAX));
    Ok(page)
}
