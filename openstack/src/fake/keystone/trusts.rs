//! `/v3/OS-TRUST/trusts`: what a user gives, only that user may give; the two that it is between may look at it, and
//! the giver or an administrator takes it back.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{World, is_admin, not_allowed, refused, role, shown, stranger};

pub(super) async fn create(Shared(world): Shared<World>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mut state = world.lock().unwrap();
    let Some(caller) = state.caller(&headers).cloned() else { return stranger(&state, &headers) };
    let asked = &body["trust"];
    if asked["trustor_user_id"] != caller["user"]["id"] || asked["project_id"] != caller["project"]["id"] {
        return not_allowed("create_trust");
    }
    if caller.get("OS-TRUST:trust").is_some() {
        return refused(StatusCode::FORBIDDEN, "You are not authorized to perform the requested action.");
    }
    let names = asked["roles"].as_array().into_iter().flatten().filter_map(|role| role["name"].as_str());
    let roles: Vec<Value> = names.map(role).collect();
    let has = |role: &Value| caller["roles"].as_array().is_some_and(|roles| roles.contains(role));
    if let Some(missing) = roles.iter().find(|role| !has(role)) {
        let id = missing["id"].as_str().unwrap();
        return refused(StatusCode::NOT_FOUND, &format!("Could not find role: {id}."));
    }
    // To the microsecond, though it is shown to the second; and what was deleted counts too.
    let of = ["trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at"];
    let id = format!("trust-{}", state.next());
    if !state.trusted.insert(of.map(|name| asked[name].to_string()).join(" ")) {
        let id = format!("{:032x}", state.made);
        let why = format!("Conflict occurred attempting to store trust - Duplicate entry found with ID {id}.");
        return refused(StatusCode::CONFLICT, &why);
    }
    let mut trust = asked.clone();
    trust["id"] = id.clone().into();
    trust["roles"] = roles.into();
    if let Some(ends) = asked["expires_at"].as_str() {
        let Ok(ends) = ends.parse::<Timestamp>() else {
            return refused(StatusCode::BAD_REQUEST, "expires_at is no time");
        };
        trust["expires_at"] = shown(ends).into();
    }
    state.trusts.insert(id, trust.clone());
    (StatusCode::CREATED, Json(json!({"trust": trust}))).into_response()
}

pub(super) async fn list(
    Shared(world): Shared<World>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let state = world.lock().unwrap();
    let Some(caller) = state.caller(&headers) else { return stranger(&state, &headers) };
    let by = ["trustor_user_id", "trustee_user_id"];
    let own = by.iter().any(|by| query.get(*by).is_some_and(|user| caller["user"]["id"] == **user));
    if !own && !is_admin(caller) {
        let what = match (query.contains_key(by[0]), query.contains_key(by[1])) {
            (true, _) => "list_trusts_for_trustor",
            (_, true) => "list_trusts_for_trustee",
            _ => "list_trusts",
        };
        return not_allowed(what);
    }
    let of = |trust: &&Value| by.iter().all(|by| query.get(*by).is_none_or(|user| trust[*by] == **user));
    let without_roles = |trust: &Value| {
        let mut trust = trust.clone();
        trust.as_object_mut().unwrap().remove("roles");
        trust
    };
    let trusts: Vec<_> = state.trusts.values().filter(of).map(without_roles).collect();
    Json(json!({"trusts": trusts})).into_response()
}

pub(super) async fn show(Shared(world): Shared<World>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let state = world.lock().unwrap();
    let Some(caller) = state.caller(&headers) else { return stranger(&state, &headers) };
    let Some(trust) = state.trusts.get(&id) else { return missing(&id) };
    let own = [&trust["trustor_user_id"], &trust["trustee_user_id"]].contains(&&caller["user"]["id"]);
    if !own && !is_admin(caller) {
        return not_allowed("get_trust");
    }
    Json(json!({"trust": trust})).into_response()
}

pub(super) async fn delete(Shared(world): Shared<World>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let mut state = world.lock().unwrap();
    let Some(caller) = state.caller(&headers) else { return stranger(&state, &headers) };
    let Some(trust) = state.trusts.get(&id) else { return missing(&id) };
    if trust["trustor_user_id"] != caller["user"]["id"] && !is_admin(caller) {
        return not_allowed("delete_trust");
    }
    state.trusts.remove(&id);
    StatusCode::NO_CONTENT.into_response()
}

fn missing(id: &str) -> Response {
    refused(StatusCode::NOT_FOUND, &format!("Could not find trust: {id}."))
}
