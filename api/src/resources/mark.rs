//! `PATCH …/resources/{resource}`: marks a resource as unhealthy (CHECK_FAILED), or as healthy again. 200 and `null`. The
//! resource is named by its logical name or its physical id.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};

use super::show::ResourcePath;
use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::{At, truth};

/// Heat's, where the request gives none.
const REASON: &str = "state changed by resource_mark_unhealthy api";

/// Characters of a reason.
const LONGEST: usize = 1000;

pub(crate) async fn mark(
    State(api): State<Arc<Api>>,
    At(path): At<ResourcePath>,
    mut change: Change,
) -> Result<Json<Value>, Fault> {
    let (unhealthy, reason) = parse(&change.required()?)?;
    let stack = path.stack.live(&api, change.project()).await?;
    let marked = api.store.mark_resource(change.project(), stack.id, &path.resource_name, unhealthy, &reason).await;
    marked.map_err(|error| path.stack.fault(error))?;
    Ok(Json(Value::Null))
}

fn parse(body: &Map<String, Value>) -> Result<(bool, String), Fault> {
    if let Some(key) = body.keys().find(|key| !["mark_unhealthy", "resource_status_reason"].contains(&key.as_str())) {
        let key: String = key.chars().take(80).collect();
        return Err(Fault::bad_request(format!("Invalid keys in resource mark unhealthy {{'{key}'}}")));
    }
    let unhealthy = match body.get("mark_unhealthy") {
        None => {
            return Err(Fault::bad_request("Missing mandatory (mark_unhealthy) key from mark unhealthy request"));
        }
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => truth("mark_unhealthy", text)?,
        Some(other) => truth("mark_unhealthy", &other.to_string())?,
    };
    match body.get("resource_status_reason") {
        None | Some(Value::Null) => Ok((unhealthy, REASON.to_owned())),
        Some(Value::String(reason)) if reason.is_empty() => Ok((unhealthy, REASON.to_owned())),
        Some(Value::String(reason)) if reason.chars().count() <= LONGEST && !reason.contains('\0') => {
            Ok((unhealthy, reason.clone()))
        }
        Some(_) => {
            Err(Fault::bad_request(format!("resource_status_reason must be a string of at most {LONGEST} characters.")))
        }
    }
}
