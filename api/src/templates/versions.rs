//! `GET /template_versions`.

use axum::Json;
use serde_json::{Value, json};

use crate::body::NoBody;
use crate::template::language;

pub(crate) async fn list(_: NoBody) -> Json<Value> {
    let versions = language::dates().map(|date| {
        let aliases: Vec<_> =
            language::release(date).into_iter().map(|name| format!("heat_template_version.{name}")).collect();
        json!({"version": format!("heat_template_version.{date}"), "type": "hot", "aliases": aliases})
    });
    Json(json!({"template_versions": versions.collect::<Vec<_>>()}))
}
