//! What the end of an operation shows on resources that no worker showed it on: those without a driver, those that left
//! the stack, and all of them where there was nothing for a worker to do.
//!
//! Page by page, before the commit that ends the operation. Made twice it shows nothing twice: what shows the end already,
//! since the operation began, is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::begin::Rank;
use super::claim::show_resource;
use super::{Error, Store, keys};
use crate::ids::ResourceName;
use crate::operation::{Kind, Operation, State};
use crate::record::{ResourceShown, Shown, Stack, Status};
use crate::store::Millis;
use crate::types::Resource;

/// Resources shown in one commit.
const PAGE: usize = 100;

impl Store {
    /// `state`: what the operation ends in.
    pub(super) async fn settle_resources(&self, op: &Operation, state: State, now: Millis) -> Result<(), Error> {
        let redefines = matches!(op.kind, Kind::Update | Kind::Restore);
        if state != State::Complete && !redefines {
            return Ok(());
        }
        let stack = match self.stack(&op.project, op.stack).await {
            Ok(stack) => stack.value,
            Err(Error::NoStack(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let after = match state {
            State::Complete => self.defined_after(op, &stack).await?,
            _ => stack.resources.clone(),
        };
        let states = self.resources_shown(&op.project, op.stack).await?;
        if state == State::Complete {
            let ended: Vec<_> = after.iter().filter_map(|resource| self.end_of(op, resource, &states)).collect();
            self.show_all(op, &ended, now).await?;
        }
        if redefines {
            self.show_gone(op, &stack, &after, states.into_keys(), now).await?;
        }
        Ok(())
    }

    /// The stack's resources once an operation has come to its end.
    async fn defined_after(&self, op: &Operation, stack: &Stack) -> Result<Vec<Resource>, Error> {
        match (op.kind, op.snapshot) {
            (Kind::Update, _) => Ok(self.pending(op).await?.definition.resources),
            (Kind::Restore, Some(snapshot)) if op.options.resources.is_empty() => {
                Ok(self.captured(&op.project, snapshot).await?.definition().resources)
            }
            _ => Ok(stack.resources.clone()),
        }
    }

    /// Every resource that an operation may show something of, by name.
    pub(super) async fn resources_of(&self, op: &Operation) -> Result<BTreeMap<ResourceName, Resource>, Error> {
        let mut all = match self.stack(&op.project, op.stack).await {
            Ok(stack) => stack.value.resources,
            Err(Error::NoStack(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        if op.kind == Kind::Update {
            all.extend(self.pending(op).await?.definition.resources);
        } else if let (Kind::Restore, Some(snapshot)) = (op.kind, op.snapshot) {
            all.extend(self.captured(&op.project, snapshot).await?.resources);
        }
        Ok(all.into_iter().map(|resource| (resource.name.clone(), resource)).collect())
    }

    /// What a resource is to show, if the operation is about it and it does not show it yet.
    fn end_of<'a>(
        &self,
        op: &Operation,
        resource: &'a Resource,
        states: &BTreeMap<String, ResourceShown>,
    ) -> Option<(&'a Resource, Shown)> {
        let name = &resource.name;
        let concerned = match op.kind {
            Kind::Update | Kind::Restore => op.changes.added.contains(name) || op.changes.changed.contains(name),
            Kind::Create | Kind::Adopt | Kind::Check | Kind::Snapshot | Kind::Suspend | Kind::Resume => true,
            Kind::Plan | Kind::Verify | Kind::SnapshotDelete | Kind::StackDelete | Kind::Abandon => false,
        };
        let action = op.action_for(name).filter(|_| concerned)?;
        let shows = |state: &ResourceShown| {
            state.shown.action == action
                && state.shown.status == Status::Complete
                && state.updated_at.is_some_and(|at| at >= op.created_at)
        };
        if states.get(name.as_str()).is_some_and(shows) {
            return None;
        }
        let foreign = self.kinds.get(&resource.kind).is_none();
        let reason = match op.kind {
            // `heat/engine/resource.py`, `check`.
            Kind::Check if foreign => format!("CHECK not supported for {}", resource.kind),
            Kind::Snapshot if foreign => format!("not protected: no driver for {}", resource.kind),
            _ => "state changed".to_owned(),
        };
        Some((resource, Shown::new(action, Status::Complete, reason)))
    }

    async fn show_all(&self, op: &Operation, ended: &[(&Resource, Shown)], now: Millis) -> Result<(), Error> {
        for page in ended.chunks(PAGE) {
            let mut begun = self.batch(self.shard(&op.project)).await?;
            let mut done = self.batch(self.shard(&op.project)).await?;
            for (resource, shown) in page {
                let started = Shown::new(&shown.action, Status::InProgress, "state changed");
                show_resource(&mut begun, op, resource, started, Rank::ResourceStarts, now)?;
                show_resource(&mut done, op, resource, shown.clone(), Rank::ResourceEnds, now)?;
            }
            for batch in [begun, done] {
                self.settle(&batch, Duration::from_secs(5)).await?;
            }
        }
        Ok(())
    }

    /// Resources that are not of the stack any more, or never came to be: what they showed goes.
    async fn show_gone(
        &self,
        op: &Operation,
        stack: &Stack,
        after: &[Resource],
        shown: impl Iterator<Item = String>,
        now: Millis,
    ) -> Result<(), Error> {
        let kept: BTreeSet<_> = after.iter().map(|resource| resource.name.as_str()).collect();
        let gone: Vec<_> = shown.filter(|name| !kept.contains(name.as_str())).collect();
        let mut left = Vec::new();
        for name in &gone {
            let removed = op.changes.removed.iter().any(|removed| removed.as_str() == name);
            let resource = stack.resources.iter().find(|resource| resource.name.as_str() == name);
            left.extend(resource.filter(|_| removed));
        }
        let shown = Shown::new("DELETE", Status::Complete, "state changed");
        let left: Vec<_> = left.into_iter().map(|resource| (resource, shown.clone())).collect();
        self.show_all(op, &left, now).await?;
        for page in gone.chunks(PAGE) {
            let mut batch = self.batch(self.shard(&op.project)).await?;
            for name in page.iter().filter_map(|name| name.parse().ok()) {
                batch.delete(keys::resource(&op.project, op.stack, &name));
            }
            self.settle(&batch, Duration::from_secs(5)).await?;
        }
        Ok(())
    }
}
