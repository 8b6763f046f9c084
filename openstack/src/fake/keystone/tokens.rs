//! `/v3/auth/tokens`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{WINDOW, World, ends, not_allowed, now, refused, stranger, unauthorized};

fn name(of: &Value) -> String {
    let id = of["id"].as_str().and_then(|id| id.strip_suffix("-id"));
    id.or(of["name"].as_str()).unwrap_or_default().to_owned()
}

pub(super) async fn login(Shared(world): Shared<World>, Json(body): Json<Value>) -> Response {
    let mut state = world.lock().unwrap();
    state.logins += 1;
    let (identity, scope) = (&body["auth"]["identity"], &body["auth"]["scope"]);
    let method = identity["methods"][0].as_str().unwrap_or_default().to_owned();
    let mut methods = vec![json!(method)];
    let mut project = Some(name(&scope["project"])).filter(|name| !name.is_empty());
    let user = match method.as_str() {
        "password" => {
            let user = name(&identity["password"]["user"]);
            if identity["password"]["user"]["password"] != format!("secret-of-{user}") {
                return unauthorized();
            }
            user
        }
        "application_credential" => {
            let given = &identity["application_credential"];
            match given["id"].as_str().and_then(|id| state.credentials.get(id)) {
                Some((secret, user, of)) if given["secret"] == *secret => {
                    project = Some(of.clone());
                    user.clone()
                }
                _ => return unauthorized(),
            }
        }
        "token" => match state.good(identity["token"]["id"].as_str()) {
            Some(body) => {
                methods.extend(body["methods"].as_array().into_iter().flatten().cloned());
                name(&body["user"])
            }
            None => return unauthorized(),
        },
        _ => return refused(StatusCode::BAD_REQUEST, "Expecting to find identity in auth."),
    };
    let trust = match scope["OS-TRUST:trust"]["id"].as_str() {
        // The trustee gets a token of the trustor.
        Some(id) => match state.trusts.get(id) {
            Some(trust) if trust["trustee_user_id"] == format!("{user}-id") => Some(trust.clone()),
            Some(_) => {
                return refused(StatusCode::FORBIDDEN, "You are not authorized to perform the requested action.");
            }
            None => return unauthorized(),
        },
        None => None,
    };
    let of = |trust: &Value, whose: &str| name(&json!({"id": trust[whose]}));
    let (user, project) = match &trust {
        Some(trust) => (of(trust, "trustor_user_id"), Some(of(trust, "project_id"))),
        None => (user, project),
    };
    let theirs = |project: &String| state.roles.get(&user).is_some_and(|roles| roles.contains_key(project));
    if project.as_ref().is_some_and(|project| !theirs(project)) {
        return unauthorized();
    }
    let id = state.issue(&user, project.as_deref(), &method);
    let token = state.tokens.get_mut(&id).unwrap();
    token["methods"] = methods.into();
    if let Some(trust) = trust {
        token["OS-TRUST:trust"] = json!({"id": trust["id"], "impersonation": true,
            "trustor_user": {"id": trust["trustor_user_id"]}, "trustee_user": {"id": trust["trustee_user_id"]}});
        token.as_object_mut().unwrap().remove("is_domain");
    }
    let body = json!({ "token": token });
    (StatusCode::CREATED, [("x-subject-token", id)], Json(body)).into_response()
}

pub(super) async fn validate(
    Shared(world): Shared<World>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut state = world.lock().unwrap();
    state.validations += 1;
    let Some(caller) = state.caller(&headers) else { return stranger(&state, &headers) };
    let subject = headers.get("x-subject-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let service = caller["roles"].as_array().is_some_and(|roles| {
        roles.iter().any(|role| ["service", "admin"].contains(&role["name"].as_str().unwrap_or_default()))
    });
    let own = state.tokens.get(subject).is_some_and(|token| token["user"]["id"] == caller["user"]["id"]);
    if !service && !own {
        return not_allowed("validate_token");
    }
    let lost = state.tokens.get(subject).and_then(|token| state.lost_trust(token));
    if let Some(trust) = lost {
        return refused(StatusCode::NOT_FOUND, &format!("Could not find trust: {trust}."));
    }
    let late = if query.contains_key("allow_expired") { WINDOW } else { SignedDuration::ZERO };
    let Some(body) = state.tokens.get(subject).filter(|body| ends(body) + late > now()) else {
        let known = state.tokens.contains_key(subject) || state.revoked.contains(subject);
        let what = if known { "Failed to validate token" } else { "Could not recognize Fernet token" };
        return refused(StatusCode::NOT_FOUND, what);
    };
    let mut body = body.clone();
    if query.contains_key("nocatalog") {
        body.as_object_mut().unwrap().remove("catalog");
    }
    ([("x-subject-token", subject)], Json(json!({"token": body}))).into_response()
}

pub(super) async fn revoke(Shared(world): Shared<World>, headers: HeaderMap) -> Response {
    let mut state = world.lock().unwrap();
    if state.caller(&headers).is_none() {
        return stranger(&state, &headers);
    }
    let subject = headers.get("x-subject-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    state.revoke(subject);
    StatusCode::NO_CONTENT.into_response()
}
