//! HOT templates: from what a caller sends to the resources of a stack, resolved and checked.
//!
//! A template is YAML or JSON text, or an object (`text.rs`). Its version says what it may use. Parameters get their
//! values from the request, the environment and their defaults (`parameters.rs`). Each resource then is read and its
//! functions are resolved (`resources.rs`, `functions.rs`): what can't be resolved here is refused, never stored.
//! Templates name what exists already: a resource that would have to be made is refused by its type's own rules.
//!
//! Messages and types of errors are Heat's where Heat has them (`heat/common/exception.py`).

pub(crate) mod environment;
mod functions;
pub(crate) mod hidden;
pub(crate) mod parameters;
mod resources;
mod text;
mod version;

use serde_json::{Map, Value, json};
use stacksnap_common::ids::{ProjectId, StackName};
use stacksnap_common::kinds::Kinds;
use stacksnap_common::record::Stack;
use stacksnap_common::types::Resource;

use crate::fault::Fault;
use functions::Scope;

/// What a request says of a stack to be made.
pub(crate) struct Given<'a> {
    pub(crate) template: &'a Value,
    /// An object, a text, or null.
    pub(crate) environment: &'a Value,
    /// An object or null.
    pub(crate) parameters: &'a Value,
    pub(crate) files: &'a Map<String, Value>,
    pub(crate) stack_name: &'a StackName,
    pub(crate) project: &'a ProjectId,
    /// What the stack has so far: of the same name and type, it goes on having its physical id where the template gives
    /// none. Empty when a stack is created. To adopt: what there is to be adopted.
    pub(crate) before: &'a [Resource],
    /// A stack's resources, at most.
    pub(crate) resources: usize,
}

#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) template: Value,
    pub(crate) description: String,
    pub(crate) environment: Value,
    /// Values by name, of the types that the template gives them.
    pub(crate) parameters: Map<String, Value>,
    pub(crate) resources: Vec<Resource>,
}

const SECTIONS: [&str; 7] =
    ["heat_template_version", "description", "parameter_groups", "parameters", "resources", "outputs", "conditions"];

pub(crate) fn parse(given: &Given<'_>, kinds: &Kinds) -> Result<Parsed, Fault> {
    let template = text::object("Template", given.template)?;
    version::check(&template)?;
    if let Some(section) = template.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
        return Err(Fault::refused("InvalidTemplateSection", format!("The template section is invalid: {section}")));
    }
    if section(&template, "conditions")?.is_some_and(|conditions| !conditions.is_empty()) {
        return Err(invalid("conditions are not resolved by this service; leave out what does not apply"));
    }
    let description = match template.get("description") {
        None | Some(Value::Null) => "No description".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err(invalid("description must be a string")),
    };
    let environment = environment::parse(given.environment, given.parameters)?;
    let parameters = parameters::values(section(&template, "parameters")?, &environment)?;
    let scope = Scope {
        parameters: &parameters,
        pseudo: vec![("OS::stack_name", given.stack_name.to_string()), ("OS::project_id", given.project.to_string())],
        files: given.files,
    };
    let declared = section(&template, "resources")?;
    if declared.map_or(0, Map::len) > given.resources {
        let why = format!("Request limit exceeded: a stack has at most {} resources.", given.resources);
        return Err(Fault::refused("RequestLimitExceeded", why));
    }
    let resources = resources::read(declared, &scope, version::has_external_id(&template), given.before, kinds)?;
    section(&template, "outputs")?;
    Ok(Parsed { description, environment, parameters, resources, template: Value::Object(template) })
}

/// What functions can refer to in a stack that is there.
fn scope(stack: &Stack) -> Scope<'_> {
    Scope {
        parameters: &stack.parameters,
        pseudo: vec![
            ("OS::stack_name", stack.name.to_string()),
            ("OS::project_id", stack.project.to_string()),
            ("OS::stack_id", stack.id.to_string()),
        ],
        files: &stack.files,
    }
}

fn physical(stack: &Stack) -> functions::Physical {
    stack.resources.iter().map(|resource| (resource.name.to_string(), resource.external_id.clone())).collect()
}

/// A resource's metadata, resolved; as the template has it where that can't be done.
pub(crate) fn metadata(stack: &Stack, resource: &str) -> Value {
    let given = &stack.template["resources"][resource]["metadata"];
    if given.is_null() {
        return json!({});
    }
    let (scope, physical) = (scope(stack), physical(stack));
    let resolved = scope.resolver(Some(&physical)).resolve(given);
    resolved.unwrap_or_else(|_| given.clone())
}

/// A template, or what it is part of, as an object: given as one, or as a text of YAML or JSON. `what` is how it is called
/// in errors.
pub(crate) fn object(what: &str, given: &Value) -> Result<Map<String, Value>, Fault> {
    text::object(what, given)
}

/// A text of YAML or JSON, bounded like a template; or why it is none.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    text::read(text)
}

/// A stack's outputs with their values. One that can't be resolved has null and says why, as in Heat.
pub(crate) fn outputs(stack: &Stack) -> Value {
    let (scope, physical) = (scope(stack), physical(stack));
    let mut resolver = scope.resolver(Some(&physical));
    let outputs = stack.template["outputs"].as_object();
    let shown = outputs.into_iter().flatten().map(|(key, output)| {
        let description = output["description"].as_str().unwrap_or("No description given");
        let mut shown = json!({"output_key": key, "description": description});
        match resolver.resolve(&output["value"]) {
            Ok(value) => shown["output_value"] = value,
            Err(why) => {
                shown["output_value"] = Value::Null;
                shown["output_error"] = why.text().into();
            }
        }
        shown
    });
    Value::Array(shown.collect())
}

fn section<'a>(template: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, Fault> {
    match template.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(section)) => Ok(Some(section)),
        Some(_) => Err(invalid(format!("\"{name}\" must contain a map"))),
    }
}

/// 400 `StackValidationFailed`.
fn invalid(why: impl Into<String>) -> Fault {
    Fault::refused("StackValidationFailed", why)
}

#[cfg(test)]
mod tests;
