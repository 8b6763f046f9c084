//! `POST /validate`: whether a template is valid, and what its parameters are. Values need not be given.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};
use stacksnap_common::ids::StackName;

use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::template::{self, Given};

pub(crate) async fn validate(State(api): State<Arc<Api>>, mut change: Change) -> Result<Json<Value>, Fault> {
    let body = change.required()?;
    let part = |key: &str| body.get(key).unwrap_or(&Value::Null);
    if part("template").is_null() {
        return Err(Fault::bad_request("No template specified"));
    }
    let files = match part("files") {
        Value::Null => Map::new(),
        Value::Object(files) => files.clone(),
        _ => return Err(Fault::bad_request("files must be an object.")),
    };
    // The name that Heat gives the stack that it tries.
    let name: StackName = "dummy".parse().map_err(|_| Fault::internal())?;
    let check = || {
        let (environment, parameters) = template::environment::requested(&body, part("template"), &files)?;
        let given = Given {
            template: part("template"),
            environment: &environment,
            parameters,
            files: &files,
            stack_name: &name,
            project: change.project(),
            before: &[],
            adopting: false,
            resources: api.limits.resources_per_stack as usize,
        };
        template::validate(&given, &api.store.kinds)
    };
    api.busy.run(check).await.map(Json)
}
