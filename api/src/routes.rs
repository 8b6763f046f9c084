//! Every route, in one list: path, methods, the rule that each method needs, and what answers it.
//!
//! HEAD is 405 everywhere (as in Heat), OPTIONS lists the methods, and a method that HTTP does not know makes the path
//! one that leads nowhere.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::policy::{self as rule, Rule};
use crate::auth::{admit, enforce};
use crate::fault::Fault;
use crate::stacks::{create, delete, environment, events, files, list, lookup, show, template};
use crate::{Api, base, health, heat, operations, request_id, resources, snapshots, versions, webob};

const STACK: &str = "/stacks/{stack_name}/{stack_id}";
const SNAPSHOT: &str = "/stacks/{stack_name}/{stack_id}/snapshots/{snapshot_id}";

fn list_of_routes() -> Vec<Route> {
    let below = |stack: &str, path: &str| Route::new(format!("{stack}{path}"));
    let lookup = |path: &str| Route::new(format!("/stacks/{{stack_name}}/{path}"));
    vec![
        Route::new("/build_info").get(rule::BUILD_INFO, versions::build_info),
        Route::new("/stacks").get(rule::STACK_INDEX, list::list).post(rule::STACK_CREATE, create::create),
        Route::new("/stacks/{stack_name}")
            .get(rule::STACK_LOOKUP, lookup::stack)
            .post(rule::STACK_LOOKUP, lookup::stack)
            .put(rule::STACK_LOOKUP, lookup::stack)
            .patch(rule::STACK_LOOKUP, lookup::stack)
            .delete(rule::STACK_LOOKUP, lookup::stack),
        lookup("resources").get(rule::STACK_LOOKUP, lookup::below).post(rule::STACK_LOOKUP, lookup::below),
        lookup("events").get(rule::STACK_LOOKUP, lookup::below).post(rule::STACK_LOOKUP, lookup::below),
        lookup("template").get(rule::STACK_LOOKUP, lookup::below).post(rule::STACK_LOOKUP, lookup::below),
        lookup("environment").get(rule::STACK_LOOKUP, lookup::below),
        lookup("files").get(rule::STACK_LOOKUP, lookup::below),
        below(STACK, "").get(rule::STACK_SHOW, show::show).delete(rule::STACK_DELETE, delete::delete),
        below(STACK, "/template").get(rule::STACK_TEMPLATE, template::template),
        below(STACK, "/environment").get(rule::STACK_ENVIRONMENT, environment::environment),
        below(STACK, "/files").get(rule::STACK_FILES, files::files),
        below(STACK, "/events").get(rule::EVENT_INDEX, events::events),
        below(STACK, "/resources").get(rule::RESOURCE_INDEX, resources::list::list),
        below(STACK, "/resources/{resource_name}").get(rule::RESOURCE_SHOW, resources::show::show),
        below(STACK, "/resources/{resource_name}/events").get(rule::EVENT_INDEX, events::of_resource),
        below(STACK, "/snapshots")
            .post(rule::SNAPSHOT_CREATE, snapshots::create::create)
            .get(rule::SNAPSHOT_INDEX, snapshots::list::list),
        below(SNAPSHOT, "")
            .get(rule::SNAPSHOT_SHOW, snapshots::show::show)
            .delete(rule::SNAPSHOT_DELETE, snapshots::delete::delete),
        below(SNAPSHOT, "/restore").post(rule::SNAPSHOT_RESTORE, snapshots::restore::restore),
        below(SNAPSHOT, "/plan").post(rule::SNAPSHOT_PLAN, snapshots::plan::plan),
        below(SNAPSHOT, "/verify").post(rule::SNAPSHOT_VERIFY, snapshots::verify::verify),
        Route::new("/operations").get(rule::OPERATION_INDEX, operations::list::list),
        Route::new("/operations/{operation_id}").get(rule::OPERATION_SHOW, operations::show::show),
        Route::new("/operations/{operation_id}/cancel").post(rule::OPERATION_CANCEL, operations::cancel::cancel),
        Route::new("/operations/{operation_id}/events").get(rule::OPERATION_SHOW, operations::events::events),
        Route::new("/operations/{operation_id}/files").get(rule::OPERATION_SHOW, operations::files::files),
    ]
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
        let mut routes: Vec<_> = list_of_routes().into_iter().map(|route| (route.path.clone(), route.ready())).collect();
        if api.heat.is_some() {
            routes.retain(|(path, _)| path.contains("/snapshots") || path.starts_with("/operations"));
            routes = heat::routes(&api, routes);
        }
        for (path, methods) in routes {
            router = router.route(&format!("{version}/{{project}}{path}"), methods);
        }
    }
    router
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

struct Route {
    path: String,
    methods: MethodRouter<Arc<Api>, Infallible>,
    /// In the order in which they were named, as Heat lists them.
    allow: Vec<&'static str>,
}

impl Route {
    fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), methods: MethodRouter::new(), allow: Vec::new() }
    }

    fn get<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::GET, "GET", rule, handler)
    }

    fn post<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::POST, "POST", rule, handler)
    }

    fn put<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::PUT, "PUT", rule, handler)
    }

    fn patch<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::PATCH, "PATCH", rule, handler)
    }

    fn delete<H: Handler<T, Arc<Api>>, T: 'static>(self, rule: Rule, handler: H) -> Self {
        self.method(MethodFilter::DELETE, "DELETE", rule, handler)
    }

    fn method<H: Handler<T, Arc<Api>>, T: 'static>(
        mut self,
        filter: MethodFilter,
        name: &'static str,
        rule: Rule,
        handler: H,
    ) -> Self {
        self.allow.push(name);
        let checked = on(filter, handler).layer(from_fn_with_state(rule, enforce));
        Self { methods: self.methods.merge(checked), ..self }
    }

    /// With an answer for every other method.
    fn ready(self) -> MethodRouter<Arc<Api>, Infallible> {
        let allow = self.allow;
        let other = move |request: Request| {
            let allow = allow.clone();
            async move {
                match *request.method() {
                    Method::OPTIONS => (StatusCode::NO_CONTENT, [(ALLOW, allow.join(","))]).into_response(),
                    Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
                        Fault::method(&allow).into_response()
                    }
                    _ => Fault::not_routed().into_response(),
                }
            }
        };
        // HEAD would be answered by GET.
        self.methods.on(MethodFilter::HEAD, other.clone()).fallback(other)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::Body;
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
