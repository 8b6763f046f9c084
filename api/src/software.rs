//! Software configs and deployments: there are none, and none are made. Clients list them.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::auth::policy as rule;
use crate::body::{Change, NoBody};
use crate::fault::Fault;
use crate::openapi::Doc;
use crate::params::At;
use crate::routes::Route;

const NONE_MADE: &str = "It is none of a kind that this service makes.";

pub(crate) fn routes() -> Vec<Route> {
    let missing =
        |id, text| Doc::new(id, text).answers_any(200, "Never: there are none.").refuses(404, "There is none.");
    vec![
        Route::new("/software_configs")
            .get(rule::CONFIG_INDEX, configs)
            .doc(Doc::new("list_software_configs", "Lists software configs: none").answers_any(200, "An empty list."))
            .post(rule::CONFIG_CREATE, make_config)
            .doc(Doc::new("create_software_config", "Refused").answers_any(200, "Never.").refuses(400, NONE_MADE)),
        Route::new("/software_configs/{config_id}")
            .get(rule::CONFIG_SHOW, config)
            .doc(missing("show_software_config", "Shows a software config: there is none")),
        Route::new("/software_deployments")
            .get(rule::DEPLOYMENT_INDEX, deployments)
            .doc(
                Doc::new("list_software_deployments", "Lists software deployments: none")
                    .answers_any(200, "An empty list."),
            )
            .post(rule::DEPLOYMENT_CREATE, make_deployment)
            .doc(Doc::new("create_software_deployment", "Refused").answers_any(200, "Never.").refuses(400, NONE_MADE)),
        Route::new("/software_deployments/{deployment_id}")
            .get(rule::DEPLOYMENT_SHOW, deployment)
            .doc(missing("show_software_deployment", "Shows a software deployment: there is none")),
    ]
}

async fn configs(_: NoBody) -> Json<Value> {
    Json(json!({"software_configs": []}))
}

async fn deployments(_: NoBody) -> Json<Value> {
    Json(json!({"software_deployments": []}))
}

async fn config(At(id): At<(String, String)>, _: NoBody) -> Fault {
    missing("config", &id.1)
}

async fn deployment(At(id): At<(String, String)>, _: NoBody) -> Fault {
    missing("deployment", &id.1)
}

fn missing(what: &str, id: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "NotFound", format!("Software {what} with id {id} not found"))
}

async fn make_config(_: Change) -> Fault {
    none_made("configs")
}

async fn make_deployment(_: Change) -> Fault {
    none_made("deployments")
}

fn none_made(what: &str) -> Fault {
    let why = format!("Software {what} are not supported by this service; run it in heat mode to have Heat make them.");
    Fault::refused("NotSupported", why)
}
