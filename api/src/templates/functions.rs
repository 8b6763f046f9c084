//! `GET /template_versions/{version}/functions`.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::template::language::Version;

pub(crate) async fn list(
    At((_, version)): At<(String, String)>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let conditions = params.truth("with_condition_func")?.unwrap_or(false);
    let named = version.strip_prefix("heat_template_version.").and_then(Version::named);
    let known = named.ok_or_else(|| {
        let why = format!("Template with version {version} not found");
        Fault::new(StatusCode::NOT_FOUND, "NotFound", why)
    })?;
    let of_conditions = known.condition_functions().filter(|function| conditions && function.is_of_conditions());
    let functions = known.functions().chain(of_conditions);
    let shown = functions.map(|function| json!({"functions": function.name, "description": function.description}));
    Ok(Json(json!({"template_functions": shown.collect::<Vec<_>>()})))
}
