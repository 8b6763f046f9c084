//! The resources of a stack in Heat, nested stacks walked down to their leaves. Pure.
//!
//! Heat lists all of them at once, each with the address of the stack that it is in, and one that holds a nested stack
//! with the address of that. A nested resource is named by its path, `group.0.volume`; what depends on a group waits for
//! its members, and its members for what the group depends on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stacksnap_common::ids::{PoolName, ResourceName};
use stacksnap_common::types::Resource;
use stacksnap_openstack::heat;

/// One resource, and what Heat tells beside what a plan is made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) resource: Resource,
    pub(super) has_members: bool,
    /// Of the stack itself, not of a nested one.
    pub(super) top: bool,
    pub(super) attributes: Value,
    /// `CREATE_COMPLETE`.
    pub(super) status: String,
}

/// `template`: the stack's own.
pub(super) fn walk(listed: &[heat::Resource], template: &Value) -> Result<Vec<Node>, String> {
    let tree = heat::Tree::new(listed);
    let holder = |at: usize| tree.holder(at);
    let names = names(&tree.paths())?;
    let by_place: BTreeMap<(Option<usize>, &str), usize> =
        listed.iter().enumerate().map(|(at, resource)| ((holder(at), resource.resource_name.as_str()), at)).collect();
    let mut needs: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); listed.len()];
    for (at, resource) in listed.iter().enumerate() {
        for other in &resource.required_by {
            if let Some(other) = by_place.get(&(holder(at), other.as_str())) {
                needs[*other].insert(at);
            }
        }
        if let Some(holder) = holder(at) {
            needs[holder].insert(at);
        }
    }
    // A member waits for what its holder waits for; the holder waits for it.
    let of_holders = needs.clone();
    for (at, needed) in of_holders.iter().enumerate() {
        let members: BTreeSet<_> = (0..listed.len()).filter(|other| holder(*other) == Some(at)).collect();
        for member in &members {
            let outside = needed.iter().copied().filter(|need| !members.contains(need));
            needs[*member].extend(outside.collect::<Vec<_>>());
        }
    }
    Ok(listed
        .iter()
        .enumerate()
        .map(|(at, found)| {
            let top = holder(at).is_none();
            Node {
                resource: Resource {
                    name: names[at].clone(),
                    kind: found.resource_type.clone(),
                    external_id: found.physical_resource_id.clone().filter(|id| !id.is_empty()),
                    properties: if top { properties(template, &found.resource_name) } else { BTreeMap::new() },
                    depends_on: needs[at].iter().map(|need| names[*need].clone()).collect(),
                    pool: PoolName::default(),
                    data: Value::Null,
                },
                has_members: found.link("nested").is_some(),
                top,
                attributes: found.attributes.clone().unwrap_or(Value::Null),
                status: found.resource_status.clone(),
            }
        })
        .collect())
}

/// Paths as names: short enough.
fn names(paths: &[String]) -> Result<Vec<ResourceName>, String> {
    let parsed = paths.iter().map(|path| path.parse());
    parsed.collect::<Result<_, _>>().map_err(|error: stacksnap_common::ids::Invalid| error.to_string())
}

/// Those that the template gives as they are; what functions give is only known to Heat.
fn properties(template: &Value, name: &str) -> BTreeMap<String, Value> {
    let given = template["resources"][name]["properties"].as_object();
    let plain = given.into_iter().flatten().filter(|(_, value)| is_plain(value));
    plain.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            let function = |key: &String| key.starts_with("Fn::") || FUNCTIONS.contains(&key.as_str());
            !(map.len() == 1 && map.keys().any(function)) && map.values().all(is_plain)
        }
        Value::Array(list) => list.iter().all(is_plain),
        _ => true,
    }
}

/// HOT's intrinsic functions.
pub(super) const FUNCTIONS: &[&str] = &[
    "get_param",
    "get_attr",
    "get_resource",
    "get_file",
    "str_replace",
    "str_replace_strict",
    "str_replace_vstrict",
    "str_split",
    "list_join",
    "list_concat",
    "list_concat_unique",
    "digest",
    "repeat",
    "resource_facade",
    "map_merge",
    "map_replace",
    "yaql",
    "contains",
    "equals",
    "if",
    "not",
    "and",
    "or",
    "filter",
    "make_url",
    "Ref",
];

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// As Heat 27 lists a stack with a group and a nested stack (`nested_depth=5&with_detail=true`).
    pub(in crate::heat) fn listed() -> Vec<heat::Resource> {
        let of = |name: &str, kind: &str, stack: &str, nested: Option<&str>, required_by: &[&str]| {
            let mut links = vec![json!({"rel": "stack", "href": format!("http://h/v1/p/stacks/{stack}")})];
            links.extend(
                nested.map(|nested| json!({"rel": "nested", "href": format!("http://h/v1/p/stacks/{nested}")})),
            );
            json!({"resource_name": name, "resource_type": kind, "physical_resource_id": format!("{stack}-{name}"),
                "resource_status": "CREATE_COMPLETE", "required_by": required_by, "links": links,
                "attributes": {"output": name}})
        };
        serde_json::from_value(json!([
            of("t1", "OS::Heat::TestResource", "s/1", None, &["n"]),
            of("n", "nested.yaml", "s/1", Some("s-n/2"), &["last"]),
            of("last", "OS::Heat::TestResource", "s/1", None, &[]),
            of("g", "OS::Heat::ResourceGroup", "s/1", Some("s-g/3"), &[]),
            of("leaf", "OS::Heat::TestResource", "s-n/2", None, &["rs"]),
            of("rs", "OS::Heat::RandomString", "s-n/2", None, &[]),
            of("0", "OS::Heat::TestResource", "s-g/3", None, &[]),
            of("1", "deep.yaml", "s-g/3", Some("s-g-1/4"), &[]),
            of("vol", "OS::Cinder::Volume", "s-g-1/4", None, &[]),
        ]))
        .unwrap()
    }

    #[test]
    fn leaves_are_named_by_their_path() {
        let nodes = walk(&listed(), &json!({})).unwrap();
        let names: Vec<_> = nodes.iter().map(|node| node.resource.name.as_str()).collect();
        assert_eq!(names, ["t1", "n", "last", "g", "n.leaf", "n.rs", "g.0", "g.1", "g.1.vol"]);
        let members: Vec<_> = nodes.iter().filter(|n| n.has_members).map(|n| n.resource.name.as_str()).collect();
        assert_eq!(members, ["n", "g", "g.1"]);
        assert_eq!(nodes.iter().filter(|node| node.top).count(), 4);
    }

    #[test]
    fn order_goes_through_groups() {
        let nodes = walk(&listed(), &json!({})).unwrap();
        let resources: Vec<_> = nodes.iter().map(|node| node.resource.clone()).collect();
        let levels = stacksnap_common::operation::plan::levels(&resources).unwrap();
        let level = |name: &str| levels[resources.iter().position(|r| r.name.as_str() == name).unwrap()];
        assert!(level("t1") < level("n.leaf") && level("n.leaf") < level("n.rs"));
        assert!(level("n.rs") < level("n") && level("n") < level("last"));
        assert!(level("g.1.vol") < level("g.1") && level("g.1") < level("g"));
    }

    #[test]
    fn a_path_that_is_too_long_is_no_name() {
        assert!(super::names(&["x".repeat(300)]).is_err());
    }

    #[test]
    fn only_plain_properties_are_known() {
        let template = json!({"resources": {"t": {"properties": {
            "size": 5, "name": {"get_param": "n"}, "list": ["a", {"get_file": "f"}], "map": {"k": "v"}}}}});
        assert_eq!(
            properties(&template, "t"),
            BTreeMap::from([("size".to_owned(), json!(5)), ("map".to_owned(), json!({"k": "v"}))])
        );
    }
}
