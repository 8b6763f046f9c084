//! Reads over all projects, shard by shard: for what an operator asks and for housekeeping, never on a request's path.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{Error, Store, decode, keys};
use crate::heat::Grant;
use crate::ids::OperationId;
use crate::operation::Operation;
use crate::types::Artifact;

/// Records read at a time.
const PAGE: usize = 500;

impl Store {
    /// All grants of all projects.
    pub async fn grants(&self) -> Result<Vec<Grant>, Error> {
        let mut grants = Vec::new();
        self.each(keys::GRANTS, |grant| grants.push(grant)).await?;
        Ok(grants)
    }

    /// Operations of any project on which something of resources of this type may rest: those that run, and those that
    /// made what a snapshot has of such a resource. Without a type: those that run.
    pub async fn rested_on(&self, kind: Option<&str>) -> Result<BTreeSet<OperationId>, Error> {
        let mut found = BTreeSet::new();
        // In this order: what an operation has made is recorded before it ends.
        let running = |operation: Operation| {
            if !operation.state.ended() {
                found.insert(operation.id);
            }
        };
        self.each(keys::OPERATIONS, running).await?;
        let Some(kind) = kind else { return Ok(found) };
        let kept = |artifact: Artifact| {
            if artifact.kind == kind {
                found.extend(artifact.made_by().iter().map(|step| step.operation));
            }
        };
        self.each(keys::ARTIFACTS, kept).await?;
        Ok(found)
    }

    async fn each<T: DeserializeOwned>(&self, prefix: &str, mut see: impl FnMut(T)) -> Result<(), Error> {
        for shard in self.backend.shards().all() {
            let mut after = None;
            loop {
                let page = self.backend.scan(shard, prefix, after.as_ref(), PAGE).await?;
                for (key, stored) in &page {
                    see(decode::<T>(key, stored)?.value);
                }
                match page.last() {
                    Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                    _ => break,
                }
            }
        }
        Ok(())
    }
}
