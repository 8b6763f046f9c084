//! What of a stack is captured by reading Heat already: resources with no data of their own. Pure.
//!
//! The template brings them back. What Heat says of them (their attributes) is kept beside, for people to read, and
//! where it can't be a secret: a hidden parameter's value is in nothing that is kept, so a resource that may have taken
//! one in keeps none.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stacksnap_common::heat::Captures;
use stacksnap_common::ids::{OperationId, StepId};
use stacksnap_common::types::{Artifact, Consistency};

use super::tree::Node;

/// More of a resource's attributes is not kept, in bytes of JSON.
const LONGEST: usize = 16 << 10;

/// Of each resource that needs no driver what there is of it. `has_driver`: a type whose data a driver protects.
pub(super) fn captured(nodes: &[Node], template: &Value, has_driver: impl Fn(&str) -> bool) -> Vec<Artifact> {
    let secrets = Secrets::of(template);
    let mut captured = Vec::new();
    for node in nodes {
        let kind = node.resource.kind.as_str();
        if never_made(&node.status) {
            let why = format!("Heat has not made it ({})", node.status);
            let data = json!({"captures": Captures::Nothing.as_str()});
            captured.push(Artifact { inline: true, data, ..Artifact::unprotected(&node.resource, nobody(), 0, why) });
            continue;
        }
        let Some(captures) = Captures::of(kind, node.has_members) else { continue };
        if captures == Captures::Configuration && has_driver(kind) {
            continue;
        }
        let attributes = match &node.attributes {
            attributes if attributes.to_string().len() <= LONGEST && secrets.spare(node) => attributes.clone(),
            _ => Value::Null,
        };
        let mut artifact = Artifact::unprotected(&node.resource, nobody(), 0, "");
        artifact.protected = captures.protects();
        artifact.why =
            (!artifact.protected).then(|| "its value was made by chance: if it is gone, another is made".to_owned());
        artifact.consistency = Consistency::Crash;
        artifact.inline = true;
        artifact.data = json!({"captures": captures.as_str(), "attributes": attributes});
        captured.push(artifact);
    }
    captured
}

fn nobody() -> StepId {
    StepId { operation: OperationId(uuid::Uuid::nil()), stage: 0, index: 0 }
}

/// Of a stack whose creation failed: there is nothing of it, or only the half. Heat itself calls such a one protected.
fn never_made(status: &str) -> bool {
    status == "CREATE_FAILED" || status.starts_with("INIT_")
}

/// The hidden parameters of a template, and where their values may have come to.
struct Secrets {
    hidden: BTreeSet<String>,
    /// Resources of the template whose definition takes nothing of them in.
    clean: BTreeSet<String>,
}

impl Secrets {
    fn of(template: &Value) -> Self {
        let hidden = stacksnap_common::heat::hidden(template);
        let clean = |definition: &Value| !mentions(definition, &hidden);
        let resources = template["resources"].as_object().into_iter().flatten();
        let clean = resources.filter(|(_, definition)| clean(definition)).map(|(name, _)| name.clone()).collect();
        Self { hidden, clean }
    }

    /// Whether nothing hidden can be in what Heat says of a resource.
    fn spare(&self, node: &Node) -> bool {
        self.hidden.is_empty() || (node.top && self.clean.contains(node.resource.name.as_str()))
    }
}

/// Whether a definition may take in a hidden value: directly, or by another resource's attribute.
fn mentions(value: &Value, hidden: &BTreeSet<String>) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| match key.as_str() {
            "get_attr" => true,
            "get_param" | "Ref" => {
                let named = value.as_str().or_else(|| value[0].as_str());
                named.is_none_or(|name| hidden.contains(name))
            }
            _ => mentions(value, hidden),
        }),
        Value::Array(list) => list.iter().any(|value| mentions(value, hidden)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tree::{tests::listed, walk};
    use super::*;

    fn of(template: &Value) -> Vec<Artifact> {
        captured(&walk(&listed(), template).unwrap(), template, |_| false)
    }

    #[test]
    fn what_has_data_is_left_to_drivers_and_the_rest_says_what_it_is() {
        let found = of(&json!({}));
        let says: Vec<_> =
            found.iter().map(|a| (a.resource.as_str(), a.data["captures"].as_str().unwrap(), a.protected)).collect();
        assert_eq!(
            says,
            [
                ("t1", "value", true),
                ("n", "members", true),
                ("last", "value", true),
                ("g", "members", true),
                ("n.leaf", "value", true),
                ("n.rs", "generated value", false),
                ("g.0", "value", true),
                ("g.1", "members", true),
            ]
        );
        assert!(found.iter().all(|artifact| artifact.inline && artifact.made_by().is_empty()));
        assert_eq!(found[0].data["attributes"], json!({"output": "t1"}));
    }

    #[test]
    fn what_heat_has_not_made_is_not_protected_whatever_it_is() {
        let mut nodes = walk(&listed(), &json!({})).unwrap();
        nodes.retain(|node| ["t1", "g.1.vol"].contains(&node.resource.name.as_str()));
        (nodes[0].status, nodes[1].status) = ("CREATE_FAILED".to_owned(), "INIT_COMPLETE".to_owned());
        let found = captured(&nodes, &json!({}), |_| true);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|artifact| !artifact.protected && artifact.inline));
        assert!(found[0].why.as_deref().unwrap().contains("CREATE_FAILED"));
    }

    #[test]
    fn nothing_that_may_hold_a_hidden_value_is_kept() {
        let template = json!({
            "parameters": {"pw": {"type": "string", "hidden": true}, "label": {"type": "string"}},
            "resources": {
                "t1": {"type": "T", "properties": {"value": {"str_replace": {"params": {"x": {"get_param": "pw"}}}}}},
                "last": {"type": "T", "properties": {"value": {"get_param": "label"}}},
                "n": {"type": "T", "properties": {"v": {"get_attr": ["t1", "output"]}}},
            },
        });
        for artifact in of(&template) {
            let kept = !artifact.data["attributes"].is_null();
            assert_eq!(kept, artifact.resource.as_str() == "last", "{}", artifact.resource);
        }
    }
}
