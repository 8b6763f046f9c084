//! Keystone: tokens by password, application credential and token; validation, revocation, trusts.
//!
//! - here: what there is, and a test's knobs. `tokens.rs`, `trusts.rs`: what Keystone does about a request.
//!
//! A user's password is `secret-of-` and the name; ids are names with `-id` at their end. A test turns its knobs: it is
//! away (503), it counts what it was asked, tokens end.

mod tokens;
mod trusts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Request, State as Shared};
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
    /// Between whom, in which project and until when trusts were made, deleted ones too.
    trusted: BTreeSet<String>,
    /// Tokens that were good once and are not any more.
    revoked: BTreeSet<String>,
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
        let tokens = get(tokens::validate).post(tokens::login).delete(tokens::revoke).head(tokens::validate);
        let router = Router::new()
            .route("/v3", get(version))
            .route("/v3/auth/tokens", tokens)
            .route("/v3/OS-TRUST/trusts", get(trusts::list).post(trusts::create))
            .route("/v3/OS-TRUST/trusts/{id}", get(trusts::show).delete(trusts::delete))
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
        self.state().revoke(token);
    }

    /// Every token that a user has.
    pub fn revoke_all(&self, user: &str) {
        let mut state = self.state();
        let theirs = state.tokens.iter().filter(|(_, body)| body["user"]["name"] == user);
        let theirs: Vec<_> = theirs.map(|(token, _)| token.clone()).collect();
        theirs.iter().for_each(|token| state.revoke(token));
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
        self.state().trusts.clear();
    }

    /// One that nobody has made by a request, good for so long; its id.
    pub fn trust(&self, trustor: &str, trustee: &str, project: &str, lasts: Duration) -> String {
        let expires_at = now() + SignedDuration::try_from(lasts).unwrap();
        let mut state = self.state();
        let id = format!("trust-{}", state.next());
        let trust = json!({"id": id, "trustor_user_id": format!("{trustor}-id"), "trustee_user_id": format!("{trustee}-id"),
            "project_id": format!("{project}-id"), "impersonation": true, "expires_at": shown(expires_at),
            "roles": [role("member")]});
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
        state.caller(headers).is_some_and(is_admin)
    }
}

impl State {
    fn next(&mut self) -> usize {
        self.made += 1;
        self.made
    }

    fn revoke(&mut self, token: &str) {
        if self.tokens.remove(token).is_some() {
            self.revoked.insert(token.to_owned());
        }
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
            let roles: Vec<_> = roles.iter().map(|name| role(name)).collect();
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

    /// The body of a token that has not ended; one of a trust ends with it.
    fn good(&self, token: Option<&str>) -> Option<&Value> {
        self.tokens.get(token?).filter(|body| ends(body) > now() && self.lost_trust(body).is_none())
    }

    /// The trust that a token was made by, if that is gone.
    fn lost_trust<'a>(&self, token: &'a Value) -> Option<&'a str> {
        token["OS-TRUST:trust"]["id"].as_str().filter(|trust| !self.trusts.contains_key(*trust))
    }

    fn caller(&self, headers: &HeaderMap) -> Option<&Value> {
        self.good(headers.get("x-auth-token").and_then(|token| token.to_str().ok()))
    }
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the cloud's own clock")]
    Timestamp::now()
}

/// As Keystone shows times: to the second.
fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

/// The same name has the same id.
fn role(name: &str) -> Value {
    let id: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    json!({"id": format!("{id:0>32}"), "name": name})
}

fn is_admin(caller: &Value) -> bool {
    caller["roles"].as_array().is_some_and(|roles| roles.iter().any(|role| role["name"] == "admin"))
}

fn not_allowed(action: &str) -> Response {
    let what = format!("You are not authorized to perform the requested action: identity:{action}.");
    refused(StatusCode::FORBIDDEN, &what)
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

/// Who has no good token; one of a trust that is gone is told that.
fn stranger(state: &State, headers: &HeaderMap) -> Response {
    let token = headers.get("x-auth-token").and_then(|token| token.to_str().ok());
    let body = token.and_then(|token| state.tokens.get(token));
    match body.and_then(|body| state.lost_trust(body)) {
        Some(trust) => refused(StatusCode::NOT_FOUND, &format!("Could not find trust: {trust}.")),
        None => unauthorized(),
    }
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
