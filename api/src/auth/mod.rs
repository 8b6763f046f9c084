//! Who calls, and what they may.
//!
//! [`admit`] stands before every route: it asks the [`Identity`] who calls (everything under `/v1` needs a caller, also
//! a path that leads nowhere), and lets nobody into a project that is not theirs. [`enforce`] then checks the rule that
//! the route names. Handlers get a [`Caller`]: one project, which the URL named and the caller may act in.
//!
//! - `keystone.rs`, `file.rs`, `none.rs`: the three ways to know a caller.
//! - `policy.rs`: the rules that routes name; `rules.rs`: which of them hold; `check.rs`: the language they are in.

mod check;
pub mod file;
pub mod keystone;
pub mod none;
pub(crate) mod policy;
pub mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use stacksnap_common::ids::ProjectId;

use crate::Api;
use crate::fault::Fault;
use crate::request_id::Of;
use policy::Rule;
use rules::Rules;

/// Where a caller may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    One(ProjectId),
    /// Any project: there is no authentication.
    Any,
    /// No project of its own: a token of the whole system.
    System,
    /// A token of a domain, or of nothing.
    Nowhere,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// A user's name, as it is shown.
    pub user: String,
    /// What tells users apart.
    pub user_id: String,
    pub scope: Scope,
    /// In small letters, with those that they imply.
    pub roles: BTreeSet<String>,
    /// False for a project of which Keystone says that it is not the admin project: its admins are nobody's but its own.
    pub admin_project: bool,
}

impl Who {
    /// A user who is told apart by the name.
    pub fn new<'a>(user: &str, scope: Scope, roles: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            user: user.to_owned(),
            user_id: user.to_owned(),
            admin_project: scope != Scope::Nowhere,
            scope,
            roles: roles.into_iter().map(str::to_lowercase).collect(),
        }
    }

    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains(name)
    }
}

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or one that is not valid: 401.
    Unknown,
    /// Not to be answered at all, whoever calls: 403. The text is for the caller.
    Unwanted(&'static str),
    /// Who calls can't be found out now: 503.
    Away(&'static str),
}

/// How callers are known. Nothing that it logs or answers may hold a token.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Whether a request is answered at all, whatever it asks for; before anything else, also for paths without
    /// authentication.
    fn wanted(&self, _request: &Parts) -> Result<(), Refusal> {
        Ok(())
    }

    async fn identify(&self, request: &Parts) -> Result<Arc<Who>, Refusal>;

    /// The value of `WWW-Authenticate`.
    fn challenge(&self) -> &str;
}

/// A caller within the project that the URL names.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) project: ProjectId,
    /// The user's name, as it is shown.
    pub(crate) user: String,
    pub(crate) who: Arc<Who>,
    rules: Arc<Rules>,
}

impl Caller {
    /// Whether the caller may do what a rule guards, in this project.
    pub(crate) fn may(&self, rule: Rule) -> bool {
        self.rules.allow(rule, &self.who, &self.project)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        // Absent only if a route were put outside of `admit`: then nobody gets in.
        parts.extensions.get::<Caller>().cloned().ok_or_else(Fault::internal)
    }
}

pub(crate) async fn admit(
    State(api): State<Arc<Api>>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let project = match &params {
        Ok(params) => params.iter().find(|(name, _)| *name == "project").map(|(_, value)| value),
        // Not UTF-8: that path leads nowhere.
        Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => Some(""),
        // Not a route that has any.
        Err(_) => None,
    };
    match caller(&api, &parts, project).await {
        Ok(None) => next.run(Request::from_parts(parts, body)).await,
        Ok(Some(caller)) => {
            let of = Of(caller.project.clone());
            parts.extensions.insert(caller);
            let mut response = next.run(Request::from_parts(parts, body)).await;
            response.extensions_mut().insert(of);
            response
        }
        Err(answer) => *answer,
    }
}

/// `None`: nothing that belongs to a project is asked for. An error is the whole answer.
async fn caller(api: &Api, parts: &Parts, project: Option<&str>) -> Result<Option<Caller>, Box<Response>> {
    let refuse = |refusal| Box::new(fault(api, refusal).into_response());
    api.identity.wanted(parts).map_err(refuse)?;
    if !under_v1(parts.uri.path()) {
        return Ok(None);
    }
    let who = match api.identity.identify(parts).await {
        Ok(who) => who,
        // Browsers ask so before they send a token.
        Err(Refusal::Unknown) if parts.method == Method::OPTIONS => return Err(Box::new(().into_response())),
        Err(refusal) => return Err(refuse(refusal)),
    };
    let Some(project) = project else { return Ok(None) };
    if project.is_empty() {
        return Err(Box::new(Fault::not_routed().into_response()));
    }
    let project: ProjectId = match project.parse() {
        Ok(project) => project,
        Err(_) if who.scope != Scope::Any => return Err(Box::new(Fault::other_project().into_response())),
        Err(invalid) => return Err(Box::new(Fault::bad_request(invalid.to_string()).into_response())),
    };
    let own = match &who.scope {
        Scope::Any => true,
        Scope::One(own) => *own == project,
        Scope::System | Scope::Nowhere => false,
    };
    if !own && !api.rules.is_admin(&who, &project) {
        return Err(Box::new(Fault::other_project().into_response()));
    }
    let user = who.user.clone();
    Ok(Some(Caller { project, user, who, rules: Arc::clone(&api.rules) }))
}

fn fault(api: &Api, refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Unknown => Fault::unauthenticated(api.identity.challenge()),
        Refusal::Unwanted(why) => Fault::forbidden(why),
        Refusal::Away(what) => Fault::identity_away(what),
    }
}

fn under_v1(path: &str) -> bool {
    matches!(path.split('/').nth(1), Some("v1" | "v1.0"))
}

/// Checks a route's rule.
pub(crate) async fn enforce(State(rule): State<Rule>, caller: Caller, request: Request, next: Next) -> Response {
    match allowed(&caller, rule) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

/// The same, of a rule that only the request's body names.
pub(crate) fn allowed(caller: &Caller, rule: Rule) -> Result<(), Fault> {
    if caller.may(rule) {
        return Ok(());
    }
    Err(Fault::forbidden(format!("You are not authorized to use {}.", rule.name)))
}
