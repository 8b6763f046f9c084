//! `GET /stacks` and `/stacks/detail`: Heat's list, with our states where they are newer.
//!
//! Heat filters by its own states. Where a caller asks for a status or an action, and we show states of our own, Heat is
//! asked without that filter, page by page, and what it gives is filtered here. Everything else (order, names, tags,
//! nested and deleted ones) stays Heat's.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};
use stacksnap_common::record::Stack;

use super::{Heat, overlay};
use crate::Api;
use crate::auth::Caller;
use crate::base::Base;
use crate::fault::Fault;
use crate::params::Params;

/// What our states are filtered by.
const STATES: [&str; 4] = ["status", "action", "stack_status", "stack_action"];
/// Stacks that Heat is asked for at a time, and how often at most for one answer.
const PAGE: usize = 200;
const PAGES: usize = 50;

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    params: Params,
    request: Request,
) -> Result<Response, Fault> {
    let heat = api.heat()?;
    let (parts, _) = request.into_parts();
    let shadows = api.store.list_stacks(&caller.project).await?;
    let shadows: BTreeMap<_, _> = shadows
        .into_iter()
        .filter(|stack| stack.heat.is_some() && stack.deleted_at.is_none())
        .map(|stack| (stack.id.to_string(), stack))
        .collect();
    let by_state = params.names().any(|name| STATES.contains(&name));
    if by_state && !shadows.is_empty() {
        return filtered(&heat, &parts, &base, &params, &shadows).await;
    }
    let answer = heat.ask(&parts, heat.at(&parts.uri, parts.uri.query())?).await?;
    let Some(mut body) = answer.json() else { return Ok(answer.unchanged(&heat, &base)) };
    for row in body["stacks"].as_array_mut().into_iter().flatten() {
        write(row, &shadows);
    }
    Ok(answer.changed(&heat, &base, &body))
}

fn write(row: &mut Value, shadows: &BTreeMap<String, Stack>) {
    if let Some(shadow) = row["id"].as_str().and_then(|id| shadows.get(id)) {
        overlay::stack(row, shadow);
    }
}

async fn filtered(
    heat: &Heat,
    parts: &Parts,
    base: &Base,
    params: &Params,
    shadows: &BTreeMap<String, Stack>,
) -> Result<Response, Fault> {
    let limit = params.number("limit")?.filter(|limit| *limit > 0);
    let with_count = params.truth("with_count")?.unwrap_or(false);
    let query = parts.uri.query().unwrap_or_default();
    let mut marker = params.get("marker").map(str::to_owned);
    let mut wanted: Vec<Value> = Vec::new();
    let mut counted = 0;
    // A count is of all that match, whatever the marker; then all of them are read.
    let mut before = with_count && marker.is_some();
    let mut from = if with_count { None } else { marker.clone() };
    for _ in 0..PAGES {
        let asked = unfiltered(query, PAGE, from.as_deref());
        let answer = heat.ask(parts, heat.at(&parts.uri, Some(&asked))?).await?;
        let Some(body) = answer.json() else { return Ok(answer.unchanged(heat, base)) };
        let rows = body["stacks"].as_array().cloned().unwrap_or_default();
        let whole_page = rows.len() == PAGE;
        for mut row in rows {
            let id = row["id"].as_str().map(str::to_owned);
            write(&mut row, shadows);
            let fits = matches(&row, params);
            counted += usize::from(fits);
            if before {
                before = id != marker;
            } else if fits && limit.is_none_or(|limit| wanted.len() < limit) {
                wanted.push(row);
            }
            from = id;
        }
        let enough = limit.is_some_and(|limit| wanted.len() >= limit) && !with_count;
        if enough || !whole_page {
            let mut body = json!({"stacks": wanted});
            let last = body["stacks"].as_array().and_then(|rows| rows.last()).and_then(|row| row["id"].as_str());
            marker = last.map(str::to_owned);
            if let (Some(limit), Some(marker)) = (limit, marker)
                && body["stacks"].as_array().is_some_and(|rows| rows.len() == limit)
            {
                let next = replaced(query, &[("marker", &marker)]);
                let href = format!("{}{}?{next}", base.root(), parts.uri.path());
                body["links"] = json!([{"rel": "next", "href": href}]);
            }
            if with_count {
                body["count"] = counted.into();
            }
            return Ok(answer.changed(heat, base, &body));
        }
    }
    Err(Fault::bad_request(format!(
        "The project has more than {} stacks; ask for them by name or id, or without a status.",
        PAGE * PAGES
    )))
}

/// By the state as it is shown. Case does not matter, and a status may be given with its action, as in Heat's clients.
fn matches(row: &Value, params: &Params) -> bool {
    let word = row["stack_status"].as_str().unwrap_or_default();
    let (action, status) =
        stacksnap_common::heat::split(word).map_or((word, ""), |(action, status)| (action, status.as_str()));
    let is = |names: [&str; 2], value: &[&str]| {
        let mut asked = names.into_iter().flat_map(|name| params.all(name)).peekable();
        asked.peek().is_none() || asked.any(|asked| value.iter().any(|value| asked.eq_ignore_ascii_case(value)))
    };
    is(["action", "stack_action"], &[action]) && is(["status", "stack_status"], &[status, word])
}

/// A query without what is filtered and paged here.
fn unfiltered(query: &str, limit: usize, marker: Option<&str>) -> String {
    let mut kept: Vec<_> = pairs(query)
        .filter(|(name, _)| !STATES.contains(name) && !["limit", "marker", "with_count"].contains(name))
        .map(|(_, pair)| pair.to_owned())
        .collect();
    kept.push(format!("limit={limit}"));
    kept.extend(marker.map(|marker| format!("marker={marker}")));
    kept.join("&")
}

fn replaced(query: &str, with: &[(&str, &str)]) -> String {
    let is_replaced = |name: &str| with.iter().any(|(other, _)| *other == name);
    let mut kept: Vec<_> =
        pairs(query).filter(|(name, _)| !is_replaced(name)).map(|(_, pair)| pair.to_owned()).collect();
    kept.extend(with.iter().map(|(name, value)| format!("{name}={value}")));
    kept.join("&")
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| (pair.split('=').next().unwrap_or(pair), pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_here_is_not_asked_of_heat() {
        let asked =
            unfiltered("status=COMPLETE&tags=a&limit=2&marker=x&stack_status=FAILED&with_count=1", 200, Some("y"));
        assert_eq!(asked, "tags=a&limit=200&marker=y");
        assert_eq!(replaced("limit=2&marker=x", &[("marker", "z")]), "limit=2&marker=z");
    }
}
