//! What names something else.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use stacksnap_common::native;
use stacksnap_common::types::Resource;

use super::{Known, Resolver, Wrong};
use crate::template::language::Version;

/// The first version whose `get_attr` of a name alone gives all attributes.
fn gives_all(version: Version) -> bool {
    Some(version) >= Version::named("2015-10-15")
}

impl Resolver<'_> {
    pub(super) fn get_param(&self, given: &Value) -> Result<Value, Wrong> {
        let (name, path) = match given {
            Value::Array(list) => match list.split_first() {
                Some((name, path)) => (name, path),
                None => return Err(Wrong::new("Function \"get_param\" must have arguments")),
            },
            Value::String(_) => (given, &[][..]),
            _ => return Err(Wrong::new("Argument to \"get_param\" must be string or list")),
        };
        let Value::String(name) = name else {
            return Err(Wrong::new("Parameter name in \"get_param\" must be string"));
        };
        let missing = || Wrong::of("UserParameterMissing", format!("The Parameter ({name}) was not provided."));
        let value = self.parameter(name).ok_or_else(missing)?;
        // Heat gives an empty text for a path that leads nowhere.
        Ok(walk(&value, path).cloned().unwrap_or_else(|| "".into()))
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        let pseudo = self.scope.pseudo.iter().find(|(known, _)| *known == name);
        pseudo.map(|(_, value)| Value::from(value.clone())).or_else(|| self.scope.parameters.get(name).cloned())
    }

    /// A parameter or a resource.
    pub(super) fn get_ref(&self, given: &Value, known: Option<&Known>) -> Result<Value, Wrong> {
        match given.as_str().and_then(|name| self.parameter(name)) {
            Some(value) => Ok(value),
            None => get_resource(given, known),
        }
    }

    pub(super) fn get_file(&self, given: &Value) -> Result<Value, Wrong> {
        let Value::String(name) = given else {
            return Err(Wrong::new("Argument to \"get_file\" must be a string"));
        };
        match self.scope.files.get(name) {
            Some(text @ Value::String(_)) => Ok(text.clone()),
            _ => Err(Wrong::new(format!("No content found in the \"files\" section for get_file path: {name}"))),
        }
    }

    /// Notes the resources that a value refers to. Of an `if` only the part that is chosen counts.
    pub(super) fn note_references(&mut self, value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.note_references(value, found)),
            Value::Object(object) => match self.call(object) {
                Ok(Some(("if", Value::Array(parts)))) => {
                    let chosen = parts.first().and_then(|condition| self.is_true(condition).ok());
                    let chosen = chosen.map(|yes| if yes { parts.get(1) } else { parts.get(2) });
                    chosen.flatten().into_iter().for_each(|part| self.note_references(part, found));
                }
                Ok(Some((name @ ("get_resource" | "get_attr" | "Ref"), argument))) => {
                    let named = match argument {
                        Value::Array(list) => list.first(),
                        one => Some(one),
                    };
                    match named.and_then(|named| self.resolve(named, None).ok()) {
                        Some(Value::String(named)) if name != "Ref" || self.parameter(&named).is_none() => {
                            found.insert(named);
                        }
                        _ => {}
                    }
                    self.note_references(argument, found);
                }
                _ => object.values().for_each(|value| self.note_references(value, found)),
            },
            _ => {}
        }
    }
}

fn find<'k>(function: &str, name: &str, known: Option<&'k Known>) -> Result<&'k Resource, Wrong> {
    let Some(known) = known else { return Err(Wrong::new(format!("{function} can't be used here"))) };
    known.get(name).ok_or_else(|| {
        let why = format!("The specified reference \"{name}\" (in {function}) is incorrect.");
        Wrong::of("InvalidTemplateReference", why)
    })
}

pub(super) fn get_resource(given: &Value, known: Option<&Known>) -> Result<Value, Wrong> {
    let Value::String(name) = given else {
        return Err(Wrong::new("Argument to \"get_resource\" must be a string"));
    };
    let resource = find("get_resource", name, known)?;
    if native::get(&resource.kind).is_some() {
        return Ok(native::reference(resource).into());
    }
    match &resource.external_id {
        Some(id) => Ok(id.clone().into()),
        None => Err(Wrong::new(format!("get_resource: {name} has no external_id, so it has no physical id"))),
    }
}

pub(super) fn get_attr(given: &Value, version: Version, known: Option<&Known>) -> Result<Value, Wrong> {
    let Some((name, rest)) = given.as_array().and_then(|list| list.split_first()) else {
        return Err(Wrong::new("Argument to \"get_attr\" must be a list"));
    };
    let form = || Wrong::new("Arguments to \"get_attr\" must be of the form [resource_name, attribute, (path), ...]");
    let name = name.as_str().ok_or_else(form)?;
    let resource = find("get_attr", name, known)?;
    let Some(native) = native::get(&resource.kind) else {
        return Err(Wrong::new(format!(
            "get_attr: {name} is a {}, which this service names by external_id; its attributes are not known here; write the value itself",
            resource.kind
        )));
    };
    let Some((attribute, path)) = rest.split_first() else {
        if !gives_all(version) {
            return Err(form());
        }
        let all = native.attributes.iter();
        let all = all.map(|one| (one.name.to_owned(), native::attribute(resource, one.name).unwrap_or_default()));
        return Ok(Value::Object(all.collect::<Map<_, _>>()));
    };
    let attribute = attribute.as_str().ok_or_else(form)?;
    let value = match native::attribute(resource, attribute) {
        Some(value) => value,
        // Every resource of Heat's has it; of these it has no value.
        None if attribute == "show" => Value::Null,
        None => {
            return Err(Wrong::new(format!("The Referenced Attribute ({name} {attribute}) is incorrect.")));
        }
    };
    Ok(walk(&value, path).cloned().unwrap_or_default())
}

/// What a path of keys and places leads to.
fn walk<'v>(value: &'v Value, path: &[Value]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, part| match (value, part) {
        (Value::Array(list), Value::Number(at)) => list.get(at.as_u64()? as usize),
        (Value::Array(list), Value::String(at)) => list.get(at.parse::<usize>().ok()?),
        (Value::Object(map), Value::String(key)) => map.get(key),
        _ => None,
    })
}
