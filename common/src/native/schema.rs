//! What a property is, and how a given value is brought into its type. As Heat does it (`heat/engine/properties.py`,
//! `constraints.py`), with its words.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::{Native, VALUE};
use crate::ids::ResourceName;

#[derive(Debug, Clone, Copy)]
pub enum Type {
    String,
    Integer,
    Number,
    Boolean,
    /// With these keys; any others if there are none.
    Map(&'static [Property]),
    /// Of maps with these keys.
    List(&'static [Property]),
    Any,
}

impl Type {
    /// As Heat spells it in a type's schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Map(_) => "map",
            Type::List(_) => "list",
            Type::Any => "any",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Rule {
    Range(i64, i64),
    OneOf(&'static [&'static str]),
    /// One of Heat's custom constraints; it is shown, not checked.
    Custom(&'static str),
}

#[derive(Debug)]
pub struct Property {
    pub name: &'static str,
    pub of: Type,
    pub description: &'static str,
    /// JSON.
    pub default: Option<&'static str>,
    pub required: bool,
    /// Whether it can be changed without making the resource anew.
    pub update: bool,
    pub rules: &'static [Rule],
    /// Taken, but no longer shown.
    pub hidden: bool,
}

#[derive(Debug)]
pub struct Attribute {
    pub name: &'static str,
    pub description: &'static str,
    /// `None`: of any type.
    pub of: Option<&'static str>,
}

/// What is wrong with a property, and where: Heat's path and text.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub path: String,
    pub why: String,
}

impl Wrong {
    fn here(why: impl Into<String>) -> Self {
        Self { path: String::new(), why: why.into() }
    }

    /// As Heat says it of a resource.
    pub fn of(&self, resource: &ResourceName) -> String {
        match self.path.as_str() {
            "" => format!("Property error: resources.{resource}.properties: {}", self.why),
            path => format!("Property error: resources.{resource}.properties.{path}: {}", self.why),
        }
    }

    fn below(self, part: &str) -> Self {
        let path = match self.path.as_str() {
            "" => part.to_owned(),
            path if path.starts_with('[') => format!("{part}{path}"),
            path => format!("{part}.{path}"),
        };
        Self { path, ..self }
    }
}

impl Property {
    pub fn default_value(&self) -> Option<Value> {
        self.default.and_then(|text| serde_json::from_str(text).ok())
    }

    fn take(&self, given: &Value) -> Result<Value, Wrong> {
        let value = typed(self.of, given)?;
        self.rules.iter().try_for_each(|rule| rule.check(&value))?;
        Ok(value)
    }
}

impl Native {
    /// The properties in their types. Those that are not given are left out.
    pub fn take(&self, given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, Wrong> {
        if self.anything {
            return Ok(given.clone());
        }
        let mut taken = keys(self.properties, given.iter())?;
        if self.name == VALUE
            && let Some(kind) = taken.get("type").and_then(Value::as_str)
            && let Some(value) = taken.get("value")
        {
            let value = typed(of_parameter(kind), value).map_err(|wrong| wrong.below("value"))?;
            taken.insert("value".to_owned(), value);
        }
        Ok(taken)
    }

    /// A property's value, or its default.
    pub fn value(&self, properties: &BTreeMap<String, Value>, name: &str) -> Value {
        let default = || self.properties.iter().find(|property| property.name == name)?.default_value();
        properties.get(name).cloned().or_else(default).unwrap_or_default()
    }
}

/// A parameter's type as a property's.
fn of_parameter(kind: &str) -> Type {
    match kind {
        "string" => Type::String,
        "number" => Type::Number,
        "comma_delimited_list" => Type::List(&[]),
        "json" => Type::Map(&[]),
        "boolean" => Type::Boolean,
        _ => Type::Any,
    }
}

fn keys<'a>(
    properties: &[Property],
    given: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Result<BTreeMap<String, Value>, Wrong> {
    let mut taken = BTreeMap::new();
    for (name, value) in given.filter(|(_, value)| !value.is_null()) {
        let Some(property) = properties.iter().find(|property| property.name == name) else {
            return Err(Wrong::here(format!("Unknown Property {name}")));
        };
        let value = property.take(value).map_err(|wrong| wrong.below(name))?;
        taken.insert(name.clone(), value);
    }
    match properties.iter().find(|property| property.required && !taken.contains_key(property.name)) {
        Some(property) => Err(Wrong::here(format!("Property {} not assigned", property.name))),
        None => Ok(taken),
    }
}

fn typed(of: Type, given: &Value) -> Result<Value, Wrong> {
    let wrong = |why: String| Err(Wrong::here(why));
    match (of, given) {
        (Type::Any, any) => Ok(any.clone()),
        (Type::String, Value::String(_)) | (Type::Boolean, Value::Bool(_)) | (Type::Number, Value::Number(_)) => {
            Ok(given.clone())
        }
        // Python's words for them.
        (Type::String, Value::Bool(yes)) => Ok(if *yes { "True" } else { "False" }.into()),
        (Type::String, Value::Number(number)) if !number.is_f64() => Ok(number.to_string().into()),
        (Type::String, other) => wrong(format!("Value must be a string; got {other}")),
        (Type::Integer, _) => match integer(given) {
            Some(number) => Ok(number.into()),
            None => wrong(format!("Value '{}' is not an integer", plain(given))),
        },
        (Type::Number, Value::String(text)) => match number(text) {
            Some(number) => Ok(Value::Number(number)),
            None => wrong(format!("Value \"{text}\" is invalid for data type \"Number\"")),
        },
        (Type::Number, other) => wrong(format!("Value \"{other}\" is invalid for data type \"Number\"")),
        (Type::Boolean, Value::String(text)) => match text.to_lowercase().as_str() {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            other => wrong(format!("\"{other}\" is not a valid boolean")),
        },
        (Type::Boolean, other) => wrong(format!("\"{other}\" is not a valid boolean")),
        (Type::Map([]), Value::Object(_)) | (Type::List([]), Value::Array(_)) => Ok(given.clone()),
        (Type::Map(properties), Value::Object(map)) => {
            Ok(Value::Object(keys(properties, map.iter())?.into_iter().collect::<Map<_, _>>()))
        }
        (Type::Map(_), other) => wrong(format!("\"{}\" is not a map", plain(other))),
        (Type::List(properties), Value::Array(list)) => {
            let one = |(place, item): (usize, &Value)| {
                typed(Type::Map(properties), item).map_err(|wrong| wrong.below(&format!("[{place}]")))
            };
            list.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        (Type::List(_), other) => wrong(format!("\"{}\" is not a list", plain(other))),
    }
}

fn integer(given: &Value) -> Option<i64> {
    match given {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(yes) => Some(i64::from(*yes)),
        _ => None,
    }
}

/// A number from a text, whole if it is written so.
pub fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    let whole = text.parse::<i64>().ok().map(Number::from);
    whole.or_else(|| text.parse().ok().and_then(Number::from_f64))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Rule {
    fn check(self, value: &Value) -> Result<(), Wrong> {
        match self {
            Rule::Range(min, max) if !value.as_f64().is_some_and(|n| n >= min as f64 && n <= max as f64) => {
                Err(Wrong::here(format!("{value} is out of range (min: {min}, max: {max})")))
            }
            Rule::OneOf(words) if !value.as_str().is_some_and(|word| words.contains(&word)) => {
                Err(Wrong::here(format!("\"{}\" is not an allowed value [{}]", plain(value), words.join(", "))))
            }
            _ => Ok(()),
        }
    }
}
