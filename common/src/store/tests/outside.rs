//! The world outside, as drivers would change it: what is frozen, what lies in the vault, which manifests are there.
//! Drivers find what they made before by the step's id, so making it twice is making it once.

use std::collections::BTreeSet;

use crate::ids::{ResourceName, SnapshotId, StackId, StepId};
use crate::operation::Verb;
use crate::record::{Snapshot, Status};
use crate::store::Claimed;
use crate::types::Artifact;

#[derive(Debug, Default)]
pub(super) struct Outside {
    frozen: BTreeSet<(StackId, ResourceName)>,
    vault: BTreeSet<(SnapshotId, ResourceName, StepId)>,
    sealed: BTreeSet<SnapshotId>,
    /// What should have been thawed, and what should have been cleared away, where that failed for good.
    pub(super) not_thawed: BTreeSet<StackId>,
    pub(super) not_cleared: bool,
}

impl Outside {
    /// What a run leaves, however it ends, once it was under way.
    pub(super) fn make(&mut self, claimed: &Claimed) {
        let resource = claimed.item.resource.as_ref().map(|resource| resource.name.clone());
        match (claimed.verb, claimed.snapshot, resource) {
            (Verb::Quiesce, _, Some(resource)) => {
                self.frozen.insert((claimed.operation.stack, resource));
            }
            (Verb::Copy, Some(snapshot), Some(resource)) => {
                self.vault.insert((snapshot, resource, claimed.step));
            }
            (Verb::Seal, Some(snapshot), None) => {
                self.sealed.insert(snapshot);
            }
            _ => {}
        }
    }

    /// What a run that does its work to the end takes away.
    pub(super) fn take_away(&mut self, claimed: &Claimed) {
        let resource = claimed.item.resource.as_ref().map(|resource| resource.name.clone());
        match (claimed.verb, claimed.snapshot, resource) {
            (Verb::Thaw, _, Some(resource)) => {
                self.frozen.remove(&(claimed.operation.stack, resource));
            }
            (Verb::Discard, Some(snapshot), Some(resource)) => {
                for step in &claimed.item.tried {
                    self.vault.remove(&(snapshot, resource.clone(), *step));
                }
                for step in claimed.artifact.iter().flat_map(Artifact::made_by) {
                    self.vault.remove(&(snapshot, resource.clone(), step));
                }
            }
            (Verb::Unseal, Some(snapshot), None) => {
                self.sealed.remove(&snapshot);
            }
            _ => {}
        }
    }

    /// A step failed for good.
    pub(super) fn gave_up(&mut self, verb: Verb, stack: StackId) {
        match verb {
            Verb::Thaw => {
                self.not_thawed.insert(stack);
            }
            Verb::Unseal | Verb::Discard => self.not_cleared = true,
            _ => {}
        }
    }

    /// Against all the snapshots that the store knows, when nothing runs.
    pub(super) fn assert_whole(&self, known: &[(Snapshot, Vec<Artifact>)]) {
        for (stack, resource) in &self.frozen {
            assert!(self.not_thawed.contains(stack), "{resource} was frozen and not thawed");
        }
        for (snapshot, artifacts) in known {
            let complete = snapshot.status == Status::Complete && snapshot.action == "CREATE";
            assert!(snapshot.status != Status::InProgress, "{snapshot:?}");
            if !complete {
                let sealed = self.sealed.contains(&snapshot.id);
                assert!(!sealed || self.not_cleared, "sealed and not complete: {snapshot:?}");
                continue;
            }
            assert!(self.sealed.contains(&snapshot.id), "complete and not sealed: {snapshot:?}");
            for artifact in artifacts.iter().filter(|artifact| artifact.protected) {
                let entry = (snapshot.id, artifact.resource.clone(), artifact.step);
                assert!(self.vault.contains(&entry), "said to be protected: {artifact:?}");
            }
        }
        if self.not_cleared {
            return;
        }
        let made = |(id, resource, step): &(SnapshotId, ResourceName, StepId)| {
            known.iter().any(|(snapshot, artifacts)| {
                snapshot.id == *id
                    && artifacts.iter().any(|made| made.resource == *resource && made.made_by().contains(step))
            })
        };
        let orphans: Vec<_> = self.vault.iter().filter(|entry| !made(entry)).collect();
        assert!(orphans.is_empty(), "no record points at {orphans:?}");
        for id in &self.sealed {
            assert!(known.iter().any(|(snapshot, _)| snapshot.id == *id), "a manifest of no snapshot: {id}");
        }
    }
}
