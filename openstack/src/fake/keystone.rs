//! Keystone: tokens by password, application credential and token; validation, revocation, trusts.
//!
//! A user's password is `secret-of-` and the name; ids are names with `-id` at their end. A test turns its knobs: it is
//! away (503), it counts what it was asked, tokens end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Query, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long after its end a token is shown to services that ask for expired ones.
const WINDOW: SignedDuration = SignedDuration::from_hours(48);

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Keystone {
    port: u16,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// User → project → roles.
    roles: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Application credential's id → its secret, user and project.
    credentials: BTreeMap<String, (String, String, String)>,
    tokens: BTreeMap<String, Value>,
    last: String,
    trusts: BTreeMap<String, Value>,
    catalogue: Vec<Value>,
    made: usize,
    away: bool,
    slow: Duration,
    lifetime: Duration,
    logins: usize,
    validations: usize,
}

type World = Arc<Mutex<State>>;

impl Keystone {
    /// With one user, `stacksnap`, who has the role `service` in the project `service`.
    pub async fn start() -> Self {
        let state = State { lifetime: Duration::from_secs(3600), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let tokens = get(validate).post(login).delete(revoke).head(validate);
        let router = Router::new()
            .route("/v3", get(version))
            .route("/v3/auth/tokens", tokens)
            .route("/v3/OS-TRUST/trusts", get(list_trusts).post(create_trust))
            .route("/v3/OS-TRUST/trusts/{id}", get(show_trust).delete(delete_trust))
            .layer(from_fn_with_state(Arc::clone(&state), knobs))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let keystone = Self { port, state, server };
        keystone.grant("stacksnap", "service", &["service"]);
        keystone
    }

    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v3", self.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Gives a user roles in a project; makes both if need be.
    pub fn grant(&self, user: &str, project: &str, roles: &[&str]) {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self.state().roles.entry(user.to_owned()).or_default().insert(project.to_owned(), roles);
    }

    /// What other services ask this one.
    pub(super) fn tokens(&self) -> Tokens {
        Tokens(Arc::clone(&self.state))
    }

    /// `%(project_id)s` in the URL stands for the token's project.
    pub fn list_service(&self, kind: &str, url: &str) {
        let endpoints: Vec<_> = ["public", "internal", "admin"]
            .iter()
            .map(|interface| json!({"id": "e", "interface": interface, "region": "RegionOne", "region_id": "RegionOne", "url": url}))
            .collect();
        let entry = json!({"id": format!("{kind}-id"), "type": kind, "name": kind, "endpoints": endpoints});
        self.state().catalogue.push(entry);
    }

    /// An application credential's id and secret.
    pub fn credential(&self, user: &str, project: &str) -> (String, String) {
        let (id, secret) = (format!("credential-of-{user}"), format!("secret-credential-of-{user}"));
        let entry = (secret.clone(), user.to_owned(), project.to_owned());
        self.state().credentials.insert(id.clone(), entry);
        (id, secret)
    }

    /// A token as a login would give it.
    pub fn token(&self, user: &str, project: Option<&str>) -> String {
        self.state().issue(user, project, "password")
    }

    /// Changes what Keystone says of a token.
    pub fn change(&self, token: &str, change: impl FnOnce(&mut Value)) {
        change(self.state().tokens.get_mut(token).unwrap());
    }

    pub fn expire(&self, token: &str) {
        self.change(token, |body| body["expires_at"] = (now() - SignedDuration::from_secs(1)).to_string().into());
    }

    /// Since 1970.
    pub fn ends_at(&self, token: &str, end: Duration) {
        let end = Timestamp::from_duration(end.try_into().unwrap()).unwrap();
        self.change(token, |body| body["expires_at"] = end.to_string().into());
    }

    /// The one that was made last.
    pub fn last_token(&self) -> String {
        self.state().last.clone()
    }

    pub fn revoke(&self, token: &str) {
        self.state().tokens.remove(token);
    }

    /// Every token that a user has.
    pub fn revoke_all(&self, user: &str) {
        self.state().tokens.retain(|_, body| body["user"]["name"] != user);
    }

    /// Every call is answered by 503 from now on, or no more.
    pub fn away(&self, away: bool) {
        self.state().away = away;
    }

    /// Every answer takes so long.
    pub fn slow(&self, slow: Duration) {
        self.state().slow = slow;
    }

    /// Of the tokens that are made from now on.
    pub fn lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    pub fn logins(&self) -> usize {
        self.state().logins
    }

    pub fn validations(&self) -> usize {
        self.state().validations
    }

    /// As if every trust had been deleted by who gave it.
    pub fn drop_trusts(&self) {
        let mut state = self.state();
        state.trusts.clear();
        state.tokens.retain(|_, body| body.get("OS-TRUST:trust").is_none());
    }

    /// One that nobody has made by a request, good for so long; its id.
    pub fn trust(&self, trustor: &str, trustee: &str, project: &str, lasts: Duration) -> String {
        let expires_at = now() + SignedDuration::try_from(lasts).unwrap();
        let mut state = self.state();
        let id = format!("trust-{}", state.next());
        let trust = json!({"id": id, "trustor_user_id": format!("{trustor}-id"), "trustee_user_id": format!("{trustee}-id"),
            "project_id": format!("{project}-id"), "impersonation": true, "expires_at": expires_at.to_string(),
            "roles": [{"name": "member"}]});
        state.trusts.insert(id.clone(), trust);
        id
    }

    pub fn trusts(&self) -> usize {
        self.state().trusts.len()
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Other services' way to ask whose a token is.
#[derive(Debug, Clone)]
pub(super) struct Tokens(World);

impl Tokens {
    /// The id of the project that the caller's token is for.
    pub(super) fn project(&self, headers: &HeaderMap) -> Option<String> {
        self.0.lock().unwrap().caller(headers)?["project"]["id"].as_str().map(str::to_owned)
    }

    pub(super) fn is_admin(&self, headers: &HeaderMap) -> bool {
        let state = self.0.lock().unwrap();
        let roles = state.caller(headers).and_then(|caller| caller["roles"].as_array().cloned());
        roles.is_some_and(|roles| roles.iter().any(|role| role["name"] == "admin"))
    }
}

impl State {
    fn next(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    fn issue(&mut self, user: &str, project: Option<&str>, method: &str) -> String {
        let id = format!("gAAAA-{}-of-{user}", self.next());
        let named = |name: &str| json!({"id": format!("{name}-id"), "name": name, "domain": {"id": "default", "name": "Default"}});
        let mut body = json!({
            "methods": [method],
            "user": named(user),
            "audit_ids": [id.len().to_string()],
            "issued_at": now().to_string(),
            "expires_at": (now() + SignedDuration::try_from(self.lifetime).unwrap()).to_string(),
        });
        if let Some(project) = project {
            let roles = &self.roles[user][project];
            let roles: Vec<_> = roles.iter().map(|role| json!({"id": format!("{role}-id"), "name": role})).collect();
            body["project"] = named(project);
            body["is_domain"] = false.into();
            body["roles"] = roles.into();
            let listed =
                Value::from(self.catalogue.clone()).to_string().replace("%(project_id)s", &format!("{project}-id"));
            body["catalog"] = serde_json::from_str(&listed).unwrap();
        }
        self.tokens.insert(id.clone(), body);
        self.last.clone_from(&id);
        id
    }

    /// The body of a token that has not ended.
    fn good(&self, token: Option<&str>) -> Option<&Value> {
        self.tokens.get(token?).filter(|body| ends(body) > now())
    }

    fn caller(&self, headers: &HeaderMap) -> Option<&Value> {
        self.good(headers.get("x-auth-token").and_then(|token| token.to_str().ok()))
    }
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the cloud's own clock")]
    Timestamp::now()
}

fn ends(body: &Value) -> Timestamp {
    body["expires_at"].as_str().unwrap().parse().unwrap()
}

fn refused(code: StatusCode, message: &str) -> Response {
    let body = json!({"error": {"code": code.as_u16(), "message": message, "title": code.canonical_reason()}});
    (code, Json(body)).into_response()
}

fn unauthorized() -> Response {
    refused(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
}

async fn knobs(Shared(world): Shared<World>, request: Request, next: Next) -> Response {
    let (away, slow) = {
        let state = world.lock().unwrap();
        (state.away, state.slow)
    };
    tokio::time::sleep(slow).await;
    let mut response = match away {
        true => (StatusCode::SERVICE_UNAVAILABLE, "no server is available to handle this request").into_response(),
        false => next.run(request).await,
    };
    let id = format!("req-{:08}-0000-4000-8000-000000000000", world.lock().unwrap().next());
    response.headers_mut().insert("x-openstack-request-id", id.parse().unwrap());
    response
}

async fn version() -> Json<Value> {
    Json(json!({"version": {"id": "v3.14", "status": "stable", "links": []}}))
}

async fn login(Shared(world): Shared<World>, Json(body): Json<Value>) -> Response {
    let mut state = world.lock().unwrap();
    state.logins += 1;
    let (identity, scope) = (&body["auth"]["identity"], &body["auth"]["scope"]);
    let method = identity["methods"][0].as_str().unwrap_or_default().to_owned();
    let name = |user: &Value| {
        let id = user["id"].as_str().and_then(|id| id.strip_suffix("-id"));
        id.or(user["name"].as_str()).unwrap_or_default().to_owned()
    };
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
            Some(body) => name(&body["user"]),
            None => return unauthorized(),
        },
        _ => return refused(StatusCode::BAD_REQUEST, "Expecting to find identity in auth."),
    };
    let trust = scope["OS-TRUST:trust"]["id"].as_str().map(str::to_owned);
    let (user, project) = match &trust {
        // The trustee gets a token of the trustor.
        Some(id) => match state.trusts.get(id) {
            Some(trust) if trust["trustee_user_id"] == format!("{user}-id") => {
                (name(&json!({"id": trust["trustor_user_id"]})), Some(name(&json!({"id": trust["project_id"]}))))
            }
            _ => return refused(StatusCode::FORBIDDEN, "You are not authorized to perform the requested action."),
        },
        None => (user, project),
    };
    let theirs = |project: &String| state.roles.get(&user).is_some_and(|roles| roles.contains_key(project));
    if project.as_ref().is_some_and(|project| !theirs(project)) {
        return unauthorized();
    }
    let id = state.issue(&user, project.as_deref(), &method);
    if let Some(trust) = trust {
        let of = json!({"id": trust, "impersonation": true});
        state.tokens.get_mut(&id).unwrap()["OS-TRUST:trust"] = of;
    }
    let body = json!({"token": state.tokens[&id]});
    (StatusCode::CREATED, [("x-subject-token", id)], Json(body)).into_response()
}

async fn validate(
    Shared(world): Shared<World>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut state = world.lock().unwrap();
    state.validations += 1;
    let Some(caller) = state.caller(&headers) else { return unauthorized() };
    let subject = headers.get("x-subject-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let service = caller["roles"].as_array().is_some_and(|roles| {
        roles.iter().any(|role| ["service", "admin"].contains(&role["name"].as_str().unwrap_or_default()))
    });
    if !service && headers.get("x-auth-token") != headers.get("x-subject-token") {
        let what = "You are not authorized to perform the requested action: identity:validate_token.";
        return refused(StatusCode::FORBIDDEN, what);
    }
    let late = if query.contains_key("allow_expired") { WINDOW } else { SignedDuration::ZERO };
    let Some(body) = state.tokens.get(subject).filter(|body| ends(body) + late > now()) else {
        return refused(StatusCode::NOT_FOUND, "Could not recognize Fernet token");
    };
    let mut body = body.clone();
    if query.contains_key("nocatalog") {
        body.as_object_mut().unwrap().remove("catalog");
    }
    ([("x-subject-token", subject)], Json(json!({"token": body}))).into_response()
}

async fn revoke(Shared(world): Shared<World>, headers: HeaderMap) -> Response {
    let mut state = world.lock().unwrap();
    if state.caller(&headers).is_none() {
        return unauthorized();
    }
    let subject = headers.get("x-subject-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    state.tokens.remove(subject);
    StatusCode::NO_CONTENT.into_response()
}

async fn create_trust(Shared(world): Shared<World>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mut state = world.lock().unwrap();
    let Some(caller) = state.caller(&headers).cloned() else { return unauthorized() };
    let asked = &body["trust"];
    let has = |role: &Value| {
        caller["roles"].as_array().is_some_and(|roles| roles.iter().any(|known| known["name"] == role["name"]))
    };
    let own = asked["trustor_user_id"] == caller["user"]["id"] && asked["project_id"] == caller["project"]["id"];
    if !own || caller.get("OS-TRUST:trust").is_some() {
        return refused(StatusCode::FORBIDDEN, "You are not authorized to perform the requested action.");
    }
    if !asked["roles"].as_array().is_some_and(|roles| roles.iter().all(has)) {
        return refused(StatusCode::FORBIDDEN, "Some of requested roles are not in redelegated trust.");
    }
    let id = format!("trust-{}", state.next());
    let mut trust = asked.clone();
    trust["id"] = id.clone().into();
    state.trusts.insert(id, trust.clone());
    (StatusCode::CREATED, Json(json!({"trust": trust}))).into_response()
}

async fn list_trusts(
    Shared(world): Shared<World>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let state = world.lock().unwrap();
    if state.caller(&headers).is_none() {
        return unauthorized();
    }
    let of = |trust: &&Value| {
        ["trustor_user_id", "trustee_user_id"].iter().all(|by| query.get(*by).is_none_or(|user| trust[*by] == **user))
    };
    let trusts: Vec<_> = state.trusts.values().filter(of).collect();
    Json(json!({"trusts": trusts})).into_response()
}

async fn show_trust(Shared(world): Shared<World>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    one_trust(&world, &id, &headers, |state, id| Json(json!({"trust": state.trusts[id]})).into_response())
}

async fn delete_trust(Shared(world): Shared<World>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    one_trust(&world, &id, &headers, |state, id| {
        state.trusts.remove(id);
        StatusCode::NO_CONTENT.into_response()
    })
}

fn one_trust(
    world: &World,
    id: &str,
    headers: &HeaderMap,
    then: impl FnOnce(&mut State, &str) -> Response,
) -> Response {
    let mut state = world.lock().unwrap();
    if state.caller(headers).is_none() {
        return unauthorized();
    }
    if !state.trusts.contains_key(id) {
        return refused(StatusCode::NOT_FOUND, &format!("Could not find trust: {id}."));
    }
    then(&mut state, id)
}
