//! The versions root, which every path outside of `/v1` leads to, and `build_info`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::base::Base;

pub(crate) async fn versions(base: Base) -> Response {
    let v1 = json!({"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": base.v1()}]});
    (StatusCode::MULTIPLE_CHOICES, Json(json!({"versions": [v1]}))).into_response()
}

pub(crate) async fn build_info() -> Json<Value> {
    let revision = json!({"revision": env!("CARGO_PKG_VERSION")});
    Json(json!({"api": revision, "engine": revision}))
}
