//! What callers see: reads, none of them unbounded on a request's path.

use super::keys::{self, Timer};
use super::{Error, Read, Store, backend, decode};
use crate::ids::{OperationId, ProjectId, SnapshotId, StackId, StackName};
use crate::operation::{Item, Operation};
use crate::record::{Captured, Event, Purpose, ResourceShown, Snapshot, Stack};
use crate::store::Millis;
use crate::types::{Artifact, Progress};

/// Records read at a time where a list is read to its end.
const PAGE: usize = 500;

/// A step as a caller sees it: the item, and how far it is.
#[derive(Debug, Clone)]
pub struct Seen {
    pub index: u32,
    pub item: Item,
    pub progress: Option<Progress>,
}

impl Store {
    /// A stack, deleted ones too, by id.
    pub async fn find_stack(&self, project: &ProjectId, id: StackId) -> Result<Stack, Error> {
        Ok(self.stack(project, id).await?.value)
    }

    /// A stack that is not deleted, by name.
    pub async fn find_stack_by_name(&self, project: &ProjectId, name: &StackName) -> Result<Stack, Error> {
        let key = keys::stack_name(project, name);
        match self.read::<StackId>(self.shard(project), key).await? {
            Some(id) => self.find_stack(project, id.value).await,
            None => Err(Error::NoStack(name.to_string())),
        }
    }

    /// All stacks of a project, deleted ones too, in no promised order; bounded by the project's limit of stacks and by
    /// how long deleted ones are kept.
    pub async fn list_stacks(&self, project: &ProjectId) -> Result<Vec<Stack>, Error> {
        self.list(project, &keys::stacks(project)).await
    }

    /// The shown states of a stack's resources, by name.
    pub async fn resources_shown(
        &self,
        project: &ProjectId,
        stack: StackId,
    ) -> Result<std::collections::BTreeMap<String, ResourceShown>, Error> {
        let prefix = keys::resources(project, stack);
        let mut found = std::collections::BTreeMap::new();
        for (key, read) in self.list_keyed::<ResourceShown>(project, &prefix).await? {
            found.insert(key.0[prefix.len()..].to_owned(), read);
        }
        Ok(found)
    }

    /// A stack's events, oldest first, at most as many as are kept.
    pub async fn list_events(&self, project: &ProjectId, stack: StackId) -> Result<Vec<Event>, Error> {
        self.list(project, &keys::events(project, stack)).await
    }

    /// A snapshot of this stack. One of another stack, and one that is not there, are told apart as Heat does.
    pub async fn find_snapshot(&self, project: &ProjectId, stack: StackId, id: SnapshotId) -> Result<Snapshot, Error> {
        Ok(self.snapshot_of_stack(project, stack, id).await?.value)
    }

    /// A snapshot, whichever stack it is of.
    pub async fn snapshot_by_id(&self, project: &ProjectId, id: SnapshotId) -> Result<Snapshot, Error> {
        Ok(self.snapshot(project, id).await?.value)
    }

    /// The snapshots of a stack, oldest first, safety snapshots among them.
    pub async fn list_snapshots(&self, project: &ProjectId, stack: StackId) -> Result<Vec<Snapshot>, Error> {
        self.all_snapshots_of(project, stack).await
    }

    /// The stack as a snapshot captured it.
    pub async fn captured(&self, project: &ProjectId, id: SnapshotId) -> Result<Captured, Error> {
        match self.read(self.shard(project), keys::captured(project, id)).await? {
            Some(captured) => Ok(captured.value),
            None => Err(Error::NoSnapshot(id.to_string())),
        }
    }

    /// What a snapshot has of each resource, in the order of their names.
    pub async fn artifacts(&self, project: &ProjectId, id: SnapshotId) -> Result<Vec<Artifact>, Error> {
        self.list(project, &keys::artifacts(project, id)).await
    }

    pub async fn find_operation(&self, project: &ProjectId, id: OperationId) -> Result<Operation, Error> {
        Ok(self.operation(project, id).await?.value)
    }

    /// Operations in the order in which they were accepted, from after `marker` on, at most `limit`.
    pub async fn list_operations(
        &self,
        project: &ProjectId,
        marker: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<Operation>, Error> {
        let after = marker.map(|id| keys::operation(project, id));
        let prefix = keys::operations(project);
        let page = self.backend.scan(self.shard(project), &prefix, after.as_ref(), limit.clamp(1, 1000)).await?;
        page.iter().map(|(key, stored)| decode(key, stored).map(|read| read.value)).collect()
    }

    /// Operations, the newest first, from before `marker` on, at most `limit` of those that are `wanted`.
    ///
    /// The store lists in one direction only, so this reads spans of time backwards, each four times the one before:
    /// what is read is in proportion to what is found, back to how long operations are kept.
    pub async fn newest_operations(
        &self,
        project: &ProjectId,
        marker: Option<OperationId>,
        limit: usize,
        wanted: impl Fn(&Operation) -> bool,
    ) -> Result<Vec<Operation>, Error> {
        let prefix = keys::operations(project);
        let mut until = match marker {
            Some(id) => id,
            // An id that no clock has given yet.
            None => OperationId(uuid::Uuid::max()),
        };
        let newest = match marker.and_then(|id| id.0.get_timestamp()) {
            Some(at) => at.to_unix().0.saturating_mul(1000).saturating_add(1000),
            None => self.now().await?.0.saturating_add(60_000),
        };
        let oldest = newest.saturating_sub(self.settings.operations_kept.as_millis() as u64 + 24 * 3600 * 1000);
        let mut found: Vec<Operation> = Vec::new();
        let mut span = 2 * 60 * 1000;
        let mut from = newest;
        while found.len() < limit && from > oldest {
            from = newest.saturating_sub(span).max(oldest);
            span = span.saturating_mul(4);
            let first = OperationId(uuid::Builder::from_unix_timestamp_millis(from, &[0; 10]).into_uuid());
            let mut page = Vec::new();
            let mut after = keys::operation(project, first);
            'span: loop {
                let keys = self.backend.scan(self.shard(project), &prefix, Some(&after), PAGE).await?;
                for (key, stored) in &keys {
                    let operation = decode::<Operation>(key, stored)?.value;
                    if operation.id >= until {
                        break 'span;
                    }
                    page.push(operation);
                }
                match keys.last() {
                    Some((last, _)) if keys.len() == PAGE => after = last.clone(),
                    _ => break,
                }
            }
            found.extend(page.into_iter().rev().filter(&wanted).take(limit - found.len()));
            until = first;
        }
        Ok(found)
    }

    /// The items of an operation and their progress, from `from` on, at most `limit`.
    pub async fn list_items(
        &self,
        project: &ProjectId,
        id: OperationId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Seen>, Error> {
        let shard = self.shard(project);
        let after = from.checked_sub(1).map(|before| keys::item(project, id, before));
        let limit = limit.clamp(1, 10_000);
        let page = self.backend.scan(shard, &keys::items(project, id), after.as_ref(), limit).await?;
        let indexes: Vec<_> = page.iter().map(|(key, _)| keys::item_index(key).unwrap_or_default()).collect();
        let progress_keys: Vec<_> = indexes.iter().map(|index| keys::progress(project, id, *index)).collect();
        let progress = self.backend.get(shard, &progress_keys).await?;
        let mut seen = Vec::new();
        for (((key, stored), index), progress) in page.iter().zip(indexes).zip(progress) {
            let progress = progress.and_then(|stored| serde_json::from_slice(&stored.value).ok());
            seen.push(Seen { index, item: decode::<Item>(key, stored)?.value, progress });
        }
        Ok(seen)
    }

    /// When an operation is looked at next, if it has a timer.
    pub async fn advance_due(&self, project: &ProjectId, id: OperationId) -> Result<Option<Millis>, Error> {
        let timer = Timer::Advance(project.clone(), id).id();
        Ok(self.backend.timer(self.shard(project), &timer).await?)
    }

    pub(super) async fn stack(&self, project: &ProjectId, id: StackId) -> Result<Read<Stack>, Error> {
        self.read(self.shard(project), keys::stack(project, id)).await?.ok_or_else(|| Error::NoStack(id.to_string()))
    }

    pub(super) async fn snapshot(&self, project: &ProjectId, id: SnapshotId) -> Result<Read<Snapshot>, Error> {
        self.read(self.shard(project), keys::snapshot(project, id))
            .await?
            .ok_or_else(|| Error::NoSnapshot(id.to_string()))
    }

    pub(super) async fn snapshot_of_stack(
        &self,
        project: &ProjectId,
        stack: StackId,
        id: SnapshotId,
    ) -> Result<Read<Snapshot>, Error> {
        let snapshot = self.snapshot(project, id).await?;
        if snapshot.value.stack == stack {
            return Ok(snapshot);
        }
        let stack = self.stack(project, stack).await?.value.name;
        Err(Error::OtherStack { snapshot: id, stack })
    }

    pub(super) async fn operation(&self, project: &ProjectId, id: OperationId) -> Result<Read<Operation>, Error> {
        self.read(self.shard(project), keys::operation(project, id))
            .await?
            .ok_or_else(|| Error::NoOperation(id.to_string()))
    }

    pub(super) async fn all_snapshots_of(&self, project: &ProjectId, stack: StackId) -> Result<Vec<Snapshot>, Error> {
        let ids: Vec<SnapshotId> = self.list(project, &keys::snapshots_of(project, stack)).await?;
        let keys: Vec<_> = ids.into_iter().map(|id| keys::snapshot(project, id)).collect();
        let mut found = Vec::new();
        for (key, stored) in keys.iter().zip(self.backend.get(self.shard(project), &keys).await?) {
            if let Some(stored) = stored {
                found.push(decode::<Snapshot>(key, &stored)?.value);
            }
        }
        Ok(found)
    }

    async fn list<T: serde::de::DeserializeOwned>(&self, project: &ProjectId, prefix: &str) -> Result<Vec<T>, Error> {
        Ok(self.list_keyed(project, prefix).await?.into_iter().map(|(_, value)| value).collect())
    }

    async fn list_keyed<T: serde::de::DeserializeOwned>(
        &self,
        project: &ProjectId,
        prefix: &str,
    ) -> Result<Vec<(backend::Key, T)>, Error> {
        let shard = self.shard(project);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.backend.scan(shard, prefix, after.as_ref(), PAGE).await?;
            for (key, stored) in &page {
                found.push((key.clone(), decode::<T>(key, stored)?.value));
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                _ => return Ok(found),
            }
        }
    }
}

impl Snapshot {
    /// Shown in Heat's list, and counted to its limit.
    pub fn listed(&self) -> bool {
        self.purpose != Purpose::Safety
    }
}
