//! Parameters: declared in the template, given in the request or the environment, checked, and of the type declared.

use serde_json::{Map, Value, json};
use stacksnap_common::native::schema;

use super::{constraints, invalid};
use crate::fault::Fault;
use crate::params::truth;

const KEYS: [&str; 8] = ["type", "label", "description", "default", "hidden", "constraints", "immutable", "tags"];

/// The value of every declared parameter.
pub(super) fn values(declared: Option<&Map<String, Value>>, environment: &Value) -> Result<Map<String, Value>, Fault> {
    let found = some_values(declared, environment)?;
    let missing = declared.into_iter().flatten().map(|(name, _)| name).find(|name| !found.contains_key(*name));
    match missing {
        Some(name) => {
            let why = format!("The Parameter ({name}) was not provided.");
            Err(Fault::refused("UserParameterMissing", why))
        }
        None => Ok(found),
    }
}

/// The values of those parameters that have one, given or by default.
pub(super) fn some_values(
    declared: Option<&Map<String, Value>>,
    environment: &Value,
) -> Result<Map<String, Value>, Fault> {
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
        let constraints = constraints::of(name, schema)?;
        let value = given.get(name).or_else(|| defaults.get(name)).or_else(|| schema.get("default"));
        let Some(value) = value else { continue };
        let wrong = |why: String| invalid(format!("Parameter '{name}' is invalid: {why}"));
        let value = typed(schema["type"].as_str().unwrap_or_default(), value).map_err(wrong)?;
        constraints.iter().try_for_each(|constraint| constraint.check(&value)).map_err(wrong)?;
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

/// The parameters as `POST /validate` describes them, in the words of Heat's own template language.
pub(super) fn described(
    declared: Option<&Map<String, Value>>,
    environment: &Value,
) -> Result<Map<String, Value>, Fault> {
    let mut described = Map::new();
    for (name, schema) in declared.into_iter().flatten() {
        let schema = checked(name, schema)?;
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let hidden = schema.get("hidden").is_some_and(|hidden| match hidden {
            Value::Bool(hidden) => *hidden,
            Value::String(text) => truth("", text).unwrap_or(false),
            _ => false,
        });
        let mut shown = json!({
            "Type": match text("type").unwrap_or_default() {
                "number" => "Number",
                "comma_delimited_list" => "CommaDelimitedList",
                "json" => "Json",
                "boolean" => "Boolean",
                _ => "String",
            },
            "Description": text("description").unwrap_or_default(),
            "NoEcho": if hidden { "true" } else { "false" },
            "Label": text("label").unwrap_or(name),
        });
        // A default of the environment takes the template's place.
        let default = environment["parameter_defaults"].get(name).or_else(|| schema.get("default"));
        let masked = |value: &Value| if hidden { "******".into() } else { value.clone() };
        if let Some(default) = default {
            shown["Default"] = masked(default);
        }
        if let Some(value) = environment["parameters"].get(name) {
            shown["Value"] = masked(value);
        }
        if let Some(tags) = schema.get("tags").filter(|tags| !tags.is_null()) {
            shown["Tags"] = tags.clone();
        }
        constraints::of(name, schema)?.iter().for_each(|constraint| constraint.describe(&mut shown));
        described.insert(name.clone(), shown);
    }
    Ok(described)
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
    if schema.get("tags").is_some_and(|tags| !tags.is_null() && !tags.is_array()) {
        return wrong(format!("Tags property should be a list for parameter: {name}"));
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
            schema::number(text).map(Value::Number).ok_or_else(|| "Value must be a number".to_owned())
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
