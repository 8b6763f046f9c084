//! Which steps an operation on a snapshot has: the plan, and what a stack of a real Heat's adds to it.

use std::collections::BTreeSet;

use super::{Error, Store};
use crate::heat::Begin;
use crate::ids::{ProjectId, ResourceName, SnapshotId};
use crate::operation::plan::{self, Plan};
use crate::operation::{Kind, Operation, Verb, heat};
use crate::record::Stack;
use crate::types::{Resource, ServerMode};

impl Store {
    /// Of a snapshot as it is accepted.
    pub(super) fn plan_snapshot(&self, stack: &Stack, begin: Option<&Begin>, servers: ServerMode) -> Plan {
        let Some(begin) = begin.filter(|_| stack.heat.is_some()) else {
            return plan::snapshot(&self.kinds, &stack.resources, servers);
        };
        let captured: BTreeSet<_> = begin.captured.iter().map(|artifact| &artifact.resource).collect();
        let mut resources = stack.resources.clone();
        resources.retain(|resource| !captured.contains(&resource.name));
        let mut plan = plan::snapshot(&self.kinds, &resources, servers);
        heat::weave(&mut plan, Kind::Snapshot, true);
        plan
    }

    /// The same, when its items are written down later.
    pub(super) async fn plan_prepared_snapshot(
        &self,
        op: &Operation,
        snapshot: SnapshotId,
        resources: &[Resource],
    ) -> Result<Plan, Error> {
        let stack = self.stack(&op.project, op.stack).await?.value;
        let steps = self.with_steps(&op.project, snapshot, &stack, resources, &[]).await?;
        let mut plan = plan::snapshot(&self.kinds, &steps, op.options.servers);
        if stack.heat.is_some() {
            heat::weave(&mut plan, Kind::Snapshot, true);
        }
        Ok(plan)
    }

    /// `chosen`: what of the snapshot is to be restored. `wanted`: what was asked for by name; empty means all, and only
    /// then Heat brings the stack itself back. `safe`: what is in the safety snapshot without a step, if there is to be one.
    pub(super) async fn plan_restore_of(
        &self,
        project: &ProjectId,
        snapshot: SnapshotId,
        stack: &Stack,
        chosen: &[Resource],
        wanted: &[ResourceName],
        safe: Option<&BTreeSet<ResourceName>>,
    ) -> Result<Plan, Error> {
        let steps = self.with_steps(project, snapshot, stack, chosen, wanted).await?;
        let mut leaving = Vec::new();
        if let Some(inline) = safe.filter(|_| stack.heat.is_some() && wanted.is_empty()) {
            // Heat deletes what the snapshot's template does not have.
            let stay: BTreeSet<_> = chosen.iter().map(|resource| &resource.name).collect();
            leaving.clone_from(&stack.resources);
            leaving.retain(|resource| !stay.contains(&resource.name) && !inline.contains(&resource.name));
        }
        let mut plan = plan::restore(&self.kinds, &steps, &leaving, safe.is_some())?;
        if stack.heat.is_some() {
            heat::weave(&mut plan, Kind::Restore, wanted.is_empty());
        }
        Ok(plan)
    }

    /// Of an operation that only looks: a plan, or a verification.
    pub(super) async fn plan_look(
        &self,
        project: &ProjectId,
        snapshot: SnapshotId,
        stack: &Stack,
        chosen: &[Resource],
        wanted: &[ResourceName],
        kind: Kind,
    ) -> Result<Plan, Error> {
        let verb = if kind == Kind::Plan { Verb::Preview } else { Verb::Verify };
        let steps = self.with_steps(project, snapshot, stack, chosen, wanted).await?;
        let mut plan = plan::each(&self.kinds, &steps, verb);
        if stack.heat.is_some() && wanted.is_empty() {
            heat::weave(&mut plan, kind, true);
        }
        Ok(plan)
    }

    /// Without those of a stack of Heat's that were captured with the template: no step is for them.
    async fn with_steps(
        &self,
        project: &ProjectId,
        snapshot: SnapshotId,
        stack: &Stack,
        resources: &[Resource],
        wanted: &[ResourceName],
    ) -> Result<Vec<Resource>, Error> {
        let mut resources = resources.to_vec();
        if stack.heat.is_none() {
            return Ok(resources);
        }
        let captured = self.inline(project, snapshot).await?;
        if let Some(name) = wanted.iter().find(|name| captured.contains(name)) {
            return Err(Error::Invalid(format!(
                "resource {name} comes back with the stack's template only; restore the whole stack"
            )));
        }
        resources.retain(|resource| !captured.contains(&resource.name));
        Ok(resources)
    }

    /// What was captured of a stack of Heat's with its template.
    pub(super) async fn inline(
        &self,
        project: &ProjectId,
        snapshot: SnapshotId,
    ) -> Result<BTreeSet<ResourceName>, Error> {
        let artifacts = self.artifacts(project, snapshot).await?;
        Ok(artifacts.into_iter().filter(|artifact| artifact.inline).map(|artifact| artifact.resource).collect())
    }
}
