//! A parameter's constraints (`heat/engine/constraints.py`). Their form is checked even where there is no value yet.

use regex::RegexBuilder;
use serde_json::{Map, Value};

use crate::fault::Fault;

/// Bytes that a pattern may take when it is compiled.
const PATTERN: usize = 1 << 20;

/// One constraint of a parameter.
pub(super) struct Constraint<'a> {
    kind: &'a str,
    rule: &'a Value,
    /// What the template says instead of what is wrong.
    description: Option<&'a str>,
}

/// A parameter's constraints; refused where they have no sense.
pub(super) fn of<'a>(name: &str, schema: &'a Map<String, Value>) -> Result<Vec<Constraint<'a>>, Fault> {
    let wrong = |why: String| Fault::refused("InvalidSchemaError", format!("parameter {name}: {why}"));
    let mut found = Vec::new();
    for given in schema.get("constraints").and_then(Value::as_array).into_iter().flatten() {
        let Some(given) = given.as_object() else {
            return Err(wrong("Invalid parameter constraints, expected a mapping".to_owned()));
        };
        let description = given.get("description").and_then(Value::as_str);
        for (kind, rule) in given.iter().filter(|(kind, _)| *kind != "description") {
            let constraint = Constraint { kind, rule, description };
            constraint.check_form().map_err(wrong)?;
            found.push(constraint);
        }
    }
    Ok(found)
}

impl<'a> Constraint<'a> {
    fn number(&self, key: &str) -> Option<f64> {
        self.rule.get(key).and_then(Value::as_f64)
    }

    fn check_form(&self) -> Result<(), String> {
        let numeric = |key: &str| self.rule.get(key).is_none_or(|value| value.is_null() || value.is_number());
        match self.kind {
            "length" | "range" => {
                if !numeric("min") || !numeric("max") {
                    return Err("min/max must be numeric".to_owned());
                }
                if self.number("min").is_none() && self.number("max").is_none() {
                    return Err(format!(
                        "A {} constraint must have a min value and/or a max value specified.",
                        self.kind
                    ));
                }
                Ok(())
            }
            "modulo" => match (self.number("step"), self.number("offset")) {
                (Some(0.0), _) => Err("step cannot be 0.".to_owned()),
                (Some(step), Some(offset)) if offset.abs() >= step.abs() => {
                    Err("offset must be smaller (by absolute value) than step.".to_owned())
                }
                (Some(step), Some(offset)) if offset != 0.0 && (step < 0.0) != (offset < 0.0) => {
                    Err("step and offset must be both positive or both negative.".to_owned())
                }
                (Some(_), Some(_)) => Ok(()),
                _ => Err("A modulo constraint must have a step value and an offset value specified.".to_owned()),
            },
            "allowed_values" if self.rule.is_array() => Ok(()),
            "allowed_values" => Err("AllowedValues must be a list".to_owned()),
            "allowed_pattern" => match self.rule.as_str() {
                Some(pattern) => self.pattern(pattern).map(drop),
                None => Err("AllowedPattern must be a string".to_owned()),
            },
            // Taken, and not checked: it would need a look at a cloud, which is the worker's when the stack is made.
            "custom_constraint" => Ok(()),
            other => Err(format!("Invalid key '{other}' for constraint")),
        }
    }

    fn pattern(&self, pattern: &str) -> Result<regex::Regex, String> {
        // Heat demands that all of the value matches.
        RegexBuilder::new(&format!("^(?:{pattern})\\z")).size_limit(PATTERN).build().map_err(|_| {
            format!("the pattern {pattern:?} can't be checked by this service, which knows no look-around and no back-references")
        })
    }

    /// `Err`: what is wrong with a value, for its author.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        match self.why_not(value)? {
            Some(why) => Err(self.description.map_or(why, str::to_owned)),
            None => Ok(()),
        }
    }

    fn why_not(&self, value: &Value) -> Result<Option<String>, String> {
        let within =
            |of: f64| self.number("min").is_none_or(|min| of >= min) && self.number("max").is_none_or(|max| of <= max);
        let bound = |key: &str| {
            self.rule.get(key).filter(|value| !value.is_null()).map_or_else(|| "None".to_owned(), Value::to_string)
        };
        let range = || format!("(min: {}, max: {})", bound("min"), bound("max"));
        let all = |is: &dyn Fn(&Value) -> bool| match value {
            Value::Array(list) => list.iter().all(is),
            value => is(value),
        };
        Ok(match self.kind {
            "length" => {
                let length = match value {
                    Value::String(text) => text.chars().count(),
                    Value::Array(list) => list.len(),
                    Value::Object(map) => map.len(),
                    _ => 0,
                };
                (!within(length as f64)).then(|| format!("length ({length}) is out of range {}", range()))
            }
            "range" => (!value.as_f64().is_some_and(within)).then(|| format!("{value} is out of range {}", range())),
            "modulo" => {
                let (step, offset) = (self.number("step").unwrap_or(1.0), self.number("offset").unwrap_or(0.0));
                let fits = value.as_f64().is_some_and(|value| (value - offset).rem_euclid(step.abs()) == 0.0);
                (!fits).then(|| {
                    format!("{value} is not a multiple of {} with an offset of {})", bound("step"), bound("offset"))
                })
            }
            "allowed_values" => {
                let allowed = self.rule.as_array().map(Vec::as_slice).unwrap_or_default();
                let fits = all(&|value| allowed.iter().any(|one| one == value || plain(one) == plain(value)));
                let allowed = allowed.iter().map(plain).collect::<Vec<_>>().join(", ");
                (!fits).then(|| format!("{} is not an allowed value [{allowed}]", plain(value)))
            }
            "allowed_pattern" => {
                let pattern = self.rule.as_str().unwrap_or_default();
                let regex = self.pattern(pattern)?;
                let fits = all(&|value| regex.is_match(&plain(value)));
                (!fits).then(|| format!("\"{}\" does not match pattern \"{pattern}\"", plain(value)))
            }
            _ => None,
        })
    }

    /// Adds what `POST /validate` says of it.
    pub(super) fn describe(&self, shown: &mut Value) {
        let mut put = |name: &str, value: Option<&Value>| {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                shown[name] = value.clone();
            }
        };
        match self.kind {
            "length" => {
                put("MinLength", self.rule.get("min"));
                put("MaxLength", self.rule.get("max"));
            }
            "range" => {
                put("MinValue", self.rule.get("min"));
                put("MaxValue", self.rule.get("max"));
            }
            "modulo" => {
                put("Step", self.rule.get("step"));
                put("Offset", self.rule.get("offset"));
            }
            "allowed_values" => put("AllowedValues", Some(self.rule)),
            "allowed_pattern" => put("AllowedPattern", Some(self.rule)),
            "custom_constraint" => put("CustomConstraint", Some(self.rule)),
            _ => {}
        }
        if let Some(text) = self.description {
            let before =
                shown.get("ConstraintDescription").and_then(Value::as_str).map(|before| format!("{before} {text}"));
            shown["ConstraintDescription"] = before.unwrap_or_else(|| text.to_owned()).into();
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
