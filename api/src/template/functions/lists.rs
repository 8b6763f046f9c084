//! What makes lists and maps.

use serde_json::{Map, Value};

use super::{Known, Resolver, Wrong, size};
use crate::template::language::{NEWTON, PIKE};

impl Resolver<'_> {
    /// A copy of the template for each value, or each choice of values. The template is resolved once, before.
    pub(super) fn repeat(&mut self, argument: &Value, known: Option<&Known>) -> Result<Value, Wrong> {
        let Some(map) = argument.as_object() else { return Err(Wrong::new("Arguments to \"repeat\" must be a map")) };
        let (Some(template), Some(for_each)) = (map.get("template"), map.get("for_each")) else {
            return Err(Wrong::new(
                "\"repeat\" syntax should be repeat: template: This is %var%; for_each: %var%: ['a', 'b', 'c']",
            ));
        };
        let template = self.resolve(template, known)?;
        let Value::Object(for_each) = self.resolve(for_each, known)? else {
            return Err(Wrong::new("The \"for_each\" argument to \"repeat\" must contain a map"));
        };
        let nested = match map.get("permutations").filter(|_| self.scope.version >= PIKE) {
            None => true,
            Some(given) => match self.resolve(given, known)? {
                Value::Bool(nested) => nested,
                _ => return Err(Wrong::new("\"permutations\" should be boolean type for repeat function.")),
            },
        };
        let mut lists = Vec::new();
        for (variable, values) in &for_each {
            let values = match values {
                Value::Null => Vec::new(),
                Value::Array(list) => list.clone(),
                Value::Object(map) if nested && self.scope.version >= NEWTON => {
                    map.keys().cloned().map(Value::from).collect()
                }
                _ => return Err(Wrong::new("The values of the \"for_each\" argument to \"repeat\" must be lists")),
            };
            lists.push((variable.as_str(), values));
        }
        let rounds = match nested {
            true => lists.iter().try_fold(1_usize, |rounds, (_, list)| rounds.checked_mul(list.len())),
            false => {
                let length = lists.first().map_or(0, |(_, list)| list.len());
                if lists.iter().any(|(_, list)| list.len() != length) {
                    return Err(Wrong::new(
                        "For repeat, the length of for_each values should be equal if no nested loop.",
                    ));
                }
                Some(length)
            }
        };
        let rounds = rounds.unwrap_or(usize::MAX);
        // Before anything is made of it.
        self.spend(rounds.saturating_mul(size(&template).max(1)))?;
        let mut made = Vec::with_capacity(rounds);
        for round in 0..rounds {
            let mut left = round;
            let mut pairs = Vec::with_capacity(lists.len());
            for (variable, list) in lists.iter().rev() {
                let at = if nested { left % list.len() } else { round };
                left /= list.len().max(1);
                pairs.push((*variable, &list[at]));
            }
            pairs.reverse();
            let copy = self.substitute(&template, &pairs)?;
            made.push(copy);
        }
        Ok(Value::Array(made))
    }

    fn substitute(&mut self, template: &Value, pairs: &[(&str, &Value)]) -> Result<Value, Wrong> {
        Ok(match template {
            Value::String(text) => self.put_in(text, pairs)?.into(),
            Value::Array(list) => {
                Value::Array(list.iter().map(|value| self.substitute(value, pairs)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                let mut made = Map::new();
                for (key, value) in map {
                    made.insert(self.put_in(key, pairs)?, self.substitute(value, pairs)?);
                }
                Value::Object(made)
            }
            plain => plain.clone(),
        })
    }

    fn put_in(&mut self, text: &str, pairs: &[(&str, &Value)]) -> Result<String, Wrong> {
        let mut text = text.to_owned();
        for (variable, value) in pairs.iter().filter(|(variable, _)| !variable.is_empty()) {
            let value = match value {
                Value::String(value) => value.clone(),
                other => super::text(other),
            };
            let hits = text.matches(variable).count();
            self.spend(hits.saturating_mul(value.len()))?;
            text = text.replace(variable, &value);
        }
        Ok(text)
    }
}

/// The later of two maps wins. Null is an empty one.
pub(super) fn map_merge(given: &Value) -> Result<Value, Wrong> {
    let Some(maps) = given.as_array() else {
        return Err(Wrong::new(
            "Incorrect arguments to \"map_merge\" should be: \"map_merge\" : [ { \"key1\": \"val1\" }, { \"key2\": \"val2\" } ]",
        ));
    };
    let mut merged = Map::new();
    for map in maps {
        match map {
            Value::Null => {}
            Value::Object(map) => merged.extend(map.clone()),
            _ => return Err(Wrong::new("Incorrect arguments: Items to merge must be maps.")),
        }
    }
    Ok(Value::Object(merged))
}

/// `[map, {keys: {…}, values: {…}}]`.
pub(super) fn map_replace(given: &Value) -> Result<Value, Wrong> {
    let wrong = || {
        Wrong::new(
            "Incorrect arguments to \"map_replace\" should be: \"map_replace\" : [ { \"key1\": \"val1\" }, {\"keys\": {\"key1\": \"key2\"}, \"values\": {\"val1\": \"val2\"}}]",
        )
    };
    let nothing = Map::new();
    let map_of = |value: &'_ Value| match value {
        Value::Null => Some(Map::new()),
        Value::Object(map) => Some(map.clone()),
        _ => None,
    };
    let Some([map, replace]) = given.as_array().map(Vec::as_slice) else { return Err(wrong()) };
    let map = map_of(map).ok_or_else(wrong)?;
    let replace = map_of(replace).ok_or_else(wrong)?;
    if replace.keys().any(|key| key != "keys" && key != "values") {
        return Err(wrong());
    }
    let part = |name: &str| match replace.get(name) {
        None | Some(Value::Null) => Ok(&nothing),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(wrong()),
    };
    let (keys, values) = (part("keys")?, part("values")?);
    let mut made = Map::new();
    for (key, value) in &map {
        let new_key = match keys.get(key) {
            None | Some(Value::Null) => key.clone(),
            Some(new) => {
                let new = super::text(new);
                let collides = (map.contains_key(&new) && new != *key) || made.contains_key(&new);
                if collides {
                    return Err(Wrong::new(format!("key replacement {new} collides with a key in the input map")));
                }
                new
            }
        };
        let value = value.as_str().and_then(|text| values.get(text)).unwrap_or(value);
        made.insert(new_key, value.clone());
    }
    Ok(Value::Object(made))
}

/// Lists one after the other; `list_concat_unique` drops what was there before.
pub(super) fn concat(name: &str, given: &Value) -> Result<Value, Wrong> {
    let Some(lists) = given.as_array() else {
        return Err(Wrong::new(format!(
            "Incorrect arguments to \"{name}\" should be: \"{name}\" : [ [ <value 1>, <value 2> ], [ <value 3>, <value 4> ] ]"
        )));
    };
    let mut made = Vec::new();
    for list in lists {
        match list {
            Value::Null => {}
            Value::Array(list) => made.extend(list.iter().cloned()),
            _ => return Err(Wrong::new("Incorrect arguments: Items to concat must be lists.")),
        }
    }
    if name == "list_concat_unique" {
        // By their text, so that a long list takes no more than its length.
        let mut seen = std::collections::BTreeSet::new();
        made.retain(|value| seen.insert(value.to_string()));
    }
    Ok(Value::Array(made))
}

/// `[values, list]`: the list without the values.
pub(super) fn filter(given: &Value) -> Result<Value, Wrong> {
    let Some([values, list]) = given.as_array().map(Vec::as_slice) else {
        return Err(Wrong::new("\"filter\" expected 2 arguments of the form [values, sequence]"));
    };
    let list = match list {
        Value::Array(list) => list,
        Value::Null => return Ok(Value::Null),
        _ => return Err(Wrong::new("\"filter\" only works with lists")),
    };
    let values: std::collections::BTreeSet<_> = match values {
        Value::Array(values) => values.iter().map(Value::to_string).collect(),
        Value::Null => Default::default(),
        _ => return Err(Wrong::new("\"filter\" filters a list of values")),
    };
    Ok(list.iter().filter(|value| !values.contains(&value.to_string())).cloned().collect())
}

/// `Fn::Select`: `[place or key, list or map]`; an empty text where there is none.
pub(super) fn select(given: &Value) -> Result<Value, Wrong> {
    let Some([at, from]) = given.as_array().map(Vec::as_slice) else {
        return Err(Wrong::new("Arguments to \"Fn::Select\" must be of the form [index, collection]"));
    };
    let found = match (at, from) {
        (Value::String(key), Value::Object(map)) => map.get(key),
        (Value::String(at), Value::Array(list)) => at.parse::<usize>().ok().and_then(|at| list.get(at)),
        (Value::Number(at), Value::Array(list)) => at.as_u64().and_then(|at| list.get(at as usize)),
        _ => None,
    };
    Ok(found.cloned().unwrap_or_else(|| "".into()))
}
