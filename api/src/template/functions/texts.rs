//! What makes texts, and what takes them apart.

use serde_json::{Map, Value};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{MADE, Resolver, Wrong, text};

impl Resolver<'_> {
    /// `str_replace` and its strict forms: those refuse params that the template lacks, the strictest also empty values.
    pub(super) fn str_replace(&mut self, name: &str, given: &Value) -> Result<Value, Wrong> {
        let Some(map) = given.as_object() else {
            return Err(Wrong::new(format!("Arguments to \"{name}\" must be a map")));
        };
        let (Some(template), Some(params)) = (map.get("template"), map.get("params")) else {
            return Err(Wrong::new(format!(
                "\"{name}\" syntax should be {name}: template: This is $var1 template $var2; params: $var1: a, $var2: foo"
            )));
        };
        let Value::String(template) = template else {
            return Err(Wrong::new(format!("\"{name}\" template must be a string")));
        };
        let Value::Object(params) = params else {
            return Err(Wrong::new(format!("\"{name}\" params must be a map")));
        };
        self.replace(name, template, params)
    }

    /// `Fn::Replace`: `[params, template]`.
    pub(super) fn fn_replace(&mut self, given: &Value) -> Result<Value, Wrong> {
        match given.as_array().map(Vec::as_slice) {
            Some([Value::Object(params), Value::String(template)]) => self.replace("Fn::Replace", template, params),
            _ => Err(Wrong::new("Arguments to \"Fn::Replace\" must be a list of a map and a string")),
        }
    }

    fn replace(&mut self, name: &str, template: &str, params: &Map<String, Value>) -> Result<Value, Wrong> {
        let mut pairs = Vec::new();
        for (key, value) in params.iter().filter(|(key, _)| !key.is_empty()) {
            let value = text(value);
            if name == "str_replace_vstrict" && value.is_empty() {
                return Err(Wrong::new(format!(
                    "{name} has an undefined or empty value for param {key}, must be a defined non-empty value"
                )));
            }
            pairs.push((key.as_str(), value, false));
        }
        // The longest that fits at a place is taken, and what was put in is not looked at again.
        pairs.sort_by(|(a, ..), (b, ..)| b.len().cmp(&a.len()).then(a.cmp(b)));
        let mut made = String::new();
        let mut rest = template;
        while let Some(first) = rest.chars().next() {
            let hit = pairs.iter_mut().find_map(|(key, value, used)| {
                let after = rest.strip_prefix(*key)?;
                *used = true;
                Some((after, value.as_str()))
            });
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
        let unused: Vec<_> = pairs.iter().filter(|(.., used)| !used).map(|(key, ..)| *key).collect();
        if name.ends_with("strict") && !unused.is_empty() {
            let unused = unused.join(",");
            return Err(Wrong::new(format!("The following params were not found in the template: {unused}")));
        }
        Ok(made.into())
    }

    /// `list_join` and `Fn::Join`: a delimiter, then one or more lists.
    pub(super) fn list_join(&mut self, given: &Value) -> Result<Value, Wrong> {
        let wrong = || {
            Wrong::new(
                "Incorrect arguments to \"list_join\" should be: \"list_join\" : [ \" \", [ \"str1\", \"str2\"] ...]",
            )
        };
        let (delimiter, lists) = given
            .as_array()
            .and_then(|list| list.split_first())
            .filter(|(_, lists)| !lists.is_empty())
            .ok_or_else(wrong)?;
        let Value::String(delimiter) = delimiter else {
            return Err(Wrong::new("\"list_join\" delimiter must be a string"));
        };
        let mut parts = Vec::new();
        for list in lists {
            match list {
                Value::Array(list) => parts.extend(list.iter().map(text)),
                Value::Null => {}
                Value::String(text) if text.is_empty() => {}
                _ => return Err(Wrong::new("\"list_join\" must operate on a list")),
            }
        }
        self.spend(delimiter.len().saturating_mul(parts.len()))?;
        Ok(parts.join(delimiter).into())
    }
}

/// `[delimiter, text]`, or with a place behind it one of the parts.
pub(super) fn str_split(given: &Value) -> Result<Value, Wrong> {
    let wrong = || {
        Wrong::new(
            "Incorrect arguments to \"str_split\" should be: \"str_split\" : [ \",\", \"apples,pears\", <index>]",
        )
    };
    let list = given.as_array().ok_or_else(wrong)?;
    let (delimiter, rest) = list.split_first().ok_or_else(wrong)?;
    let (text, at) = rest.split_first().ok_or_else(wrong)?;
    let text = match text {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => text,
        _ => return Err(wrong()),
    };
    let Some(delimiter) = delimiter.as_str().filter(|delimiter| !delimiter.is_empty()) else { return Err(wrong()) };
    let parts: Vec<_> = text.split(delimiter).collect();
    let Some(at) = at.first() else { return Ok(parts.into()) };
    let at = at.as_u64().or_else(|| at.as_str()?.parse().ok()).ok_or_else(wrong)?;
    parts.get(at as usize).map(|part| Value::from(*part)).ok_or_else(|| {
        let most = parts.len() - 1;
        Wrong::new(format!("Incorrect index to \"str_split\" should be between 0 and {most}"))
    })
}

/// `[algorithm, text]`. Of Python's algorithms those of SHA-2; the others are broken or rare.
pub(super) fn digest(given: &Value) -> Result<Value, Wrong> {
    let Some([Value::String(algorithm), Value::String(text)]) = given.as_array().map(Vec::as_slice) else {
        return Err(Wrong::new("Function \"digest\" usage: [\"<algorithm>\", \"<value>\"]"));
    };
    let text = text.as_bytes();
    Ok(match algorithm.as_str() {
        "sha224" => hex::encode(Sha224::digest(text)),
        "sha256" => hex::encode(Sha256::digest(text)),
        "sha384" => hex::encode(Sha384::digest(text)),
        "sha512" => hex::encode(Sha512::digest(text)),
        _ => return Err(Wrong::new("Algorithm must be one of sha224, sha256, sha384, sha512")),
    }
    .into())
}
