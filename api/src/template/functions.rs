//! HOT's functions, as far as they can be resolved before anything runs: `get_param`, `get_resource`, `get_file`,
//! `str_replace`, `list_join`. Any other is an error that names it. Pure.
//!
//! What functions make is bounded in sum: a small template could otherwise ask for gigabytes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::fault::Fault;

/// Bytes that the functions of one template may make in all.
const MADE: usize = 8 << 20;

/// Every function that a template of some version has (`heat/engine/hot/template.py`).
const FUNCTIONS: [&str; 33] = [
    "get_param",
    "get_resource",
    "get_attr",
    "get_file",
    "str_replace",
    "str_replace_strict",
    "str_replace_vstrict",
    "str_split",
    "list_join",
    "list_concat",
    "list_concat_unique",
    "map_merge",
    "map_replace",
    "repeat",
    "digest",
    "resource_facade",
    "yaql",
    "contains",
    "equals",
    "if",
    "not",
    "and",
    "or",
    "filter",
    "make_url",
    "Ref",
    "Fn::GetAtt",
    "Fn::Select",
    "Fn::Join",
    "Fn::Split",
    "Fn::Replace",
    "Fn::Base64",
    "Fn::ResourceFacade",
];

/// Physical ids of resources by their logical names; `None` for one that has none.
pub(super) type Physical = BTreeMap<String, Option<String>>;

/// What functions can refer to.
pub(super) struct Scope<'a> {
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) pseudo: Vec<(&'static str, String)>,
    pub(super) files: &'a Map<String, Value>,
}

impl<'a> Scope<'a> {
    /// `physical`: `None` where `get_resource` has no meaning yet.
    pub(super) fn resolver(&'a self, physical: Option<&'a Physical>) -> Resolver<'a> {
        Resolver { scope: self, physical, needs: BTreeSet::new(), made: 0 }
    }
}

pub(super) struct Resolver<'a> {
    scope: &'a Scope<'a>,
    physical: Option<&'a Physical>,
    /// Resources that were referred to.
    pub(super) needs: BTreeSet<String>,
    made: usize,
}

/// Why a value can't be resolved.
#[derive(Debug)]
pub(super) struct Wrong {
    kind: &'static str,
    why: String,
}

impl Wrong {
    fn new(why: impl Into<String>) -> Self {
        Self { kind: "StackValidationFailed", why: why.into() }
    }

    pub(super) fn text(&self) -> &str {
        &self.why
    }

    /// At a place of the template.
    pub(super) fn at(self, place: &str) -> Fault {
        match self.kind {
            "StackValidationFailed" => Fault::refused(self.kind, format!("{place}: {}", self.why)),
            kind => Fault::refused(kind, self.why),
        }
    }
}

impl Resolver<'_> {
    pub(super) fn resolve(&mut self, value: &Value) -> Result<Value, Wrong> {
        match value {
            Value::Object(object) => match function(object) {
                Some((name, argument)) => {
                    let made = self.call(name, argument)?;
                    self.spend(size(&made))?;
                    Ok(made)
                }
                None => object
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.resolve(value)?)))
                    .collect::<Result<Map<_, _>, _>>()
                    .map(Value::Object),
            },
            Value::Array(list) => list.iter().map(|value| self.resolve(value)).collect(),
            plain => Ok(plain.clone()),
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Wrong> {
        self.made = self.made.saturating_add(bytes);
        if self.made > MADE {
            return Err(Wrong::new(format!("the template's functions make more than {MADE} bytes")));
        }
        Ok(())
    }

    fn call(&mut self, name: &str, argument: &Value) -> Result<Value, Wrong> {
        match name {
            "get_param" => self.get_param(argument),
            "get_resource" => self.get_resource(argument),
            "get_file" => self.get_file(argument),
            "str_replace" => self.str_replace(argument),
            "list_join" => self.list_join(argument),
            "get_attr" => Err(Wrong::new(
                "get_attr can't be resolved: this service names resources and has no attributes of them; write the value itself",
            )),
            other => Err(Wrong::new(format!(
                "the function {other} is not resolved by this service (get_param, get_resource, get_file, str_replace and list_join are); write the value itself"
            ))),
        }
    }

    fn get_param(&mut self, argument: &Value) -> Result<Value, Wrong> {
        let (name, path) = match argument {
            Value::Array(list) => match list.split_first() {
                Some((name, path)) => (self.resolve(name)?, path),
                None => return Err(Wrong::new("Illegal format of argument to \"get_param\"")),
            },
            one => (self.resolve(one)?, &[][..]),
        };
        let Value::String(name) = name else {
            return Err(Wrong::new("The argument to \"get_param\" must be a string or a list that begins with one"));
        };
        let pseudo = self.scope.pseudo.iter().find(|(known, _)| *known == name);
        let Some(mut value) =
            pseudo.map(|(_, value)| Value::from(value.clone())).or_else(|| self.scope.parameters.get(&name).cloned())
        else {
            let why = format!("The Parameter ({name}) was not provided.");
            return Err(Wrong { kind: "UserParameterMissing", why });
        };
        for part in path {
            let part = self.resolve(part)?;
            let found = match (&value, &part) {
                (Value::Array(list), Value::Number(at)) => at.as_u64().and_then(|at| list.get(at as usize)),
                (Value::Array(list), Value::String(at)) => at.parse::<usize>().ok().and_then(|at| list.get(at)),
                (Value::Object(map), Value::String(key)) => map.get(key),
                _ => None,
            };
            // Heat gives an empty text for a path that leads nowhere.
            value = found.cloned().unwrap_or_else(|| "".into());
        }
        Ok(value)
    }

    fn get_resource(&mut self, argument: &Value) -> Result<Value, Wrong> {
        let argument = self.resolve(argument)?;
        let Value::String(name) = argument else {
            return Err(Wrong::new("The argument to \"get_resource\" must be a string"));
        };
        let Some(physical) = self.physical else {
            return Err(Wrong::new("get_resource can't be used here"));
        };
        match physical.get(&name) {
            None => {
                let why = format!("The specified reference \"{name}\" (in get_resource) is incorrect.");
                Err(Wrong { kind: "InvalidTemplateReference", why })
            }
            Some(None) => Err(Wrong::new(format!("get_resource: {name} has no external_id, so it has no physical id"))),
            Some(Some(id)) => {
                let id = id.clone();
                self.needs.insert(name);
                Ok(id.into())
            }
        }
    }

    fn get_file(&mut self, argument: &Value) -> Result<Value, Wrong> {
        let Value::String(name) = self.resolve(argument)? else {
            return Err(Wrong::new("The argument to \"get_file\" must be a string"));
        };
        match self.scope.files.get(&name) {
            Some(text @ Value::String(_)) => Ok(text.clone()),
            _ => Err(Wrong::new(format!("No content found in the \"files\" section for get_file path: {name}"))),
        }
    }

    fn str_replace(&mut self, argument: &Value) -> Result<Value, Wrong> {
        let wrong = || Wrong::new("The argument to \"str_replace\" must be a map of \"template\" and \"params\"");
        let argument = argument.as_object().filter(|map| map.len() == 2).ok_or_else(wrong)?;
        let template = self.resolve(argument.get("template").ok_or_else(wrong)?)?;
        let params = self.resolve(argument.get("params").ok_or_else(wrong)?)?;
        let (Value::String(template), Value::Object(params)) = (template, params) else { return Err(wrong()) };
        let mut pairs: Vec<_> =
            params.iter().filter(|(key, _)| !key.is_empty()).map(|(key, value)| (key, text(value))).collect();
        // The longest that fits at a place is taken, and what was put in is not looked at again.
        pairs.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        let mut made = String::new();
        let mut rest = template.as_str();
        while let Some(first) = rest.chars().next() {
            let hit = pairs.iter().find_map(|(key, value)| rest.strip_prefix(key.as_str()).map(|rest| (rest, value)));
            match hit {
                Some((after, value)) => {
                    made.push_str(value);
                    rest = after;
                }
                None => {
                    made.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
            if made.len() > MADE {
                return self.spend(made.len()).map(|()| Value::Null);
            }
        }
        Ok(made.into())
    }

    fn list_join(&mut self, argument: &Value) -> Result<Value, Wrong> {
        let wrong = || Wrong::new("The argument to \"list_join\" must be a list of a delimiter and one or more lists");
        let (delimiter, lists) = argument.as_array().and_then(|list| list.split_first()).ok_or_else(wrong)?;
        let Value::String(delimiter) = self.resolve(delimiter)? else { return Err(wrong()) };
        let mut parts = Vec::new();
        for list in lists {
            match self.resolve(list)? {
                Value::Array(list) => parts.extend(list.iter().map(text)),
                Value::Null => {}
                _ => return Err(wrong()),
            }
        }
        self.spend(delimiter.len().saturating_mul(parts.len()))?;
        Ok(parts.join(&delimiter).into())
    }
}

/// A map of one key that is a function's name is a call of it.
fn function(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = object.iter().next().filter(|_| object.len() == 1)?;
    FUNCTIONS.contains(&name.as_str()).then_some((name.as_str(), argument))
}

/// A value within a text: Heat writes maps and lists as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(size).sum::<usize>() + 16 * list.len(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + 16 + size(value)).sum(),
        _ => 16,
    }
}
