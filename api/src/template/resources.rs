//! The resources of a template, resolved and checked by their types' rules.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stacksnap_common::ids::{PoolName, ResourceName};
use stacksnap_common::kinds::Kinds;
use stacksnap_common::operation::plan;
use stacksnap_common::types::Resource;

use super::functions::{Physical, Scope};
use super::invalid;
use crate::fault::Fault;

const KEYS: [&str; 9] = [
    "type",
    "properties",
    "metadata",
    "depends_on",
    "deletion_policy",
    "update_policy",
    "description",
    "external_id",
    "condition",
];

/// In the order of the template. `external` is whether its version has `external_id`.
pub(super) fn read(
    declared: Option<&Map<String, Value>>,
    scope: &Scope<'_>,
    external: bool,
    before: &[Resource],
    kinds: &Kinds,
) -> Result<Vec<Resource>, Fault> {
    let none = Map::new();
    let declared = declared.unwrap_or(&none);
    let mut names = Vec::new();
    let mut physical = Physical::new();
    for (name, definition) in declared {
        let parsed: ResourceName =
            name.parse().map_err(|error: stacksnap_common::ids::Invalid| invalid(error.to_string()))?;
        let definition = checked(name, definition, external)?;
        let id = match external_id(name, definition, scope)? {
            Some(id) => Some(id),
            None => {
                let same = |other: &&Resource| other.name == parsed && definition["type"] == other.kind.as_str();
                before.iter().find(same).and_then(|before| before.external_id.clone())
            }
        };
        physical.insert(name.clone(), id);
        names.push((parsed, definition));
    }
    let mut resolver = scope.resolver(Some(&physical));
    let mut resources = Vec::new();
    for (name, definition) in names {
        resolver.needs.clear();
        let mut properties = BTreeMap::new();
        for (key, value) in map(&format!("resources.{name}.properties"), definition.get("properties"))? {
            let place = format!("resources.{name}.properties.{key}");
            let value = resolver.resolve(value).map_err(|wrong| wrong.at(&place))?;
            if !value.is_null() {
                properties.insert(key.clone(), value);
            }
        }
        let mut depends_on = depends_on(&name, definition, declared)?;
        for need in &resolver.needs {
            if let Ok(need) = need.parse()
                && !depends_on.contains(&need)
            {
                depends_on.push(need);
            }
        }
        let kind = definition["type"].as_str().unwrap_or_default().to_owned();
        let external_id = physical.get(name.as_str()).cloned().flatten();
        let mut resource = Resource { name, kind, external_id, properties, depends_on, pool: PoolName::default() };
        kinds.check(&resource).map_err(invalid)?;
        resource.pool = pool(&resource, kinds)?;
        resources.push(resource);
    }
    plan::levels(&resources).map_err(|circle| Fault::refused("CircularDependencyException", circle.to_string()))?;
    Ok(resources)
}

fn checked<'a>(name: &str, definition: &'a Value, external: bool) -> Result<&'a Map<String, Value>, Fault> {
    let Value::Object(definition) = definition else {
        return Err(invalid(format!("\"resources.{name}\" must contain a map")));
    };
    let known = |key: &str| KEYS.contains(&key) && (key != "external_id" || external);
    if let Some(key) = definition.keys().find(|key| !known(key)) {
        let hint = if key == "external_id" { "; heat_template_version 2016-10-14 and later have it" } else { "" };
        return Err(invalid(format!(
            "resources.{name}: \"{key}\" is not a valid keyword inside a resource definition{hint}"
        )));
    }
    if definition.get("condition").is_some_and(|condition| *condition != Value::Bool(true)) {
        return Err(invalid(format!("resources.{name}.condition: conditions are not resolved by this service")));
    }
    match definition.get("type") {
        Some(Value::String(kind)) if !kind.is_empty() && kind.len() <= 255 && !kind.chars().any(char::is_control) => {
            Ok(definition)
        }
        None => Err(invalid(format!("resources.{name}: Each Resource must contain a type key."))),
        Some(_) => Err(invalid(format!("resources.{name}.type: must be a string that is the name of a type"))),
    }
}

fn external_id(name: &str, definition: &Map<String, Value>, scope: &Scope<'_>) -> Result<Option<String>, Fault> {
    let place = format!("resources.{name}.external_id");
    let Some(given) = definition.get("external_id") else { return Ok(None) };
    match scope.resolver(None).resolve(given).map_err(|wrong| wrong.at(&place))? {
        Value::Null => Ok(None),
        Value::String(id) if id.is_empty() => Err(invalid(format!("{place}: must not be empty"))),
        Value::String(id) => Ok(Some(id)),
        _ => Err(invalid(format!("{place}: must be a string"))),
    }
}

fn map<'a>(place: &str, given: Option<&'a Value>) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, Fault> {
    match given {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(map)) => Ok(Some(map).into_iter().flatten()),
        Some(_) => Err(invalid(format!("{place}: must be a map"))),
    }
}

/// A name or a list of names; each must be in the template.
fn depends_on(
    name: &ResourceName,
    definition: &Map<String, Value>,
    declared: &Map<String, Value>,
) -> Result<Vec<ResourceName>, Fault> {
    let wrong = || invalid(format!("resources.{name}.depends_on: must be a name or a list of names of resources"));
    let given: Vec<&Value> = match definition.get("depends_on") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
    };
    let mut names = Vec::new();
    for other in given {
        let other = other.as_str().ok_or_else(wrong)?;
        if !declared.contains_key(other) {
            let why = format!("The specified reference \"{other}\" (in {name}.depends_on) is incorrect.");
            return Err(Fault::refused("InvalidTemplateReference", why));
        }
        let other: ResourceName = other.parse().map_err(|_| wrong())?;
        if !names.contains(&other) {
            names.push(other);
        }
    }
    Ok(names)
}

/// Of the types that are known here; a foreign type's `pool` means something else.
fn pool(resource: &Resource, kinds: &Kinds) -> Result<PoolName, Fault> {
    match resource.properties.get("pool").and_then(Value::as_str) {
        Some(pool) if kinds.get(&resource.kind).is_some() => {
            pool.parse().map_err(|error| invalid(format!("resources.{}.properties.pool: {error}", resource.name)))
        }
        _ => Ok(PoolName::default()),
    }
}
