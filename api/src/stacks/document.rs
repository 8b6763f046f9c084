//! The document that abandon and export hand out, and that adopt takes: Heat's (`heat/engine/stack.py`,
//! `prepare_abandon`), which a snapshot's `data` is too. Values of hidden parameters are masked.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stacksnap_common::ids::ProjectId;
use stacksnap_common::record::{Captured, ResourceShown};

use crate::template::hidden;

pub(super) fn document(project: &ProjectId, stack: &Captured, states: &BTreeMap<String, ResourceShown>) -> Value {
    let resource = |resource: &stacksnap_common::types::Resource| {
        let name = resource.name.as_str();
        let shown = crate::resources::shown(states.get(name));
        let metadata = &stack.template["resources"][name]["metadata"];
        let document = json!({
            "name": name,
            "resource_id": resource.external_id,
            "type": resource.kind,
            "action": shown.action,
            "status": shown.status.as_str(),
            "metadata": if metadata.is_object() { metadata.clone() } else { json!({}) },
            "resource_data": if resource.data.is_object() { resource.data.clone() } else { json!({}) },
        });
        (name.to_owned(), document)
    };
    let resources: Map<_, _> = stack.resources.iter().map(resource).collect();
    json!({
        "name": stack.name,
        "id": stack.stack,
        "action": stack.shown.action,
        "environment": hidden::environment(&stack.template, &stack.environment),
        "files": stack.files,
        "status": stack.shown.status.as_str(),
        "template": stack.template,
        "resources": resources,
        "project_id": project,
        "stack_user_project_id": null,
        "tags": stack.tags,
    })
}
