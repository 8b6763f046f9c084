//! Values of hidden parameters are never shown: not with the stack, not in its environment, not in a snapshot's `data`
//! (where Heat shows them).

use serde_json::{Map, Value};

const MASK: &str = "******";

fn is_hidden(template: &Value, name: &str) -> bool {
    match &template["parameters"][name]["hidden"] {
        Value::Bool(hidden) => *hidden,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Whether a value is what a hidden parameter is shown as.
pub(crate) fn is_mask(template: &Value, name: &str, value: &Value) -> bool {
    *value == MASK && is_hidden(template, name)
}

/// Parameters with what is hidden masked.
pub(crate) fn mask(template: &Value, parameters: &Map<String, Value>) -> Map<String, Value> {
    let masked = |(name, value): (&String, &Value)| {
        let value = if is_hidden(template, name) { MASK.into() } else { value.clone() };
        (name.clone(), value)
    };
    parameters.iter().map(masked).collect()
}

/// Anything with the values of hidden parameters masked wherever they are: what a resource keeps may be made of them. A
/// value of fewer than four characters only where it is all there is: else every text that has an `a` would be masked.
pub(crate) fn redact(template: &Value, parameters: &Map<String, Value>, value: &Value) -> Value {
    let hidden = parameters.iter().filter(|(name, _)| is_hidden(template, name));
    let hidden: Vec<&str> = hidden.filter_map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()).collect();
    if hidden.is_empty() { value.clone() } else { redacted(&hidden, value) }
}

fn redacted(hidden: &[&str], value: &Value) -> Value {
    match value {
        Value::String(text) if hidden.contains(&text.as_str()) => MASK.into(),
        Value::String(text) => {
            let long = hidden.iter().filter(|hidden| hidden.chars().count() >= 4);
            long.fold(text.clone(), |text, hidden| text.replace(hidden, MASK)).into()
        }
        Value::Array(list) => list.iter().map(|value| redacted(hidden, value)).collect(),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), redacted(hidden, value))).collect())
        }
        other => other.clone(),
    }
}

/// An environment with what is hidden masked.
pub(crate) fn environment(template: &Value, environment: &Value) -> Value {
    let mut shown = environment.clone();
    for section in ["parameters", "parameter_defaults"] {
        if let Some(values) = shown.get_mut(section).and_then(Value::as_object_mut) {
            *values = mask(template, values);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_a_hidden_value_does_not_show_it() {
        let template = serde_json::json!({"parameters": {"word": {"hidden": true}, "a": {"hidden": true}, "open": {}}});
        let parameters = serde_json::json!({"word": "hush-hush", "a": "x", "open": "seen"});
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        let value = serde_json::json!({"value": "hush-hush", "list": ["a hush-hush b", "x", "xyz", "seen", 1]});
        let shown = serde_json::json!({"value": "******", "list": ["a ****** b", "******", "xyz", "seen", 1]});
        assert_eq!(redact(&template, &parameters, &value), shown);
    }
}
