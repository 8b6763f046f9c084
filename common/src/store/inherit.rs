//! A stack that Heat gave up comes back in Heat under another id, and its snapshots come with it.
//!
//! Heat's abandon forgets the stack, and an adoption of what it handed out makes a stack with a new id. Our shadow of the
//! old one and its snapshots stay where they were until then; here the shadow becomes the new stack's in one commit. What a
//! snapshot captured stays as it was, the old id in it too: that is what the stack was.

use super::backend::{Error as BackendError, Precondition};
use super::keys::{self, count};
use super::{Error, PATIENCE, Read, Store, put, require_version};
use crate::heat::Shadow;
use crate::ids::{ProjectId, StackId, StackName};
use crate::record::{Purpose, Snapshot, Stack};

impl Store {
    /// Whether a stack of Heat's has left something behind that a new one can take over; one that is deleted with its
    /// snapshots leaves nothing. Refused while any other operation has the stack, or one of its snapshots.
    pub async fn left_behind(&self, project: &ProjectId, stack: StackId) -> Result<bool, Error> {
        Ok(self.takeable(project, stack).await?.is_some())
    }

    /// A new stack of Heat's takes over what an old one has left. `false`: there is nothing.
    pub async fn inherit(
        &self,
        project: &ProjectId,
        old: StackId,
        new: StackId,
        name: &StackName,
    ) -> Result<bool, Error> {
        for _ in 0..20 {
            let Some((Read { value: stack, version }, snapshots)) = self.takeable(project, old).await? else {
                return Ok(false);
            };
            let mut batch = self.batch(self.shard(project)).await?;
            batch.require(Precondition::Absent(keys::stack(project, new)));
            require_version(&mut batch, keys::stack(project, old), version);
            batch.delete(keys::stack(project, old));
            // What Heat says of the new one is the newer state, whatever was seen of the old one.
            let taken = Stack { id: new, name: name.clone(), heat: Some(Shadow::default()), ..stack };
            put(&mut batch, keys::stack(project, new), &taken)?;
            let mut counted = 0;
            for Read { value: snapshot, version } in snapshots {
                let (key, began) = (keys::snapshot(project, snapshot.id), snapshot.created_at);
                require_version(&mut batch, key.clone(), version);
                batch.delete(keys::snapshot_of(project, old, began, snapshot.id));
                put(&mut batch, keys::snapshot_of(project, new, began, snapshot.id), &snapshot.id)?;
                counted += i64::from(snapshot.purpose != Purpose::Safety);
                put(&mut batch, key, &Snapshot { stack: new, stack_name: name.clone(), ..snapshot })?;
            }
            batch.delete_counter(count::snapshots_of(project, old));
            batch.count(count::snapshots_of(project, new), counted, None);
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => {
                    // What is told of the old one's life ends here, as where a registry's stack comes back.
                    self.remove_all(project, &keys::events(project, old)).await?;
                    self.remove_all(project, &keys::resources(project, old)).await?;
                    return Ok(true);
                }
                Err(BackendError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BackendError::Unavailable("too many changes at once to the same stack".to_owned()).into())
    }

    async fn takeable(
        &self,
        project: &ProjectId,
        old: StackId,
    ) -> Result<Option<(Read<Stack>, Vec<Read<Snapshot>>)>, Error> {
        let Some(stack) = self.read::<Stack>(self.shard(project), keys::stack(project, old)).await? else {
            return Ok(None);
        };
        if stack.value.heat.is_none() || stack.value.deleted_at.is_some() {
            return Ok(None);
        }
        if stack.value.deleting.is_some() || stack.value.shown.action == "DELETE" {
            return Ok(None);
        }
        if let Some(operation) = stack.value.busy {
            let Stack { name, shown, .. } = stack.value;
            return Err(Error::Busy { stack: name, action: shown.action, operation });
        }
        let mut snapshots = Vec::new();
        for Snapshot { id, .. } in self.all_snapshots_of(project, old).await? {
            let snapshot = self.read::<Snapshot>(self.shard(project), keys::snapshot(project, id)).await?;
            let Some(snapshot) = snapshot else { continue };
            if let Some(operation) = snapshot.value.busy {
                return Err(Error::SnapshotBusy { snapshot: id, operation });
            }
            snapshots.push(snapshot);
        }
        Ok((!snapshots.is_empty()).then_some((stack, snapshots)))
    }
}
