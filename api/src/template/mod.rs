//! HOT templates: from what a caller sends to the resources of a stack, resolved and checked.
//!
//! A template is YAML or JSON text, or an object (`text.rs`). Its version says what it may use (`language.rs`). Parameters
//! get their values from the request, the environment and their defaults (`parameters.rs`), conditions theirs from them.
//! Each resource then is read and its functions are resolved (`resources.rs`, `functions/`): what can't be resolved here
//! is refused, never stored. Templates name what exists already; native types are made here, in the record alone
//! (`common/src/native/`). What would have to be created in a cloud is refused.
//!
//! Messages and types of errors are Heat's where Heat has them (`heat/common/exception.py`).

mod constraints;
pub(crate) mod environment;
mod functions;
pub(crate) mod hidden;
pub(crate) mod language;
pub(crate) mod parameters;
mod resources;
mod text;

use serde_json::{Map, Value, json};
use stacksnap_common::ids::{ProjectId, StackName};
use stacksnap_common::kinds::Kinds;
use stacksnap_common::record::Stack;
use stacksnap_common::types::Resource;

use crate::fault::Fault;
use functions::{Conditions, Known, Resolver, Scope};
use language::Version;

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
    /// What the stack has so far: native resources keep their values, and what was adopted its physical ids. Empty when a
    /// stack is created. To adopt: what there is to be adopted.
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
    let Read { template, version, description } = read(given.template)?;
    let environment = environment::parse(given.environment, given.parameters)?;
    check_groups(&template)?;
    let parameters = parameters::values(section(&template, "parameters")?, &environment)?;
    let resources = resources(given, kinds, &template, version, &parameters)?;
    Ok(Parsed { description, environment, parameters, resources, template: Value::Object(template) })
}

/// What `POST /validate` answers: the template's parameters, with what is wrong with it refused. Where values are missing
/// the resources can't be resolved, and only the template's form is checked.
pub(crate) fn validate(given: &Given<'_>, kinds: &Kinds) -> Result<Value, Fault> {
    let Read { template, version, .. } = read(given.template)?;
    let environment = environment::parse(given.environment, given.parameters)?;
    check_groups(&template)?;
    let declared = section(&template, "parameters")?;
    let values = parameters::some_values(declared, &environment)?;
    if values.len() == declared.map_or(0, Map::len) {
        resources(given, kinds, &template, version, &values)?;
    } else {
        resources::check_forms(section(&template, "resources")?, version)?;
    }
    let mut answer = json!({
        "Description": template.get("description").cloned().unwrap_or_else(|| "".into()),
        "Parameters": parameters::described(declared, &environment)?,
    });
    if let Some(groups) = template.get("parameter_groups").filter(|groups| !groups.is_null()) {
        answer["ParameterGroups"] = groups.clone();
    }
    answer["Environment"] = hidden::environment(&Value::Object(template), &environment);
    Ok(answer)
}

/// A template, as far as it can be read without values.
struct Read {
    template: Map<String, Value>,
    version: Version,
    description: String,
}

fn read(given: &Value) -> Result<Read, Fault> {
    let template = text::object("Template", given)?;
    let version = Version::of(&template)?;
    if let Some(section) = template.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
        return Err(Fault::refused("InvalidTemplateSection", format!("The template section is invalid: {section}")));
    }
    let description = match template.get("description") {
        None | Some(Value::Null) => "No description".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err(invalid("description must be a string")),
    };
    section(&template, "outputs")?;
    Ok(Read { template, version, description })
}

/// Parameter groups say how to show parameters: each names some that there are, and none twice
/// (`heat/engine/parameter_groups.py`).
fn check_groups(template: &Map<String, Value>) -> Result<(), Fault> {
    let groups = match template.get("parameter_groups") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(groups)) => groups,
        Some(_) => return Err(invalid("parameter_groups: The parameter_groups should be a list.")),
    };
    let declared = section(template, "parameters")?;
    let mut seen = std::collections::BTreeSet::new();
    for group in groups {
        let label = group["label"].as_str().unwrap_or_default();
        let Some(names) = group["parameters"].as_array() else {
            return Err(invalid(format!(
                "parameter_groups.{label}: The parameters of parameter group should be a list."
            )));
        };
        for name in names {
            let name = name.as_str().unwrap_or_default();
            if !declared.is_some_and(|declared| declared.contains_key(name)) {
                let why = "The grouped parameter does not reference a valid parameter.";
                return Err(invalid(format!("parameter_groups.{label}: {why} ({name})")));
            }
            if !seen.insert(name) {
                let why = "parameter must be a part of only one parameter group.";
                return Err(invalid(format!("parameter_groups.{label}: The {name} {why}")));
            }
        }
    }
    Ok(())
}

fn resources(
    given: &Given<'_>,
    kinds: &Kinds,
    template: &Map<String, Value>,
    version: Version,
    parameters: &Map<String, Value>,
) -> Result<Vec<Resource>, Fault> {
    let mut scope = Scope {
        version,
        parameters,
        pseudo: vec![("OS::stack_name", given.stack_name.to_string()), ("OS::project_id", given.project.to_string())],
        files: given.files,
        conditions: Conditions::default(),
    };
    scope.conditions = Conditions::evaluate(section(template, "conditions")?, &scope)?;
    let declared = section(template, "resources")?;
    if declared.map_or(0, Map::len) > given.resources {
        let why = format!("Request limit exceeded: a stack has at most {} resources.", given.resources);
        return Err(Fault::refused("RequestLimitExceeded", why));
    }
    let from = resources::From {
        version,
        kinds,
        stack: given.stack_name,
        before: given.before.iter().map(|resource| (resource.name.as_str(), resource)).collect(),
    };
    resources::read(declared, &from, &mut Resolver::new(&scope))
}

/// What functions can refer to in a stack that is there.
fn scope(stack: &Stack) -> Scope<'_> {
    // The record may be older than what is known of its version now.
    let version = stack.template.as_object().and_then(|template| Version::of(template).ok());
    let mut scope = Scope {
        version: version.unwrap_or(language::NEWTON),
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

/// A resource's metadata, resolved; as the template has it where that can't be done.
pub(crate) fn metadata(stack: &Stack, resource: &str) -> Value {
    let given = &stack.template["resources"][resource]["metadata"];
    if given.is_null() {
        return json!({});
    }
    let scope = scope(stack);
    Resolver::new(&scope).resolve(given, Some(&known(stack))).unwrap_or_else(|_| given.clone())
}

/// A template, or what it is part of, as an object: given as one, or as a text of YAML or JSON. `what` is how it is called
/// in errors.
pub(crate) fn object(what: &str, given: &Value) -> Result<Map<String, Value>, Fault> {
    text::object(what, given)
}

/// A text of YAML or JSON, bounded like a template; or why it is none.
pub(crate) fn value_of(text: &str) -> Result<Value, String> {
    text::read(text)
}

/// A stack's outputs with their values. One that can't be resolved has null and says why, as in Heat.
pub(crate) fn outputs(stack: &Stack) -> Value {
    let Some(outputs) = stack.template["outputs"].as_object() else { return Value::Array(Vec::new()) };
    let (scope, known) = (scope(stack), known(stack));
    let mut resolver = Resolver::new(&scope);
    let mut shown = Vec::new();
    for (key, output) in outputs {
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
