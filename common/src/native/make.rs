//! What a create or an update makes of a native resource.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::random::{self, NoChance};
use super::schema::Wrong;
use super::{NONE, Native, RANDOM_STRING, TEST_RESOURCE};
use crate::ids::StackName;
use crate::types::Resource;

/// Why a resource can't be made as it is described.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Heat's path below `resources.<name>`, and its text.
    #[error("{}", .0.why)]
    Wrong(Wrong),
    #[error("{0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Chance(#[from] NoChance),
}

/// How a resource came to be what it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There was none, or one that could not be made.
    Made,
    /// The old one stands as it was.
    Kept,
    /// The old one has changed.
    Updated,
    /// A new one stands in the old one's place.
    Replaced,
}

/// Brings `resource`'s properties into their types and gives it its physical id and its value, by what there was before.
/// `resource.kind` must be `native`'s.
pub fn make(
    native: &Native,
    resource: &mut Resource,
    before: Option<&Resource>,
    stack: &StackName,
) -> Result<Change, Error> {
    resource.properties = native.take(&resource.properties).map_err(Error::Wrong)?;
    if native.name == RANDOM_STRING {
        check_length(native, &resource.properties)?;
    }
    let before = before.filter(|before| before.kind == resource.kind && before.external_id.is_some());
    let Some(before) = before else {
        new(native, resource, stack)?;
        return Ok(Change::Made);
    };
    if replaces(native, before, resource) {
        new(native, resource, stack)?;
        return Ok(Change::Replaced);
    }
    resource.external_id.clone_from(&before.external_id);
    resource.data = before.data.clone();
    if native.anything || before.properties == resource.properties {
        return Ok(Change::Kept);
    }
    let is_due = || changed(native, before, resource, "value") || fails(before);
    if native.name == TEST_RESOURCE && !fails(resource) && is_due() {
        let value = native.value(&resource.properties, "value");
        // Heat leaves the old text where the new one is empty.
        if value != "" {
            resource.data = json!({ "value": value });
        }
    }
    Ok(Change::Updated)
}

fn changed(native: &Native, before: &Resource, after: &Resource, name: &str) -> bool {
    native.value(&before.properties, name) != native.value(&after.properties, name)
}

fn fails(resource: &Resource) -> bool {
    resource.properties.get("fail").and_then(Value::as_bool).unwrap_or(false)
}

/// Whether the change can't be made in place.
fn replaces(native: &Native, before: &Resource, after: &Resource) -> bool {
    let fixed = native.properties.iter().filter(|property| !property.update);
    let is_fixed = fixed.into_iter().any(|property| changed(native, before, after, property.name));
    let asked = || native.value(&after.properties, "update_replace") == Value::Bool(true);
    is_fixed || (native.name == TEST_RESOURCE && changed(native, before, after, "value") && asked())
}

fn new(native: &Native, resource: &mut Resource, stack: &StackName) -> Result<(), NoChance> {
    resource.data = Value::Null;
    resource.external_id = None;
    match native.name {
        TEST_RESOURCE if fails(resource) => return Ok(()),
        TEST_RESOURCE => resource.data = json!({ "value": native.value(&resource.properties, "value") }),
        RANDOM_STRING => resource.data = json!({ "value": random_text(native, &resource.properties)? }),
        NONE => {
            resource.data = json!({ "is_placeholder": "True" });
            resource.external_id = Some(uuid::Uuid::new_v4().to_string());
            return Ok(());
        }
        _ => {}
    }
    resource.external_id = Some(format!("{stack}-{}-{}", resource.name, random::short_id()?));
    Ok(())
}

fn random_text(native: &Native, properties: &BTreeMap<String, Value>) -> Result<String, NoChance> {
    let mut classes = Vec::new();
    for one in list(&native.value(properties, "character_sequences")) {
        classes.push(random::sequence(one["sequence"].as_str().unwrap_or_default(), random::count(&one["min"])));
    }
    for one in classes_of(native, properties) {
        classes.push(random::class(one["class"].as_str().unwrap_or_default(), random::count(&one["min"])));
    }
    random::text(random::count(&native.value(properties, "length")), &classes)
}

/// The deprecated `sequence` adds a class.
fn classes_of(native: &Native, properties: &BTreeMap<String, Value>) -> Vec<Value> {
    let sequence = properties.get("sequence").map(|class| json!({ "class": class, "min": 1 }));
    let given = properties.get("character_classes").map(list);
    match (given, sequence) {
        (Some(given), sequence) => given.into_iter().chain(sequence).collect(),
        (None, Some(sequence)) => vec![sequence],
        (None, None) => list(&native.value(properties, "character_classes")),
    }
}

fn check_length(native: &Native, properties: &BTreeMap<String, Value>) -> Result<(), Error> {
    let classes = classes_of(native, properties);
    let sequences = list(&native.value(properties, "character_sequences"));
    if (classes.is_empty() && sequences.is_empty()) || sequences.iter().any(|one| one["sequence"] == "") {
        return Err(Error::Invalid("There are no characters to make the string of"));
    }
    let least: usize = classes.iter().chain(&sequences).map(|one| random::count(&one["min"])).sum();
    if least > random::count(&native.value(properties, "length")) {
        return Err(Error::Invalid(
            "Length property cannot be smaller than combined character class and character sequence minimums",
        ));
    }
    Ok(())
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
