//! The resources of a template, resolved and checked by their types' rules.
//!
//! First each resource is read as far as that needs no other: its type, what it depends on, what its values refer to. Then
//! they are resolved in the order of their dependencies, so that what one refers to is known by then: the physical id of
//! what exists, and of native resources, which are made here, their attributes too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use stacksnap_common::ids::{PoolName, ResourceName, StackName};
use stacksnap_common::kinds::Kinds;
use stacksnap_common::native::{self, make};
use stacksnap_common::operation::plan;
use stacksnap_common::types::Resource;

use super::functions::{Known, Resolver};
use super::invalid;
use super::language::{NEWTON, Version};
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

/// What resources are made from, beside their definitions.
pub(super) struct From<'a> {
    pub(super) version: Version,
    pub(super) kinds: &'a Kinds,
    pub(super) stack: &'a StackName,
    pub(super) adopting: bool,
    /// What the stack has, by name.
    pub(super) before: BTreeMap<&'a str, &'a Resource>,
}

/// In the order of the template; without those whose condition is false.
pub(super) fn read(
    declared: Option<&Map<String, Value>>,
    from: &From<'_>,
    resolver: &mut Resolver<'_>,
) -> Result<Vec<Resource>, Fault> {
    let none = Map::new();
    let declared = declared.unwrap_or(&none);
    let mut definitions = Vec::new();
    for (name, definition) in declared {
        let definition = checked(name, definition, from.version)?;
        if applies(name, definition, resolver)? {
            definitions.push((name.as_str(), definition));
        }
    }
    let here: BTreeSet<&str> = definitions.iter().map(|(name, _)| *name).collect();
    let mut resources = Vec::new();
    for (name, definition) in &definitions {
        resources.push(begun(name, definition, declared, &here, resolver)?);
    }
    let levels =
        plan::levels(&resources).map_err(|circle| Fault::refused("CircularDependencyException", circle.to_string()))?;
    let mut order: Vec<usize> = (0..resources.len()).collect();
    order.sort_by_key(|place| levels[*place]);
    let mut known = Known::new();
    for place in order {
        let resource = &mut resources[place];
        let (name, definition) = definitions[place];
        resource.external_id = external_id(name, definition, resolver)?;
        for (key, value) in map(&format!("resources.{name}.properties"), definition.get("properties"))? {
            let place = format!("resources.{name}.properties.{key}");
            let value = resolver.resolve(value, Some(&known)).map_err(|wrong| wrong.at(&place))?;
            if !value.is_null() {
                resource.properties.insert(key.clone(), value);
            }
        }
        finish(resource, from)?;
        known.insert(name.to_owned(), resource.clone());
    }
    Ok(resources)
}

/// Checks what can be checked of resources without any value.
pub(super) fn check_forms(declared: Option<&Map<String, Value>>, version: Version) -> Result<(), Fault> {
    for (name, definition) in declared.into_iter().flatten() {
        let definition = checked(name, definition, version)?;
        map(&format!("resources.{name}.properties"), definition.get("properties")).map(drop)?;
        let parsed: ResourceName =
            name.parse().map_err(|error: stacksnap_common::ids::Invalid| invalid(error.to_string()))?;
        if let Some(declared) = declared {
            depends_on(&parsed, definition, declared)?;
        }
    }
    Ok(())
}

/// A resource with its name, type and dependencies, and nothing that has to be resolved.
fn begun(
    name: &str,
    definition: &Map<String, Value>,
    declared: &Map<String, Value>,
    here: &BTreeSet<&str>,
    resolver: &mut Resolver<'_>,
) -> Result<Resource, Fault> {
    let name: ResourceName =
        name.parse().map_err(|error: stacksnap_common::ids::Invalid| invalid(error.to_string()))?;
    let mut depends_on = depends_on(&name, definition, declared)?;
    // What a false condition leaves out is not waited for.
    depends_on.retain(|need| here.contains(need.as_str()));
    for need in resolver.references(definition.get("properties").unwrap_or(&Value::Null)) {
        if let Ok(need) = need.parse()
            && here.contains(ResourceName::as_str(&need))
            && !depends_on.contains(&need)
        {
            depends_on.push(need);
        }
    }
    Ok(Resource {
        name,
        kind: definition["type"].as_str().unwrap_or_default().to_owned(),
        external_id: None,
        properties: BTreeMap::new(),
        depends_on,
        pool: PoolName::default(),
        data: Value::Null,
    })
}

/// Gives a resource its physical id: the one that the template names, or what the stack has had, or, of a native type,
/// what is made here. Anything else would have to be created.
fn finish(resource: &mut Resource, from: &From<'_>) -> Result<(), Fault> {
    let before = from.before.get(resource.name.as_str()).copied().filter(|before| before.kind == resource.kind);
    if let Some(native) = native::get(&resource.kind) {
        if resource.external_id.is_some() {
            return Err(invalid(format!(
                "resources.{}: an {} is made by this service; leave external_id out",
                resource.name, resource.kind
            )));
        }
        let made = match before.filter(|before| from.adopting && before.external_id.is_some()) {
            Some(before) => make::adopt(native, resource, before),
            None => make::make(native, resource, before, from.stack).map(drop),
        };
        return match made {
            Ok(()) => Ok(()),
            Err(make::Error::Wrong(wrong)) => Err(invalid(wrong.of(&resource.name))),
            Err(make::Error::Invalid(why)) => Err(invalid(format!("resources.{}: {why}", resource.name))),
            Err(make::Error::Chance(why)) => {
                tracing::error!("{why}");
                Err(Fault::internal())
            }
        };
    }
    if resource.external_id.is_none() {
        resource.external_id = before.and_then(|before| before.external_id.clone());
    }
    from.kinds.check(resource).map_err(invalid)?;
    if resource.external_id.is_none() && from.kinds.get(&resource.kind).is_none() {
        return Err(invalid(format!(
            "resources.{}: an {} would have to be created, and this service creates nothing in a cloud: name what exists \
             by external_id, adopt a stack that has it, or run the service in heat mode",
            resource.name, resource.kind
        )));
    }
    resource.pool = pool(resource, from.kinds)?;
    Ok(())
}

fn applies(name: &str, definition: &Map<String, Value>, resolver: &mut Resolver<'_>) -> Result<bool, Fault> {
    let Some(condition) = definition.get("condition").filter(|condition| !condition.is_null()) else { return Ok(true) };
    resolver.is_true(condition).map_err(|wrong| wrong.at(&format!("resources.{name}.condition")))
}

fn checked<'a>(name: &str, definition: &'a Value, version: Version) -> Result<&'a Map<String, Value>, Fault> {
    let Value::Object(definition) = definition else {
        return Err(invalid(format!("\"resources.{name}\" must contain a map")));
    };
    let is_new = |key: &str| matches!(key, "external_id" | "condition");
    let known = |key: &str| KEYS.contains(&key) && (version >= NEWTON || !is_new(key));
    if let Some(key) = definition.keys().find(|key| !known(key)) {
        let hint = if is_new(key) { "; heat_template_version 2016-10-14 and later have it" } else { "" };
        return Err(invalid(format!(
            "resources.{name}: \"{key}\" is not a valid keyword inside a resource definition{hint}"
        )));
    }
    match definition.get("type") {
        Some(Value::String(kind)) if !kind.is_empty() && kind.len() <= 255 && !kind.chars().any(char::is_control) => {
            Ok(definition)
        }
        None => Err(invalid(format!("resources.{name}: Each Resource must contain a type key."))),
        Some(_) => Err(invalid(format!("resources.{name}.type: must be a string that is the name of a type"))),
    }
}

fn external_id(
    name: &str,
    definition: &Map<String, Value>,
    resolver: &mut Resolver<'_>,
) -> Result<Option<String>, Fault> {
    let place = format!("resources.{name}.external_id");
    let Some(given) = definition.get("external_id") else { return Ok(None) };
    match resolver.resolve(given, None).map_err(|wrong| wrong.at(&place))? {
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
    let (mut names, mut seen) = (Vec::new(), BTreeSet::new());
    for other in given {
        let other = other.as_str().ok_or_else(wrong)?;
        if !declared.contains_key(other) {
            let why = format!("The specified reference \"{other}\" (in {name}.depends_on) is incorrect.");
            return Err(Fault::refused("InvalidTemplateReference", why));
        }
        if seen.insert(other) {
            names.push(other.parse().map_err(|_| wrong())?);
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
