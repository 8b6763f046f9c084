//! The versions root, which every path outside of `/v1` leads to, and `build_info`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::auth::policy as rule;
use crate::base::Base;
use crate::openapi::Doc;
use crate::openapi::schemas::BuildInfo;
use crate::routes::Route;

pub(crate) fn routes() -> Vec<Route> {
    let doc = Doc::new("show_build_info", "Tells the version").answers::<BuildInfo>(200, "The version.");
    vec![Route::new("/build_info").get(rule::BUILD_INFO, build_info).doc(doc)]
}

pub(crate) async fn versions(base: Base) -> Response {
    let v1 = json!({"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": base.v1()}]});
    (StatusCode::MULTIPLE_CHOICES, Json(json!({"versions": [v1]}))).into_response()
}

pub(crate) async fn build_info() -> Json<Value> {
    let revision = json!({"revision": env!("CARGO_PKG_VERSION")});
    Json(json!({"api": revision, "engine": revision}))
}
