//! `POST /validate`: whether a template is valid, and what its parameters are. Values need not be given.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value};

use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::stacks::create;
use crate::template;

pub(crate) async fn validate(State(api): State<Arc<Api>>, mut change: Change) -> Result<Json<Value>, Fault> {
    let mut body: Map<String, Value> = change.required()?;
    // The name that Heat gives the stack that it tries.
    body.insert("stack_name".to_owned(), "dummy".into());
    create::given(&api, change.project(), &body, &[], |given| template::validate(given, &api.store.kinds)).map(Json)
}
