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
