//! What a template says of a stack that is there: its outputs, and the metadata of its resources.

use serde_json::{Value, json};
use stacksnap_common::record::Stack;

use super::functions::{Conditions, Known, Resolver, Scope};
use super::language::{NEWTON, Version};

/// What functions can refer to in a stack that is there.
fn scope(stack: &Stack) -> Scope<'_> {
    let mut scope = Scope {
        // The record may be older than what is known of its version now.
        version: stack.template.as_object().and_then(|template| Version::of(template).ok()).unwrap_or(NEWTON),
        parameters: &stack.parameters,
        pseudo: vec![
            ("OS::stack_name", stack.name.to_string()),
            ("OS::project_id", stack.project.to_string()),
            ("OS::stack_id", stack.id.to_string()),
        ],
        files: &stack.files,
        conditions: Conditions::default(),
    };
    if let Ok(conditions) = Conditions::evaluate(stack.template["conditions"].as_object(), &scope) {
        scope.conditions = conditions;
    }
    scope
}

fn known(stack: &Stack) -> Known {
    stack.resources.iter().map(|resource| (resource.name.to_string(), resource.clone())).collect()
}

/// A stack's outputs with their values; not those whose condition is false. One that can't be resolved has null and says
/// why, as in Heat.
pub(crate) fn outputs(stack: &Stack) -> Value {
    let (scope, known) = (scope(stack), known(stack));
    let mut resolver = Resolver::new(&scope);
    let mut shown = Vec::new();
    for (key, output) in stack.template["outputs"].as_object().into_iter().flatten() {
        let condition = output.get("condition").filter(|condition| !condition.is_null());
        if condition.is_some_and(|condition| resolver.is_true(condition).is_ok_and(|is| !is)) {
            continue;
        }
        let description = output["description"].as_str().unwrap_or("No description given");
        let mut one = json!({"output_key": key, "description": description});
        match resolver.resolve(&output["value"], Some(&known)) {
            Ok(value) => one["output_value"] = value,
            Err(why) => {
                one["output_value"] = Value::Null;
                one["output_error"] = why.text().into();
            }
        }
        shown.push(one);
    }
    Value::Array(shown)
}

/// A resource's metadata, resolved; as the template has it where that can't be done.
pub(crate) fn metadata(stack: &Stack, resource: &str) -> Value {
    let given = &stack.template["resources"][resource]["metadata"];
    if given.is_null() {
        return json!({});
    }
    let (scope, known) = (scope(stack), known(stack));
    let resolved = Resolver::new(&scope).resolve(given, Some(&known));
    resolved.unwrap_or_else(|_| given.clone())
}
