//! A stack as Heat's clients read it. The order of keys is Heat's.

use serde_json::{Map, Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::record::Stack;
use stacksnap_common::store::Millis;

use crate::base::Base;
use crate::template::hidden;

pub(crate) fn time(at: Option<Millis>) -> Value {
    at.map_or(Value::Null, |at| rfc3339(at).into())
}

pub(crate) fn link(href: &str, rel: &str) -> Value {
    json!({"href": href, "rel": rel})
}

/// As `show` has it.
pub(crate) fn full(base: &Base, stack: &Stack, outputs: bool) -> Value {
    let mut shown = json!({
        "stack_name": stack.name,
        "id": stack.id,
        "links": [link(&base.stack(stack), "self")],
        "creation_time": rfc3339(stack.created_at),
        "updated_time": time(stack.updated_at),
        "deletion_time": time(stack.deleted_at),
        "notification_topics": [],
        "parameters": parameters(stack),
        "description": stack.description,
        "template_description": stack.description,
        "capabilities": [],
        "disable_rollback": stack.disable_rollback,
        "timeout_mins": stack.timeout_mins,
        "stack_owner": stack.owner,
        "parent": null,
        "stack_user_project_id": null,
        "tags": stack.tags,
        "stack_status": stack.shown.word(),
        "stack_status_reason": stack.shown.reason,
    });
    if outputs && stack.deleted_at.is_none() {
        shown["outputs"] = crate::template::outputs(stack);
    }
    shown
}

/// As `list` has it.
pub(crate) fn listed(base: &Base, stack: &Stack) -> Value {
    json!({
        "id": stack.id,
        "links": [link(&base.stack(stack), "self")],
        "stack_name": stack.name,
        "description": "",
        "stack_status": stack.shown.word(),
        "stack_status_reason": stack.shown.reason,
        "creation_time": rfc3339(stack.created_at),
        "updated_time": time(stack.updated_at),
        "deletion_time": time(stack.deleted_at),
        "stack_owner": stack.owner,
        "parent": null,
        "stack_user_project_id": null,
        "tags": if stack.tags.is_empty() { Value::Null } else { json!(stack.tags) },
    })
}

/// The pseudo parameters and the values given, all as text, hidden ones masked.
fn parameters(stack: &Stack) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("OS::stack_id".to_owned(), stack.id.to_string().into());
    shown.insert("OS::project_id".to_owned(), stack.project.to_string().into());
    shown.insert("OS::stack_name".to_owned(), stack.name.to_string().into());
    for (name, value) in hidden::mask(&stack.template, &stack.parameters) {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        shown.insert(name, text.into());
    }
    shown
}
