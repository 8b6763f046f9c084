//! `GET /services`, for administrators: Heat lists its engines there, this service its live workers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::store::Millis;

use crate::Api;
use crate::auth::policy as rule;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::openapi::Doc;
use crate::routes::Route;

/// Seconds between two signs of life of a worker.
const REPORTS: u64 = 5;

pub(crate) fn routes() -> Vec<Route> {
    let doc = Doc::new("list_services", "Lists the live workers").answers_any(200, "The workers.");
    vec![Route::new("/services").get(rule::SERVICE_INDEX, list).doc(doc)]
}

async fn list(State(api): State<Arc<Api>>, _: NoBody) -> Result<Json<Value>, Fault> {
    let workers = api.store.live_workers().await?;
    let services = workers.iter().map(|worker| {
        json!({
            "id": worker.id,
            "binary": "stacksnap-worker",
            "engine_id": worker.id,
            "host": worker.host,
            "hostname": worker.host,
            "topic": "engine",
            "report_interval": REPORTS,
            "created_at": time(worker.since),
            "updated_at": time(worker.beat),
            "deleted_at": null,
            "status": "up",
        })
    });
    Ok(Json(json!({"services": services.collect::<Vec<_>>()})))
}

/// Here, and only here, Heat has microseconds and no zone (contract, 1.5).
fn time(at: Millis) -> String {
    let micros = at.0 % 1000 * 1000;
    format!("{}.{micros:06}", rfc3339(at).trim_end_matches('Z'))
}
