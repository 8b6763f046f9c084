//! `x-openstack-request-id` on every answer, and one line in the log for every request.
//!
//! The id is made here; one that a caller sends (`req-` and a UUID) is logged as the request's global id and not sent
//! back, as Heat does. A line has method, route, status, time, ids and project; never a token, a body or a query.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use stacksnap_common::ids::ProjectId;
use stacksnap_common::metrics;
use tracing::Instrument;
use uuid::Uuid;

const HEADER: &str = "x-openstack-request-id";

/// What supervisors and Prometheus ask every few seconds; a line for each good answer would hide the others.
const ASKED_OFTEN: [&str; 4] = ["/healthz", "/readyz", "/healthcheck", "/metrics"];

/// Left in an answer: whose request it was.
#[derive(Debug, Clone)]
pub(crate) struct Of(pub(crate) ProjectId);

pub(crate) async fn log(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = format!("req-{}", Uuid::new_v4());
    let global = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_id(id));
    let global = global.map(str::to_owned);
    let method = method(request.method());
    // The pattern, not the path: a path may hold what is nobody's business, and metrics need few values.
    let route = request.extensions().get::<MatchedPath>().map_or("-".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", request = %id);
    let mut response = next.run(request).instrument(span).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    let project = response.extensions().get::<Of>().map(|of| of.0.to_string());
    metrics::request(method, &route, status, took);
    let ms = took.as_secs_f64() * 1000.0;
    let ms = format!("{ms:.1}");
    if status < 400 && ASKED_OFTEN.contains(&route.as_str()) {
        tracing::debug!(request = %id, method, route, status, ms, "answered");
    } else {
        tracing::info!(request = %id, global, method, route, status, ms, project, "answered");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

fn is_id(text: &str) -> bool {
    text.strip_prefix("req-").is_some_and(|id| Uuid::parse_str(id).is_ok())
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
