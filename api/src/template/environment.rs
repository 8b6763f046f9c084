//! The environment: parameters and their defaults. What else Heat's environments have would change what a template means,
//! so a registry of types is refused.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{invalid, text};
use crate::fault::Fault;

const SECTIONS: [&str; 6] = [
    "parameters",
    "parameter_defaults",
    "resource_registry",
    "event_sinks",
    "encrypted_param_names",
    "parameter_merge_strategies",
];

/// In Heat's form, the request's own `parameters` put over those of the environment.
pub(crate) fn parse(given: &Value, parameters: &Value) -> Result<Value, Fault> {
    let environment = match given {
        Value::Null => Map::new(),
        Value::String(text) if text.trim().is_empty() => Map::new(),
        given => text::object("Environment", given)?,
    };
    if let Some(section) = environment.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
        return Err(Fault::bad_request(format!("environment has wrong section \"{section}\"")));
    }
    let object = |name: &str, given: Option<&Value>| match given {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Fault::bad_request(format!("{name} must be an object."))),
    };
    let registry = object("resource_registry", environment.get("resource_registry"))?;
    if !registry.iter().all(|(key, value)| key == "resources" && empty(value)) {
        return Err(invalid("resource_registry is not supported; name the types themselves in the template"));
    }
    if environment
        .get("event_sinks")
        .is_some_and(|sinks| !sinks.is_null() && sinks.as_array().is_none_or(|s| !s.is_empty()))
    {
        return Err(invalid("event_sinks are not supported"));
    }
    if !environment.get("parameter_merge_strategies").is_none_or(empty) {
        return Err(invalid("parameter_merge_strategies are not supported; give the merged values as parameters"));
    }
    let mut values = object("parameters", environment.get("parameters"))?;
    values.extend(object("parameters", Some(parameters))?);
    Ok(json!({
        "resource_registry": {"resources": {}},
        "parameters": values,
        "parameter_defaults": object("parameter_defaults", environment.get("parameter_defaults"))?,
        "event_sinks": [],
    }))
}

/// What a request gives as environment and as parameters, for [`parse`]. `files` are those of the stack that it is for.
///
/// A request that names `environment_files` has its environment from them: its `environment`, which clients send merged
/// beside, is left out, and each file is put over the parameters and the files before it (`heat/common/environment_util.py`
/// and Heat's `InstantiationData`). Once there are values, a file's other values count only as far as the template
/// declares them.
pub(crate) fn requested<'a>(
    body: &'a Map<String, Value>,
    template: &Value,
    files: &Map<String, Value>,
) -> Result<(Cow<'a, Value>, &'a Value), Fault> {
    let given = |key: &str| body.get(key).unwrap_or(&Value::Null);
    let names = match given("environment_files") {
        Value::Null => &[],
        Value::Array(names) => names.as_slice(),
        _ => return Err(Fault::bad_request("environment_files must be a list of names in files.")),
    };
    if names.is_empty() {
        return Ok((Cow::Borrowed(given("environment")), given("parameters")));
    }
    let template = text::object("Template", template)?;
    let declared = |name: &str| template.get("parameters").is_some_and(|declared| declared.get(name).is_some());
    let mut environment = parse(&Value::Null, given("parameters"))?;
    for name in names {
        let content = name.as_str().and_then(|name| files.get(name)).ok_or_else(|| {
            Fault::bad_request(format!("environment_files names {name}, and files has nothing of that name."))
        })?;
        let file = parse(content, &Value::Null)?;
        for section in ["parameters", "parameter_defaults"] {
            let (Some(values), Some(new)) = (environment[section].as_object_mut(), file[section].as_object()) else {
                continue;
            };
            let first = values.is_empty();
            let counts = |(name, value): &(&String, &Value)| first || declared(name) && !value.is_null();
            values.extend(new.iter().filter(counts).map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    Ok((Cow::Owned(environment), &Value::Null))
}

fn empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}
