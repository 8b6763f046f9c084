//! `POST /stacks/preview`: what a stack would be. Nothing is made; names and values that chance would give are examples.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use stacksnap_common::clock::rfc3339;

use crate::Api;
use crate::body::Change;
use crate::fault::Fault;
use crate::stacks::create;
use crate::template::hidden;

pub(crate) async fn preview(State(api): State<Arc<Api>>, mut change: Change) -> Result<Json<Value>, Fault> {
    let body = change.required()?;
    let new = create::parse(&api, change.project(), &body).await?;
    let now = rfc3339(api.store.now().await?);
    let mut parameters = Map::new();
    parameters.insert("OS::stack_id".to_owned(), "None".into());
    parameters.insert("OS::project_id".to_owned(), change.project().to_string().into());
    parameters.insert("OS::stack_name".to_owned(), new.name.to_string().into());
    for (name, value) in hidden::mask(&new.template, &new.parameters) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        parameters.insert(name, text.into());
    }
    let required_by = |name| -> Vec<_> {
        let others = new.resources.iter().filter(|other| other.depends_on.contains(name));
        others.map(|other| other.name.as_str()).collect()
    };
    let resources = new.resources.iter().map(|resource| {
        json!({
            "updated_time": now,
            "creation_time": now,
            "resource_name": resource.name,
            "logical_resource_id": resource.name,
            // Of a native type there is none yet.
            "physical_resource_id": match &resource.data {
                Value::Null => resource.external_id.as_deref().unwrap_or_default(),
                _ => "",
            },
            "resource_action": "INIT",
            "resource_status": "COMPLETE",
            "resource_status_reason": "",
            "resource_type": resource.kind,
            "resource_identity": {
                "tenant": change.project(), "stack_name": new.name, "stack_id": "None",
                "path": format!("/resources/{}", resource.name),
            },
            "required_by": required_by(&resource.name),
            "properties": resource.properties,
            "attributes": {},
            "metadata": {},
            "description": "",
        })
    });
    Ok(Json(json!({"stack": {
        "stack_name": new.name,
        "id": "None",
        "links": [{"href": change.base.stack_named(change.project(), &new.name, "None"), "rel": "self"}],
        "creation_time": now,
        "updated_time": null,
        "deletion_time": null,
        "notification_topics": [],
        "parameters": parameters,
        "description": new.description,
        "template_description": new.description,
        "capabilities": [],
        "disable_rollback": new.disable_rollback,
        "timeout_mins": new.timeout_mins,
        "stack_owner": change.caller.user,
        "parent": null,
        "stack_user_project_id": null,
        "tags": new.tags,
        "resources": resources.collect::<Vec<_>>(),
    }})))
}
