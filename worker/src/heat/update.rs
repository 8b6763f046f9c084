//! The update that brings a stack back to a snapshot's template. Pure, but for reading what there is.
//!
//! Hidden values are never captured: those that the stack has now stay as they are (Heat keeps what an update does not
//! name). A parameter that the snapshot's environment did not set has the template's default again.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use stacksnap_common::heat::{MASK, hidden};
use stacksnap_common::record::Captured;
use stacksnap_openstack::heat;

/// Sections of an environment that an update may bring.
const SECTIONS: [&str; 3] = ["parameter_defaults", "resource_registry", "event_sinks"];

pub(super) struct Target {
    template: Value,
    files: Map<String, Value>,
    environment: Value,
    clear: Vec<String>,
    /// Hidden parameters, whose present values stay.
    pub(super) kept: BTreeSet<String>,
    /// Those of them that have no value now and no default.
    pub(super) missing: BTreeSet<String>,
}

impl Target {
    /// `present`: the stack's environment as it is now.
    pub(super) fn new(captured: &Captured, present: &Value) -> Self {
        let hidden = hidden(&captured.template);
        let shown = |values: &Value| -> Map<String, Value> {
            let values = values.as_object().into_iter().flatten();
            let shown = values.filter(|(name, value)| !hidden.contains(*name) && *value != MASK);
            shown.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let mut environment = Map::new();
        let parameters = shown(&captured.environment["parameters"]);
        for section in SECTIONS {
            match &captured.environment[section] {
                Value::Null => {}
                defaults if section == "parameter_defaults" => {
                    environment.insert(section.to_owned(), shown(defaults).into());
                }
                other => {
                    environment.insert(section.to_owned(), other.clone());
                }
            }
        }
        let set_now: BTreeSet<&String> =
            present["parameters"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
        let known = |name: &str| {
            ["parameters", "Parameters"].iter().any(|section| captured.template[*section].get(name).is_some())
        };
        let clear = set_now
            .iter()
            .filter(|name| !parameters.contains_key(**name) && !hidden.contains(**name) && known(name))
            .map(|name| (*name).clone())
            .collect();
        let default = |name: &String| {
            let of = |section: &str, key: &str| captured.template[section][name].get(key).is_some();
            of("parameters", "default") || of("Parameters", "Default")
        };
        let missing = hidden.iter().filter(|name| !set_now.contains(name) && !default(name)).cloned().collect();
        environment.insert("parameters".to_owned(), parameters.into());
        Self {
            template: captured.template.clone(),
            files: captured.files.clone(),
            environment: json!(environment),
            clear,
            kept: hidden,
            missing,
        }
    }

    pub(super) fn update(&self) -> heat::Update<'_> {
        heat::Update {
            template: &self.template,
            files: &self.files,
            environment: &self.environment,
            clear: &self.clear,
        }
    }

    /// Whether a stack's template is what this makes it.
    pub(super) fn is(&self, template: &Value) -> bool {
        self.template == *template
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn captured() -> Captured {
        serde_json::from_value(json!({
            "stack": "c3aefb78-bea1-4714-8fe0-99e17bb64d3a", "name": "s",
            "shown": {"action": "CREATE", "status": "COMPLETE", "reason": ""},
            "template": {"parameters": {
                "label": {"type": "string", "default": "one"}, "size": {"type": "number"},
                "pw": {"type": "string", "hidden": true}, "key": {"type": "string", "hidden": "True", "default": "x"},
            }},
            "environment": {
                "parameters": {"size": 5, "pw": "******"}, "parameter_defaults": {"key": "******", "other": 1},
                "resource_registry": {"nested.yaml": "nested.yaml"}, "encrypted_param_names": [],
            },
            "files": {"nested.yaml": "x"}, "tags": [], "description": "", "owner": "me", "created_at": 0, "resources": [],
        }))
        .unwrap()
    }

    #[test]
    fn hidden_values_are_not_sent_and_defaults_come_back() {
        let present = json!({"parameters": {"label": "two", "size": 7, "pw": "******", "gone": 1}});
        let target = Target::new(&captured(), &present);
        let update = target.update();
        assert_eq!(
            *update.environment,
            json!({
                "parameter_defaults": {"other": 1},
                "resource_registry": {"nested.yaml": "nested.yaml"},
                "parameters": {"size": 5},
            })
        );
        assert_eq!(update.clear, ["label"]);
        assert_eq!(target.kept, BTreeSet::from(["key".to_owned(), "pw".to_owned()]));
        assert!(target.missing.is_empty());
    }

    #[test]
    fn a_hidden_value_that_is_gone_is_named() {
        let target = Target::new(&captured(), &json!({"parameters": {}}));
        assert_eq!(target.missing, BTreeSet::from(["pw".to_owned()]));
    }
}
