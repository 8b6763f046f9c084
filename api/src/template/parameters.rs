//! Parameters: declared in the template, given in the request or the environment, checked, and of the type declared.

use serde_json::{Map, Number, Value};

use super::invalid;
use crate::fault::Fault;
use crate::params::truth;

const KEYS: [&str; 8] = ["type", "label", "description", "default", "hidden", "constraints", "immutable", "tags"];

/// The value of every declared parameter.
pub(super) fn values(declared: Option<&Map<String, Value>>, environment: &Value) -> Result<Map<String, Value>, Fault> {
    let none = Map::new();
    let declared = declared.unwrap_or(&none);
    let given = environment["parameters"].as_object().unwrap_or(&none);
    let defaults = environment["parameter_defaults"].as_object().unwrap_or(&none);
    if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
        let why = format!("The Parameter ({unknown}) was not defined in template.");
        return Err(Fault::refused("UnknownUserParameter", why));
    }
    let mut values = Map::new();
    for (name, schema) in declared {
        let schema = checked(name, schema)?;
        let value = given.get(name).or_else(|| defaults.get(name)).or_else(|| schema.get("default"));
        let Some(value) = value else {
            let why = format!("The Parameter ({name}) was not provided.");
            return Err(Fault::refused("UserParameterMissing", why));
        };
        let wrong = |why: String| invalid(format!("Parameter '{name}' is invalid: {why}"));
        let value = typed(schema["type"].as_str().unwrap_or_default(), value).map_err(wrong)?;
        for constraint in schema.get("constraints").and_then(Value::as_array).into_iter().flatten() {
            constrain(constraint, &value).map_err(wrong)?;
        }
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// Whether an update must leave its value as it is.
pub(crate) fn is_immutable(template: &Value, name: &str) -> bool {
    match &template["parameters"][name]["immutable"] {
        Value::Bool(immutable) => *immutable,
        Value::String(text) => truth("", text).unwrap_or(false),
        _ => false,
    }
}

fn checked<'a>(name: &str, schema: &'a Value) -> Result<&'a Map<String, Value>, Fault> {
    let wrong = |why: String| Err(Fault::refused("InvalidSchemaError", why));
    let Value::Object(schema) = schema else { return wrong(format!("Invalid parameter definition for {name}")) };
    if let Some(key) = schema.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return wrong(format!("Invalid key '{key}' for parameter ({name})"));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string" | "number" | "comma_delimited_list" | "json" | "boolean") => {}
        None => return wrong(format!("Missing parameter type for parameter: {name}")),
        Some(kind) => return wrong(format!("Invalid type ({kind})")),
    }
    match schema.get("constraints") {
        None | Some(Value::Null | Value::Array(_)) => Ok(schema),
        Some(_) => wrong(format!("Invalid parameter constraints for parameter {name}, expected a list")),
    }
}

fn typed(kind: &str, value: &Value) -> Result<Value, String> {
    match (kind, value) {
        ("string", Value::String(_)) | ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => Ok(value.clone()),
        ("string", Value::Number(number)) => Ok(number.to_string().into()),
        ("string", _) => Err("Value must be a string".to_owned()),
        ("number", Value::String(text)) => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Number::from);
            let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
            number.map(Value::Number).ok_or_else(|| "Value must be a number".to_owned())
        }
        ("number", _) => Err("Value must be a number".to_owned()),
        ("boolean", Value::String(text)) => {
            truth("", text).map(Value::Bool).map_err(|_| "Value must be a boolean".to_owned())
        }
        ("boolean", _) => Err("Value must be a boolean".to_owned()),
        ("comma_delimited_list", Value::String(text)) if text.is_empty() => Ok(Value::Array(Vec::new())),
        ("comma_delimited_list", Value::String(text)) => {
            Ok(text.split(',').map(|item| Value::from(item.trim())).collect())
        }
        ("comma_delimited_list", Value::Array(_)) => Ok(value.clone()),
        ("comma_delimited_list", _) => Err("Value must be a comma-delimited list string".to_owned()),
        ("json", Value::Object(_) | Value::Array(_)) => Ok(value.clone()),
        ("json", Value::String(text)) if text.is_empty() => Ok(Value::Object(Map::new())),
        ("json", Value::String(text)) => {
            serde_json::from_str(text).map_err(|error| format!("Value must be valid JSON: {error}"))
        }
        _ => Err("Value must be valid JSON".to_owned()),
    }
}

fn constrain(constraint: &Value, value: &Value) -> Result<(), String> {
    let Some(constraint) = constraint.as_object() else { return Err("a constraint must be a map".to_owned()) };
    let said = constraint.get("description").and_then(Value::as_str);
    let or = |why: String| Err(said.map_or(why, str::to_owned));
    for (kind, rule) in constraint {
        let within = |of: f64| {
            let bound = |name| rule.get(name).and_then(Value::as_f64);
            bound("min").is_none_or(|min| of >= min) && bound("max").is_none_or(|max| of <= max)
        };
        match kind.as_str() {
            "description" => {}
            "length" => {
                let length = match value {
                    Value::String(text) => text.chars().count(),
                    Value::Array(list) => list.len(),
                    Value::Object(map) => map.len(),
                    _ => 0,
                };
                if !within(length as f64) {
                    return or(format!("length ({length}) is out of range ({rule})"));
                }
            }
            "range" => {
                if !value.as_f64().is_some_and(within) {
                    return or(format!("{value} is out of range ({rule})"));
                }
            }
            "allowed_values" => {
                let allowed = rule.as_array().map(Vec::as_slice).unwrap_or_default();
                let is = |value: &Value| allowed.iter().any(|one| one == value || plain(one) == plain(value));
                let fine = match value {
                    Value::Array(list) => list.iter().all(is),
                    value => is(value),
                };
                if !fine {
                    return or(format!("{} is not an allowed value {rule}", plain(value)));
                }
            }
            other => return Err(format!("the constraint {other:?} is not checked by this service; leave it out")),
        }
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
