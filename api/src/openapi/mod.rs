//! The OpenAPI document, made of the routes: a route that is not documented fails a test, and what is documented is what
//! is routed. The tests of the API hold every answer against it.
//!
//! - `doc.rs`: how a route says what it is. `schemas/`: what bodies look like.
//! - `browser.rs`: `/openapi.json`, and a page to look at it and try it.

pub(crate) mod browser;
mod doc;
pub(crate) mod schemas;

use axum::http::Method;
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};

pub(crate) use doc::{Doc, Kind};

use crate::routes::{Noun, nouns};

/// The document.
pub fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::new();
    let token = "A token of Keystone or of the token file, as the service is configured; none without authentication.";
    components.add_security_scheme(
        "token",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-Auth-Token", token))),
    );
    for (name, schema) in [
        (schemas::FAULT, schemas::Fault::schema()),
        (schemas::PAGE, schemas::Page::schema()),
        (schemas::UNAUTHENTICATED, schemas::Unauthenticated::schema()),
        (schemas::NOT_FOUND, schemas::NotFound::schema()),
        (schemas::AWAY, schemas::Away::schema()),
    ] {
        components.schemas.insert(name.to_owned(), schema);
    }
    let mut nested = Vec::new();
    schemas::Fault::schemas(&mut nested);
    schemas::Unauthenticated::schemas(&mut nested);
    components.schemas.extend(nested);
    for Noun { tag, routes } in nouns() {
        for route in routes {
            let path = format!("/v1/{{project}}{}", route.path);
            for named in &route.named {
                let Some(doc) = &named.doc else { continue };
                components.schemas.extend(doc.schemas.iter().cloned());
                let operation = doc.operation(&path, &named.method, named.rule, tag);
                paths.add_path_operation(&path, vec![http_method(&named.method)], operation);
            }
        }
    }
    let about = "Snapshots and restores a whole stack as one unit. Heat's stack and snapshot API, and beside it \
                 operations. Every answer has an `X-Openstack-Request-Id`.";
    let info = InfoBuilder::new()
        .title("stacksnap")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build()));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_documented_once() {
        let mut ids = BTreeSet::new();
        for (_, path, operation) in operations(&document()) {
            assert!(ids.insert(operation["operationId"].clone().to_string()), "{path}: {}", operation["operationId"]);
        }
        let routed: usize = nouns().iter().flat_map(|noun| &noun.routes).map(|route| route.named.len()).sum();
        for route in nouns().iter().flat_map(|noun| &noun.routes) {
            for named in &route.named {
                assert!(named.doc.is_some(), "{} {} is not documented", named.method, route.path);
            }
        }
        assert_eq!(ids.len(), routed);
    }

    fn operations(document: &OpenApi) -> Vec<(String, String, serde_json::Value)> {
        let document = serde_json::to_value(document).unwrap_or_default();
        let mut found = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                found.push((method.clone(), path.clone(), operation.clone()));
            }
        }
        found
    }
}
