//! The document at `/openapi.json`, and Swagger UI at `/docs/` to read it and to try it. All of it is in the binary: no
//! page of it asks another host for anything, and its Content-Security-Policy forbids that.
//!
//! No token is needed: nothing here is of a project. Without authentication the rules for foreign pages hold here too
//! (`auth/none.rs`).

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use super::document;
use crate::Api;

/// Swagger UI styles its elements in place and has its icons as `data:`; scripts come from here alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn router() -> Router<Arc<Api>> {
    let text = Bytes::from(document().to_json().unwrap_or_default());
    let json = move || async move { ([(CONTENT_TYPE, "application/json")], text) };
    Router::new()
        .route("/openapi.json", get(json))
        // The page's own files are named relative to it.
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| file(Path(String::new()))))
        .route("/docs/{*file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    let config = Arc::new(Config::from("/openapi.json").validator_url("none").persist_authorization(false));
    match utoipa_swagger_ui::serve(&name, config) {
        Ok(Some(file)) => {
            let mut response = file.bytes.into_owned().into_response();
            let headers = response.headers_mut();
            if let Ok(kind) = HeaderValue::from_str(&file.content_type) {
                headers.insert(CONTENT_TYPE, kind);
            }
            if file.gzpipped {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!("the page of the API can't be made: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
