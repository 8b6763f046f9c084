//! Conditions: what of the template applies. They are true or false before any resource is there.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Known, Resolver, Scope, Wrong};
use crate::fault::Fault;
use crate::template::language::{NEWTON, PIKE, WALLABY};

/// How long a chain of conditions that name each other, or are made of each other, may be.
const DEEPEST: usize = 64;

/// The conditions of a template, by name.
#[derive(Debug, Default)]
pub(in crate::template) struct Conditions(BTreeMap<String, bool>);

impl Conditions {
    /// Evaluates a template's `conditions`. `scope` is the one that they may refer to: it has no conditions itself.
    pub(in crate::template) fn evaluate(
        declared: Option<&Map<String, Value>>,
        scope: &Scope<'_>,
    ) -> Result<Self, Fault> {
        let none = Map::new();
        let declared = declared.unwrap_or(&none);
        let mut known = BTreeMap::new();
        for (name, condition) in declared {
            let mut evaluation = Evaluation { declared, resolver: Resolver::new(scope), known: &mut known, depth: 0 };
            let is = evaluation.is_true(condition).map_err(|wrong| wrong.at(&format!("conditions.{name}")))?;
            known.insert(name.clone(), is);
        }
        Ok(Self(known))
    }
}

impl Resolver<'_> {
    /// Of a place in the template: a name, or a condition itself.
    pub(in crate::template) fn is_true(&mut self, condition: &Value) -> Result<bool, Wrong> {
        let mut known = self.scope.conditions.0.clone();
        let none = Map::new();
        let resolver = Resolver { scope: self.scope, made: self.made };
        Evaluation { declared: &none, resolver, known: &mut known, depth: 0 }.is_true(condition)
    }

    /// `if: [condition, then, else]`; from wallaby on without the third part nothing stands there.
    pub(super) fn choose(&mut self, argument: &Value, known: Option<&Known>) -> Result<Value, Wrong> {
        let parts = self.if_parts(argument)?;
        match if self.is_true(&parts[0])? { Some(&parts[1]) } else { parts.get(2) } {
            Some(part) => self.resolve(part, known),
            None => Ok(Value::Null),
        }
    }

    fn if_parts<'v>(&self, argument: &'v Value) -> Result<&'v [Value], Wrong> {
        let least = if self.scope.version >= WALLABY { 2 } else { 3 };
        argument.as_array().map(Vec::as_slice).filter(|parts| (least..=3).contains(&parts.len())).ok_or_else(|| {
            Wrong::new("Arguments to \"if\" must be of the form: [condition_name, value_if_true, value_if_false]")
        })
    }

    /// An `if` without a third part whose condition is false: an item of a list or map that is not there.
    pub(super) fn is_left_out(&self, value: &Value) -> bool {
        let Some(object) = value.as_object().filter(|_| self.scope.version >= WALLABY) else { return false };
        match self.call(object) {
            Ok(Some(("if", Value::Array(parts)))) if parts.len() == 2 => {
                let mut resolver = Resolver { scope: self.scope, made: self.made };
                resolver.is_true(&parts[0]).is_ok_and(|is| !is)
            }
            _ => false,
        }
    }
}

struct Evaluation<'a, 's> {
    /// Conditions that are evaluated when they are first named.
    declared: &'a Map<String, Value>,
    resolver: Resolver<'s>,
    known: &'a mut BTreeMap<String, bool>,
    depth: usize,
}

impl Evaluation<'_, '_> {
    fn is_true(&mut self, condition: &Value) -> Result<bool, Wrong> {
        if self.depth > DEEPEST {
            return Err(Wrong::new("conditions name each other in a circle, or are more than 64 deep"));
        }
        self.depth += 1;
        let is = self.evaluate(condition);
        self.depth -= 1;
        is
    }

    fn evaluate(&mut self, condition: &Value) -> Result<bool, Wrong> {
        let invalid = |condition: &Value| {
            let why = format!(
                "Invalid condition {condition}: it is no condition's name, no function of conditions, and not true or false"
            );
            Wrong::new(why)
        };
        let object = match condition {
            Value::Bool(is) => return Ok(*is),
            Value::String(name) => return self.named(name).unwrap_or_else(|| Err(invalid(condition))),
            Value::Object(object) if object.len() == 1 => object,
            _ => return Err(invalid(condition)),
        };
        let Some((name, argument)) = object.iter().next() else { return Err(invalid(condition)) };
        if self.resolver.scope.version < NEWTON {
            return Err(Wrong::new("heat_template_version 2016-10-14 and later have conditions"));
        }
        match name.as_str() {
            "get_param" => {
                let given = self.resolver.resolve(argument, None)?;
                match self.resolver.get_param(&given)? {
                    Value::Bool(is) => Ok(is),
                    _ => Err(invalid(condition)),
                }
            }
            "equals" => match argument.as_array().map(Vec::as_slice) {
                Some([a, b]) => Ok(self.value(a)? == self.value(b)?),
                _ => Err(Wrong::new("Arguments to \"equals\" must be of the form: [value_1, value_2]")),
            },
            "not" => self.is_true(argument).map(|is| !is),
            "and" | "or" => {
                let Some(all) = argument.as_array() else {
                    return Err(Wrong::new(format!("Arguments to \"{name}\" must be a list of conditions")));
                };
                if all.len() < 2 {
                    let why = format!("The minimum number of condition arguments to \"{name}\" is 2.");
                    return Err(Wrong::new(why));
                }
                let mut found = Vec::new();
                for one in all {
                    found.push(self.is_true(one)?);
                }
                Ok(if name == "and" { found.iter().all(|is| *is) } else { found.iter().any(|is| *is) })
            }
            "contains" if self.resolver.scope.version >= PIKE => contains(&self.value(argument)?),
            "yaql" => Err(Wrong::new("the function yaql is not resolved by this service; write the value itself")),
            _ => Err(invalid(condition)),
        }
    }

    fn value(&mut self, value: &Value) -> Result<Value, Wrong> {
        self.resolver.resolve(value, None)
    }

    /// `None`: there is no such condition.
    fn named(&mut self, name: &str) -> Option<Result<bool, Wrong>> {
        if let Some(is) = self.known.get(name) {
            return Some(Ok(*is));
        }
        let condition = self.declared.get(name)?;
        let is = self.is_true(condition);
        if let Ok(is) = is {
            self.known.insert(name.to_owned(), is);
        }
        Some(is)
    }
}

/// `[value, sequence]`.
pub(super) fn contains(given: &Value) -> Result<bool, Wrong> {
    match given.as_array().map(Vec::as_slice) {
        Some([value, Value::Array(list)]) => Ok(list.contains(value)),
        Some([Value::String(part), Value::String(text)]) => Ok(text.contains(part.as_str())),
        _ => Err(Wrong::new("Arguments to \"contains\" must be of the form: [value1, [value1, value2]]")),
    }
}
