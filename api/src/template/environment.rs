//! The environment: parameters and their defaults. What else Heat's environments have would change what a template means,
//! so a registry of types is refused.

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
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    if !registry.iter().all(|(key, value)| key == "resources" && empty(value)) {
        return Err(invalid("resource_registry is not supported; name the types themselves in the template"));
    }
    if environment
        .get("event_sinks")
        .is_some_and(|sinks| !sinks.is_null() && sinks.as_array().is_none_or(|s| !s.is_empty()))
    {
        return Err(invalid("event_sinks are not supported"));
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
