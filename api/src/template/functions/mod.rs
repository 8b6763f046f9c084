//! HOT's functions, resolved before anything runs. Pure.
//!
//! - `references.rs`: what names something else: `get_param`, `get_resource`, `get_attr`, `get_file`; and which resources
//!   a value refers to.
//! - `texts.rs`, `lists.rs`: what makes texts, lists and maps.
//! - `conditions.rs`: the template's conditions, and `if`.
//!
//! Attributes are those of native resources (`common/src/native/`); a resource that exists outside has none here. What a
//! value's functions make is bounded in sum: a small template could otherwise ask for gigabytes.

mod conditions;
mod lists;
mod references;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use stacksnap_common::types::Resource;

use super::language::Version;
use crate::fault::Fault;
pub(super) use conditions::Conditions;

/// Bytes that the functions of one template may make in all.
const MADE: usize = 8 << 20;

/// Resources by name, as far as they are known.
pub(super) type Known = BTreeMap<String, Resource>;

/// What functions can refer to.
pub(super) struct Scope<'a> {
    pub(super) version: Version,
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) pseudo: Vec<(&'static str, String)>,
    pub(super) files: &'a Map<String, Value>,
    /// By name, evaluated.
    pub(super) conditions: Conditions,
}

/// Why a value can't be resolved.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    kind: &'static str,
    why: String,
}

impl Wrong {
    fn new(why: impl Into<String>) -> Self {
        Self { kind: "StackValidationFailed", why: why.into() }
    }

    fn of(kind: &'static str, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
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

/// Resolves the values of one template, and counts what that makes.
pub(super) struct Resolver<'a> {
    scope: &'a Scope<'a>,
    made: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, made: 0 }
    }

    /// The value with all its functions resolved. `known`: the resources that it may refer to; `None` where a reference
    /// has no meaning.
    pub(super) fn resolve(&mut self, value: &Value, known: Option<&Known>) -> Result<Value, Wrong> {
        match value {
            Value::Object(object) => match self.call(object)? {
                Some((name, argument)) => {
                    let made = self.run(name, argument, known)?;
                    self.spend(size(&made))?;
                    Ok(made)
                }
                None => {
                    let kept = object.iter().filter(|(_, value)| !self.is_left_out(value));
                    let kept: Vec<_> = kept.collect();
                    let resolved = kept.into_iter().map(|(key, value)| Ok((key.clone(), self.resolve(value, known)?)));
                    Ok(Value::Object(resolved.collect::<Result<Map<_, _>, _>>()?))
                }
            },
            Value::Array(list) => {
                let kept: Vec<_> = list.iter().filter(|value| !self.is_left_out(value)).collect();
                kept.into_iter().map(|value| self.resolve(value, known)).collect()
            }
            plain => Ok(plain.clone()),
        }
    }

    /// The names of the resources that a value refers to, known or not.
    pub(super) fn references(&mut self, value: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.note_references(value, &mut found);
        found
    }

    /// A map of one key that is a function's name is a call of it.
    fn call<'v>(&self, object: &'v Map<String, Value>) -> Result<Option<(&'v str, &'v Value)>, Wrong> {
        let Some((name, argument)) = object.iter().next().filter(|_| object.len() == 1) else { return Ok(None) };
        match self.scope.version.calls(name) {
            Ok(true) => Ok(Some((name, argument))),
            Ok(false) => Ok(None),
            Err(()) => {
                let why = format!(
                    "The template version is invalid: The function {name} is not supported in this version of HOT."
                );
                Err(Wrong::of("InvalidTemplateVersion", why))
            }
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Wrong> {
        self.made = self.made.saturating_add(bytes);
        if self.made > MADE {
            return Err(Wrong::new(format!("the template's functions make more than {MADE} bytes")));
        }
        Ok(())
    }

    fn run(&mut self, name: &str, argument: &Value, known: Option<&Known>) -> Result<Value, Wrong> {
        // These look at what they are given before, or without, resolving all of it.
        match name {
            "if" => return self.choose(argument, known),
            "repeat" => return self.repeat(argument, known),
            _ => {}
        }
        let given = self.resolve(argument, known)?;
        match name {
            "get_param" => self.get_param(&given),
            "get_resource" => references::get_resource(&given, known),
            "get_attr" => references::get_attr(&given, self.scope.version, known),
            "get_file" => self.get_file(&given),
            "Ref" => self.get_ref(&given, known),
            "str_replace" | "str_replace_strict" | "str_replace_vstrict" => self.str_replace(name, &given),
            "list_join" => self.list_join(&given),
            "str_split" => texts::str_split(&given),
            "digest" => texts::digest(&given),
            "Fn::Join" => self.list_join(&given),
            "Fn::Split" => texts::str_split(&given),
            "Fn::Base64" => Ok(given),
            "Fn::Select" => lists::select(&given),
            "Fn::Replace" => self.fn_replace(&given),
            "map_merge" => lists::map_merge(&given),
            "map_replace" => lists::map_replace(&given),
            "list_concat" | "list_concat_unique" => lists::concat(name, &given),
            "filter" => lists::filter(&given),
            "contains" => conditions::contains(&given).map(Value::Bool),
            other => {
                Err(Wrong::new(format!("the function {other} is not resolved by this service; write the value itself")))
            }
        }
    }
}

/// A value within a text, as Heat writes it: maps and lists as Python's JSON with sorted keys, truth as Python does.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        other => json(other),
    }
}

/// As Python's `json.dumps` with sorted keys has it: a space after each comma and colon, and nothing but ASCII.
fn json(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let pairs: Vec<_> =
                sorted.into_iter().map(|(key, value)| format!("{}: {}", quoted(key), json(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::String(text) => quoted(text),
        plain => plain.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let mut ascii = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(size).sum::<usize>() + 16 * list.len(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + 16 + size(value)).sum(),
        _ => 16,
    }
}
