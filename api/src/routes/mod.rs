//! Every route. Each noun lists its own: path, methods, the rule that each method needs, what answers it, and how it is
//! documented (`stacks/routes.rs` and so on); `route.rs` is the vocabulary. Here they become the service.

mod route;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use route::Route;

use crate::auth::admit;
use crate::auth::policy::{BY_BODY, Rule};
use crate::auth::rules::Rules;
use crate::fault::Fault;
use crate::openapi::browser;
use crate::{
    Api, base, health, heat, operations, request_id, resources, services, snapshots, software, stacks, templates,
    versions, webob,
};

/// The routes of one kind of thing.
pub(crate) struct Noun {
    /// What documents list them under.
    pub(crate) tag: &'static str,
    pub(crate) routes: Vec<Route>,
}

/// The nouns that are ours also where stacks are a real Heat's.
const OURS: [&str; 2] = ["snapshots", "operations"];

pub(crate) fn nouns() -> Vec<Noun> {
    vec![
        Noun { tag: "stacks", routes: stacks::routes::routes() },
        Noun { tag: "resources", routes: resources::routes::routes() },
        Noun { tag: "snapshots", routes: snapshots::routes::routes() },
        Noun { tag: "operations", routes: operations::routes::routes() },
        Noun { tag: "templates", routes: templates::routes::routes() },
        Noun { tag: "software", routes: software::routes() },
        Noun { tag: "service", routes: versions::routes().into_iter().chain(services::routes()).collect() },
    ]
}

/// A method of a route, as tests walk them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub method: Method,
    /// `/v1/{project}/stacks/{stack_name}/…`.
    pub path: String,
    /// The name of the rule that it needs.
    pub rule: &'static str,
    /// The least of `reader`, `member` and `admin` that this rule lets in by default.
    pub role: &'static str,
}

/// Everything that is served under a project.
pub fn routes() -> Vec<Listed> {
    let rules = Rules::default();
    let listed = |route: Route| {
        let rules = &rules;
        let path = format!("/v1/{{project}}{}", route.path);
        route.named.into_iter().map(move |named| Listed {
            method: named.method,
            path: path.clone(),
            rule: named.rule.name,
            role: rules.least(named.rule),
        })
    };
    nouns().into_iter().flat_map(|noun| noun.routes).flat_map(listed).collect()
}

/// Every rule that a route names, or the body of a request, once.
pub(crate) fn rules() -> Vec<Rule> {
    let named = nouns().into_iter().flat_map(|noun| noun.routes).flat_map(|route| route.named);
    let mut rules: Vec<_> = named.map(|named| named.rule).chain(BY_BODY).collect();
    rules.sort_by_key(|rule| rule.name);
    rules.dedup();
    rules
}

/// The whole service, ready to be served.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let mut router = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/healthcheck", get(health::healthcheck));
    for version in ["/v1", "/v1.0"] {
        let ours = |noun: &Noun| api.heat.is_none() || OURS.contains(&noun.tag);
        let routes = nouns().into_iter().filter(ours).flat_map(|noun| noun.routes);
        let mut routes: Vec<_> = routes.map(|route| (route.path.clone(), route.ready())).collect();
        if api.heat.is_some() {
            routes = heat::routes(&api, routes);
        }
        for (path, methods) in routes {
            router = router.route(&format!("{version}/{{project}}{path}"), methods);
        }
    }
    router
        .merge(browser::router())
        .fallback(nowhere)
        // From the inside outwards: who calls; panics; bodies by `Accept`; the id and the line in the log.
        .layer(from_fn_with_state(Arc::clone(&api), admit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(webob::render))
        .layer(from_fn(request_id::log))
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

/// Under `/v1` a path leads nowhere; anywhere else it leads to the list of versions.
async fn nowhere(uri: Uri, base: base::Base) -> Response {
    match uri.path().split('/').nth(1) {
        Some("v1" | "v1.0") => Fault::not_routed().into_response(),
        _ => versions::versions(base).await,
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The panic's text is in the log already, by the hook.
    Fault::internal().into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::Body;
    use axum::extract::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_fault_of_heats_and_says_nothing_of_itself() {
        let broken = get(|| async {
            assert!(std::hint::black_box(false), "a secret; this panic is part of the test");
        });
        let router = Router::new().route("/", broken).layer(CatchPanicLayer::custom(panicked));
        let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.status(), 500);
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["code"], &body["title"]), (&500.into(), &"Internal Server Error".into()));
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}
