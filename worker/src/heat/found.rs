//! What the stack has after Heat brought it back: a volume that had been taken out of it is there again, as another one,
//! and that one is what its data is restored into.

use std::collections::BTreeMap;

use stacksnap_common::types::Resource;
use stacksnap_openstack::heat::{self, Tree};

use super::At;
use crate::driver::Error;

impl At<'_> {
    /// Asks Heat, and notes it.
    pub(super) async fn find_resources(&self) -> Result<(), Error> {
        let snapshot = self.claimed.snapshot.ok_or_else(|| Error::permanent("the operation names no snapshot"))?;
        let (project, stack) = (&self.ctx.project, self.ctx.stack);
        let captured = self.shared.store.captured(project, snapshot).await.map_err(super::store)?;
        let before = self.shared.store.shadow(project, stack).await.map_err(super::store)?;
        let before = before.map(|stack| stack.resources).unwrap_or_default();
        let listed = self.heat.resources(&self.name, &self.id).await.map_err(super::cloud)?;
        let found = found(&listed, &captured.resources, &before);
        let operation = self.claimed.operation.id;
        self.shared.store.note_resources(project, stack, operation, &found).await.map_err(super::store)
    }
}

/// Each resource that is listed as it was captured, else as it was before, where it is now. One that nobody has known
/// is left out: the next look at the stack reads all of it.
fn found(listed: &[heat::Resource], captured: &[Resource], before: &[Resource]) -> Vec<Resource> {
    let by_name = |resources: &[Resource]| -> BTreeMap<String, Resource> {
        resources.iter().map(|resource| (resource.name.to_string(), resource.clone())).collect()
    };
    let (captured, before) = (by_name(captured), by_name(before));
    let paths = Tree::new(listed).paths();
    let known = paths.iter().zip(listed).filter_map(|(path, now)| {
        let same = |known: &&Resource| known.kind == now.resource_type;
        let known = captured.get(path).filter(same).or_else(|| before.get(path).filter(same))?;
        let external_id = now.physical_resource_id.clone().filter(|id| !id.is_empty());
        Some(Resource { external_id, ..known.clone() })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn resource(name: &str, kind: &str, id: &str) -> Value {
        json!({"name": name, "type": kind, "external_id": id})
    }

    #[test]
    fn what_is_there_again_has_its_new_id() {
        let listed = json!([
            {"resource_name": "n", "resource_type": "n.yaml", "resource_status": "UPDATE_COMPLETE", "physical_resource_id": "n1",
                "links": [{"rel": "nested", "href": "s-n"}]},
            {"resource_name": "v", "resource_type": "V", "resource_status": "CREATE_COMPLETE", "physical_resource_id": "new",
                "links": [{"rel": "stack", "href": "s-n"}]},
            {"resource_name": "other", "resource_type": "W", "resource_status": "CREATE_COMPLETE", "physical_resource_id": "w"},
            {"resource_name": "unknown", "resource_type": "W", "resource_status": "CREATE_COMPLETE"},
        ]);
        let listed: Vec<heat::Resource> = serde_json::from_value(listed).unwrap();
        let captured = json!([resource("n", "n.yaml", "n1"), resource("n.v", "V", "old"), resource("other", "V", "v")]);
        let captured: Vec<Resource> = serde_json::from_value(captured).unwrap();
        let before: Vec<Resource> = serde_json::from_value(json!([resource("other", "W", "w0")])).unwrap();
        let found = found(&listed, &captured, &before);
        let found: Vec<_> =
            found.iter().map(|it| (it.name.as_str(), it.kind.as_str(), it.external_id.as_deref().unwrap())).collect();
        assert_eq!(found, [("n", "n.yaml", "n1"), ("n.v", "V", "new"), ("other", "W", "w")]);
    }
}
