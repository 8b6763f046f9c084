//! `GET /stacks`: newest first, a page at a time where `limit` is given; `GET /stacks/detail`: all of them.
//!
//! Filters are of any of the values given; values of different filters must all hold (`heat/db/filters.py`). Stacks with a
//! hidden tag are left out unless `show_hidden` is given; deleted ones unless `show_deleted` is. None is nested.

use std::cmp::Ordering;
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

/// By what a list can be sorted (`heat/db/api.py`, `_filter_and_page_query`).
const SORT_KEYS: [&str; 4] = ["stack_name", "stack_status", "creation_time", "updated_time"];

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
    params.truth("show_nested")?;
    if params.truth("global_tenant")?.unwrap_or(false) {
        return Err(Fault::forbidden("You are not authorized to use stacks:global_index."));
    }
    let wanted = Wanted::of(&api, &params)?;
    let mut stacks = api.store.list_stacks(&caller.project).await?;
    stacks.retain(|stack| wanted.holds(stack));
    sort(&mut stacks, &params)?;
    let count = stacks.len();
    if let Some(marker) = params.get("marker") {
        // A marker that is not there is the whole list, as in Heat.
        let after = stacks.iter().position(|stack| stack.id.to_string() == marker).map_or(0, |at| at + 1);
        stacks.drain(..after);
    }
    let page: Vec<_> = stacks.into_iter().take(limit.unwrap_or(usize::MAX)).collect();
    let mut body = shown(&base, &page);
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

/// Heat takes no parameters here, and shows no more than in a list.
pub(crate) async fn detail(
    State(api): State<Arc<Api>>,
    caller: Caller,
    base: Base,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let none = Params::default();
    let wanted = Wanted::of(&api, &none)?;
    let mut stacks = api.store.list_stacks(&caller.project).await?;
    stacks.retain(|stack| wanted.holds(stack));
    sort(&mut stacks, &none)?;
    Ok(Json(shown(&base, &stacks)))
}

fn shown(base: &Base, stacks: &[Stack]) -> Value {
    json!({"stacks": stacks.iter().map(|stack| view::listed(base, stack)).collect::<Vec<_>>()})
}

/// Which stacks a list is of.
struct Wanted<'a> {
    params: &'a Params,
    deleted: bool,
    /// Tags that are left out unless asked for.
    hidden: &'a [String],
    all: Vec<&'a str>,
    any: Vec<&'a str>,
    not_all: Vec<&'a str>,
    not_any: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(api: &'a Api, params: &'a Params) -> Result<Self, Fault> {
        let tags = |name: &'a str| -> Result<Vec<&'a str>, Fault> {
            let tags: Vec<_> =
                params.get(name).filter(|text| !text.is_empty()).into_iter().flat_map(|t| t.split(',')).collect();
            match tags.iter().find(|tag| tag.chars().count() > 80) {
                Some(tag) => Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" is longer than 80 characters"))),
                None => Ok(tags),
            }
        };
        let show_hidden = params.truth("show_hidden")?.unwrap_or(false);
        Ok(Self {
            params,
            deleted: params.truth("show_deleted")?.unwrap_or(false),
            hidden: if show_hidden { &[] } else { &api.stacks.hidden_tags },
            all: tags("tags")?,
            any: tags("tags_any")?,
            not_all: tags("not_tags")?,
            not_any: tags("not_tags_any")?,
        })
    }

    fn holds(&self, stack: &Stack) -> bool {
        let has = |tag: &str| stack.tags.iter().any(|own| own == tag);
        (self.deleted || stack.deleted_at.is_none())
            && !self.hidden.iter().any(|tag| has(tag))
            && self.all.iter().all(|tag| has(tag))
            && (self.any.is_empty() || self.any.iter().any(|tag| has(tag)))
            && (self.not_all.is_empty() || !self.not_all.iter().all(|tag| has(tag)))
            && !self.not_any.iter().any(|tag| has(tag))
            && self.filters_hold(stack)
    }

    fn filters_hold(&self, stack: &Stack) -> bool {
        let (action, status, word) = (&stack.shown.action, stack.shown.status.as_str(), stack.shown.word());
        let is = |names: &[&str], value: &str| self.params.wants(names, value);
        let same = |names: &[&str], value: &str| self.params.asks(names, |asked| asked.eq_ignore_ascii_case(value));
        is(&["name", "stack_name"], stack.name.as_str())
            && is(&["id"], &stack.id.to_string())
            && is(&["tenant"], stack.project.as_str())
            && is(&["username", "stack_owner"], &stack.owner)
            // No stack here has a parent.
            && is(&["owner_id", "parent"], "")
            && is(&["stack_user_project_id"], "")
            && is(&["stack_status_reason"], &stack.shown.reason)
            && is(&["timeout_mins"], &stack.timeout_mins.map(|minutes| minutes.to_string()).unwrap_or_default())
            && same(&["disable_rollback"], if stack.disable_rollback { "true" } else { "false" })
            && same(&["action", "stack_action"], action)
            && self.params.asks(&["status", "stack_status"], |asked| {
                asked.eq_ignore_ascii_case(status) || asked.eq_ignore_ascii_case(&word)
            })
    }
}

/// By `sort_keys`, ascending unless `sort_dir` says otherwise; without them the newest first.
fn sort(stacks: &mut [Stack], params: &Params) -> Result<(), Fault> {
    let keys = params.sort_keys(&SORT_KEYS);
    let descending = params.descending(keys.is_empty())?;
    let keys = if keys.is_empty() { vec!["creation_time"] } else { keys };
    let by = |a: &Stack, b: &Stack, key: &str| match key {
        "stack_name" => a.name.cmp(&b.name),
        "stack_status" => a.shown.status.as_str().cmp(b.shown.status.as_str()),
        "updated_time" => a.updated_at.cmp(&b.updated_at),
        _ => a.created_at.cmp(&b.created_at),
    };
    stacks.sort_by(|a, b| {
        let order = keys.iter().map(|key| by(a, b, key)).find(|order| *order != Ordering::Equal);
        let order = order.unwrap_or_else(|| a.id.cmp(&b.id));
        if descending { order.reverse() } else { order }
    });
    Ok(())
}

/// The query of the next page: the same, with another marker.
fn next(query: &str, last: &Stack) -> String {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("marker"));
    let mut pairs: Vec<_> = kept.map(str::to_owned).collect();
    pairs.push(format!("marker={}", last.id));
    pairs.join("&")
}
