//! What creates and updates have in common: the keys of their bodies, checked.

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::params::truth;

/// What Heat takes and this service does not.
pub(super) fn refuse(body: &Map<String, Value>) -> Result<(), Fault> {
    for (key, why) in [
        ("template_url", "template_url is not supported; give the template itself as template."),
        ("files_container", "files_container is not supported; give the files themselves as files."),
    ] {
        if present(body, key).is_some() {
            return Err(Fault::refused("NotSupported", why));
        }
    }
    Ok(())
}

/// Null is as if it were not there.
pub(super) fn present<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|value| !value.is_null())
}

pub(super) fn object(body: &Map<String, Value>, key: &str) -> Result<Map<String, Value>, Fault> {
    match present(body, key) {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Fault::bad_request(format!("{key} must be an object."))),
    }
}

/// Minutes.
pub(super) fn timeout(given: Option<&Value>) -> Result<Option<u64>, Fault> {
    let wrong = || Fault::bad_request("Only integer is acceptable by 'timeout_mins'.");
    let minutes = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().map_err(|_| wrong())?,
        Some(other) => other.as_u64().ok_or_else(wrong)?,
    };
    // Heat's column is an integer of 32 bits.
    if minutes <= i32::MAX as u64 { Ok(Some(minutes)) } else { Err(wrong()) }
}

pub(super) fn disable_rollback(given: Option<&Value>) -> Result<Option<bool>, Fault> {
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(yes)) => Ok(Some(*yes)),
        Some(Value::String(text)) => truth("disable_rollback", text).map(Some),
        Some(other) => truth("disable_rollback", &other.to_string()).map(Some),
    }
}

/// A list, or a text separated by commas; each at most 80 characters (`heat/engine/parameters.py` and Heat's API).
pub(super) fn tags(given: Option<&Value>) -> Result<Option<Vec<String>>, Fault> {
    let tags: Vec<Value> = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.split(',').map(|tag| Value::from(tag.trim())).collect(),
        Some(Value::Array(tags)) => tags.clone(),
        Some(other) => return Err(Fault::bad_request(format!("Invalid tags, \"{other}\" is not a list"))),
    };
    let mut found = Vec::new();
    for tag in tags {
        let Value::String(tag) = tag else {
            return Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" is not a string")));
        };
        if tag.chars().count() > 80 {
            return Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" is longer than 80 characters")));
        }
        if tag.contains(',') {
            return Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" contains a comma")));
        }
        if tag.chars().any(char::is_control) {
            return Err(Fault::bad_request("Invalid tag, it contains a control character"));
        }
        if !tag.is_empty() {
            found.push(tag);
        }
    }
    if found.len() > 100 { Err(Fault::bad_request("A stack has at most 100 tags.")) } else { Ok(Some(found)) }
}

/// An environment put over another one: of each section that holds values by name the newer value counts, any other
/// section is replaced if the newer environment says something in it. Both are in Heat's form.
pub(super) fn merged(older: &Value, newer: &Value) -> Value {
    let mut merged = older.as_object().cloned().unwrap_or_default();
    for (section, value) in newer.as_object().into_iter().flatten() {
        match (merged.get_mut(section), value) {
            (Some(Value::Object(there)), Value::Object(new)) if section != "resource_registry" => {
                there.extend(new.clone());
            }
            (Some(_), Value::Array(new)) if new.is_empty() => {}
            (Some(_), value) if *value == serde_json::json!({"resources": {}}) => {}
            _ => {
                merged.insert(section.clone(), value.clone());
            }
        }
    }
    Value::Object(merged)
}
