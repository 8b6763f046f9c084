//! Entries of vaults. Removing them frees nothing at once; a later prune does.

use async_trait::async_trait;

use super::{Error, Finder, Listed, Mark, Thing};
use crate::vault::{EntryId, Vaults};

pub struct OfVaults(pub Vaults);

#[async_trait]
impl Finder for OfVaults {
    fn place(&self) -> &'static str {
        "the vaults"
    }

    async fn list(&self) -> Result<Listed, Error> {
        let mut listed = Listed::default();
        for project in self.0.projects().await? {
            for entry in self.0.existing(&project).await?.entries().await? {
                // What stacksnap did not make is never removed and not listed.
                let Some(label) = entry.label else { continue };
                let thing = Thing {
                    what: "entry".to_owned(),
                    id: entry.id.as_str().to_owned(),
                    project: project.to_string(),
                    stack: Some(label.stack.to_string()),
                    snapshot: Some(label.snapshot.to_string()),
                    resource: label.resource.map(|resource| resource.to_string()),
                    made_at: Some(entry.stored_at),
                    bytes: entry.bytes,
                };
                let mark = Mark::Entry { project: project.clone(), snapshot: label.snapshot, step: label.step };
                listed.things.push((thing, mark));
            }
        }
        Ok(listed)
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let unfit = |error: &dyn std::fmt::Display| Error::Service(error.to_string());
        let project = thing.project.parse().map_err(|error| unfit(&error))?;
        let entry: EntryId = thing.id.parse().map_err(|error| unfit(&error))?;
        Ok(self.0.existing(&project).await?.forget(&entry).await?)
    }
}
