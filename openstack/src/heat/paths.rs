//! What a resource is called in the whole of a stack: by its path through the nested stacks that hold it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Resource;

/// Where each resource of a list is.
#[derive(Debug)]
pub struct Tree<'a> {
    listed: &'a [Resource],
    /// A nested stack's address → the resource that holds it.
    holders: BTreeMap<&'a str, usize>,
}

impl<'a> Tree<'a> {
    /// `listed`: all resources of a stack, those of nested stacks too, as [`super::Heat::resources`] gives them.
    pub fn new(listed: &'a [Resource]) -> Self {
        let holders = listed.iter().enumerate().filter_map(|(at, resource)| Some((resource.link("nested")?, at)));
        Self { listed, holders: holders.collect() }
    }

    /// The resource whose nested stack holds the one at this place; `None`: it is of the stack itself.
    pub fn holder(&self, at: usize) -> Option<usize> {
        self.listed[at].link("stack").and_then(|stack| self.holders.get(stack)).copied()
    }

    /// `group.0.volume`, for each in the list's order. No two are the same: a resource's own name may hold a dot.
    pub fn paths(&self) -> Vec<String> {
        let mut used = BTreeSet::new();
        let unique = |path: String| {
            let (mut name, mut more) = (path.clone(), 1);
            while !used.insert(name.clone()) {
                more += 1;
                name = format!("{path}~{more}");
            }
            name
        };
        (0..self.listed.len()).map(|at| self.path(at)).map(unique).collect()
    }

    fn path(&self, at: usize) -> String {
        let mut parts = vec![self.listed[at].resource_name.as_str()];
        let mut at = at;
        // No deeper than there are resources: what Heat says may be no tree.
        for _ in 0..self.listed.len() {
            let Some(above) = self.holder(at) else { break };
            parts.push(&self.listed[above].resource_name);
            at = above;
        }
        parts.reverse();
        parts.join(".")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn names_never_meet() {
        let of = |name: &str, stack: &str, nested: Option<&str>| {
            let mut links = vec![json!({"rel": "stack", "href": stack})];
            links.extend(nested.map(|nested| json!({"rel": "nested", "href": nested})));
            json!({"resource_name": name, "resource_type": "T", "resource_status": "CREATE_COMPLETE", "links": links})
        };
        let listed = json!([
            of("a", "s", Some("s-a")),
            of("b", "s-a", None),
            of("a.b", "s", None),
            of("a.b~2", "s", None),
            of("loop", "s-loop", Some("s-loop")),
        ]);
        let listed: Vec<Resource> = serde_json::from_value(listed).unwrap();
        let paths = Tree::new(&listed).paths();
        assert_eq!(paths[..4], ["a", "a.b", "a.b~2", "a.b~2~2"]);
        assert!(paths[4].ends_with("loop"), "{paths:?}");
    }
}
