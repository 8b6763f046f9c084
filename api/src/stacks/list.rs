//! `GET /stacks`: newest first, a page at a time where `limit` is given.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, State};
use serde_json::{Value, json};
use stacksnap_common::record::Stack;

use super::view;
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::Params;

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    params: Params,
    OriginalUri(uri): OriginalUri,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let limit = params.number("limit")?;
    let with_count = params.truth("with_count")?.unwrap_or(false);
    let show_deleted = params.truth("show_deleted")?.unwrap_or(false);
    let descending = params.descending(true)?;
    if params.truth("global_tenant")?.unwrap_or(false) {
        return Err(Fault::forbidden("You are not authorized to use stacks:global_index."));
    }
    let mut stacks = api.store.list_stacks(&caller.project).await?;
    stacks.retain(|stack| (show_deleted || stack.deleted_at.is_none()) && wanted(stack, &params));
    stacks.sort_by_key(|stack| (stack.created_at, stack.id));
    if descending {
        stacks.reverse();
    }
    let count = stacks.len();
    if let Some(marker) = params.get("marker") {
        // A marker that is not there is the whole list, as in Heat.
        let after = stacks.iter().position(|stack| stack.id.to_string() == marker).map_or(0, |at| at + 1);
        stacks.drain(..after);
    }
    let page: Vec<_> = stacks.into_iter().take(limit.unwrap_or(usize::MAX)).collect();
    let mut body = json!({"stacks": page.iter().map(|stack| view::listed(&base, stack)).collect::<Vec<_>>()});
    if let (Some(limit), Some(last)) = (limit, page.last())
        && page.len() == limit
    {
        let href = format!("{}?{}", base.stacks(&caller.project), next(uri.query().unwrap_or_default(), last));
        body["links"] = json!([{"rel": "next", "href": href}]);
    }
    if with_count {
        body["count"] = count.into();
    }
    Ok(Json(body))
}

fn wanted(stack: &Stack, params: &Params) -> bool {
    let (action, status) = (&stack.shown.action, stack.shown.status.as_str());
    let is = |names: [&str; 2], value: &str| {
        let mut asked = names.iter().flat_map(|name| params.all(name)).peekable();
        asked.peek().is_none() || asked.any(|asked| asked.eq_ignore_ascii_case(value))
    };
    let same = |names: [&str; 2], value: &str| {
        let mut asked = names.iter().flat_map(|name| params.all(name)).peekable();
        asked.peek().is_none() || asked.any(|asked| asked == value)
    };
    same(["name", "stack_name"], stack.name.as_str())
        && same(["id", "id"], &stack.id.to_string())
        && is(["action", "action"], action)
        && (is(["status", "stack_status"], status) || is(["status", "stack_status"], &stack.shown.word()))
}

/// The query of the next page: the same, with another marker.
fn next(query: &str, last: &Stack) -> String {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("marker"));
    let mut pairs: Vec<_> = kept.map(str::to_owned).collect();
    pairs.push(format!("marker={}", last.id));
    pairs.join("&")
}
