//! What supervisors, load balancers and Prometheus ask, without authentication.
//!
//! `/healthz`: the process answers. `/readyz`: it can accept requests, which needs the store; it also says whether the
//! queue is connected, but that alone makes it not unready: without the queue requests are accepted and run later.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use stacksnap_common::metrics::{self, Backend};

use crate::Api;

/// How long the store may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_millis(1500);

pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let store = match tokio::time::timeout(PATIENCE, api.store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the store does not answer in time".to_owned()),
    };
    let queue = *api.queue.borrow();
    metrics::backend_up(Backend::Store, store.is_ok());
    metrics::backend_up(Backend::Queue, queue);
    let stopping = api.stopping.is_cancelled();
    let ready = store.is_ok() && !stopping;
    let body = json!({
        "ready": ready,
        "stopping": stopping,
        "store": store.err().unwrap_or_else(|| "ok".to_owned()),
        "queue": if queue { "ok" } else { "away; what is accepted now runs when it is back" },
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

pub(crate) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    match &api.metrics {
        Some(metrics) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Heat's, by oslo.middleware.
pub(crate) async fn healthcheck() -> Json<Value> {
    Json(json!({"detailed": false, "reasons": []}))
}
