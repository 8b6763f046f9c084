//! Stacks of a real Heat: their shadows, the holds of changes that go through us, and the grants by which workers act.
//!
//! A change that a caller sends to Heat through us takes a *hold* before it goes and drops it at Heat's answer; a
//! snapshot or a restore begins only where no hold is open, and, by its [`Guard`], where none was taken since Heat was
//! read. The two can't pass each other: a hold requires the stack's record unchanged and writes the holds, a beginning
//! requires the holds unchanged and writes the stack's record. A hold whose taker died ends by its time.

use std::time::Duration;

use uuid::Uuid;

use super::backend::{At, Batch, Key, Precondition};
use super::begin::{Rank, event};
use super::claim::millis;
use super::keys::{self, Timer, count};
use super::{Error, PATIENCE, Read, Request, Store, backend, decode, put, require_version};
use crate::heat::{Begin, Grant, Guard, Hold, Holds, Mirror, OpenHold, Seen, Shadow, shown};
use crate::ids::{OperationId, ProjectId, SnapshotId, StackId};
use crate::operation::SCHEMA;
use crate::record::{Answer, ResourceShown, Shown, Stack, Status};
use crate::types::Artifact;

/// For how long the record of a stack's holds outlives the last of them, in milliseconds: longer than anything that
/// has read its version goes on.
const HOLDS_KEPT: u64 = 15 * 60 * 1000;

impl Store {
    /// The answer that was given before to a request with the same idempotency key.
    pub async fn answer_of(&self, request: &Request<'_>) -> Result<Option<Answer>, Error> {
        self.answered(request).await
    }

    /// To be asked for before a stack is read from Heat, for what begins by that reading. Refused while a change is
    /// under way.
    pub async fn guard(&self, project: &ProjectId, stack: StackId) -> Result<Guard, Error> {
        let now = self.now().await?;
        match self.holds(project, stack).await? {
            Some(holds) if holds.value.any(now) => Err(self.held(project, stack).await?),
            holds => Ok(Guard { stack, version: holds.map(|holds| holds.version) }),
        }
    }

    /// Makes or refreshes the shadow of a stack, which must not be busy.
    pub async fn mirror(&self, project: &ProjectId, mirror: &Mirror) -> Result<Stack, Error> {
        let key = keys::stack(project, mirror.id);
        for _ in 0..20 {
            let old = self.read::<Stack>(self.shard(project), key.clone()).await?;
            if let Some(Stack { busy: Some(operation), shown, .. }) = old.as_ref().map(|old| &old.value) {
                let (stack, action) = (mirror.name.clone(), shown.action.clone());
                return Err(Error::Busy { stack, action, operation: *operation });
            }
            let now = self.now().await?;
            let mut batch = self.batch(self.shard(project)).await?;
            let before = match &old {
                Some(old) => {
                    require_version(&mut batch, key.clone(), old.version);
                    old.value.resources.len()
                }
                None => {
                    batch.require(Precondition::Absent(key.clone()));
                    batch.count(count::stacks(project), 1, None);
                    0
                }
            };
            batch.count(count::resources(project), mirror.resources.len() as i64 - before as i64, None);
            let stack = mirrored(project, mirror, old.map(|old| old.value), now);
            put(&mut batch, key.clone(), &stack)?;
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(stack),
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same stack".to_owned()).into())
    }

    /// The shadow of a stack, if there is one.
    pub async fn shadow(&self, project: &ProjectId, stack: StackId) -> Result<Option<Stack>, Error> {
        Ok(self.read::<Stack>(self.shard(project), keys::stack(project, stack)).await?.map(|read| read.value))
    }

    /// Takes a hold for at most `length`. Refused while an operation has the stack.
    pub async fn hold(&self, project: &ProjectId, stack: StackId, length: Duration) -> Result<Hold, Error> {
        let (holds_key, stack_key) = (keys::holds(project, stack), keys::stack(project, stack));
        for _ in 0..20 {
            let shard = self.shard(project);
            let [holds, record] = self.read_all(shard, [holds_key.clone(), stack_key.clone()]).await?;
            let holds = holds.map(|(key, stored)| decode::<Holds>(&key, &stored)).transpose()?;
            let record = record.map(|(key, stored)| decode::<Stack>(&key, &stored)).transpose()?;
            if let Some(Stack { busy: Some(operation), name, shown, .. }) = record.as_ref().map(|read| &read.value) {
                let (stack, action) = (name.clone(), shown.action.clone());
                return Err(Error::Busy { stack, action, operation: *operation });
            }
            let now = self.now().await?;
            let mut batch = self.batch(shard).await?;
            unchanged(&mut batch, stack_key.clone(), record.map(|read| read.version));
            unchanged(&mut batch, holds_key.clone(), holds.as_ref().map(|read| read.version));
            let mut holds = holds.map(|read| read.value).unwrap_or_default();
            holds.open.retain(|hold| hold.until > now);
            let until = backend::Millis(now.0.saturating_add(millis(length)));
            let hold = Hold { project: project.clone(), stack, id: Uuid::new_v4() };
            holds.open.push(OpenHold { id: hold.id, until });
            holds.last = now;
            put(&mut batch, holds_key.clone(), &holds)?;
            batch.set_timer(Timer::Hold(project.clone(), stack).id(), At::In(millis(length) + HOLDS_KEPT));
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(hold),
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same stack".to_owned()).into())
    }

    /// Drops a hold. `changed`: Heat has accepted the change, so that what it shows is newer than what we show.
    pub async fn drop_hold(&self, hold: &Hold, changed: bool) -> Result<(), Error> {
        let (project, stack) = (&hold.project, hold.stack);
        let (holds_key, stack_key) = (keys::holds(project, stack), keys::stack(project, stack));
        for _ in 0..20 {
            let shard = self.shard(project);
            let [holds, record] = self.read_all(shard, [holds_key.clone(), stack_key.clone()]).await?;
            let holds = holds.map(|(key, stored)| decode::<Holds>(&key, &stored)).transpose()?;
            let record = record.map(|(key, stored)| decode::<Stack>(&key, &stored)).transpose()?;
            let now = self.now().await?;
            let mut batch = self.batch(shard).await?;
            let version = holds.as_ref().map(|read| read.version);
            unchanged(&mut batch, holds_key.clone(), version);
            let mut holds = holds.map(|read| read.value).unwrap_or_default();
            holds.open.retain(|open| open.id != hold.id);
            holds.last = now;
            put(&mut batch, holds_key.clone(), &holds)?;
            batch.set_timer(Timer::Hold(project.clone(), stack).id(), At::In(HOLDS_KEPT));
            if let Some(Read { mut value, version }) = record.filter(|_| changed)
                && let Some(shadow) = value.heat.as_mut().filter(|shadow| shadow.newer)
                && value.busy.is_none()
            {
                shadow.newer = false;
                require_version(&mut batch, stack_key.clone(), version);
                put(&mut batch, stack_key.clone(), &value)?;
            }
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(()),
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same stack".to_owned()).into())
    }

    /// Removes a stack's holds when the last of them is long over.
    pub async fn forget_holds(&self, project: &ProjectId, stack: StackId) -> Result<(), Error> {
        let mut batch = self.batch(self.shard(project)).await?;
        let timer = Timer::Hold(project.clone(), stack).id();
        if let Some(holds) = self.holds(project, stack).await? {
            let now = self.now().await?;
            require_version(&mut batch, keys::holds(project, stack), holds.version);
            if holds.value.any(now) || now.0 < holds.value.last.0.saturating_add(HOLDS_KEPT) {
                batch.set_timer(timer, At::In(HOLDS_KEPT));
                return self.settled(&batch).await;
            }
            batch.delete(keys::holds(project, stack));
        }
        batch.clear_timer(timer);
        self.settled(&batch).await
    }

    async fn settled(&self, batch: &Batch) -> Result<(), Error> {
        match self.settle(batch, Duration::from_secs(1)).await {
            Ok(_) | Err(backend::Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn holds(&self, project: &ProjectId, stack: StackId) -> Result<Option<Read<Holds>>, Error> {
        self.read(self.shard(project), keys::holds(project, stack)).await
    }

    /// Why nothing begins while a change is under way, or has been since Heat was read.
    async fn held(&self, project: &ProjectId, stack: StackId) -> Result<Error, Error> {
        let name = self.shadow(project, stack).await?.map(|stack| stack.name.to_string());
        Ok(Error::Changing(name.unwrap_or_else(|| stack.to_string())))
    }

    /// Notes what Heat says of a stack that an operation has: from now on its state is the newer one as long as Heat says
    /// the same.
    pub async fn note_seen(
        &self,
        project: &ProjectId,
        stack: StackId,
        operation: OperationId,
        seen: &Seen,
    ) -> Result<(), Error> {
        let key = keys::stack(project, stack);
        for _ in 0..20 {
            let Read { mut value, version } = self.stack(project, stack).await?;
            if value.busy != Some(operation) {
                return Ok(());
            }
            let noted = Shadow { seen: seen.clone(), newer: true };
            if value.heat.as_ref() == Some(&noted) {
                return Ok(());
            }
            value.heat = Some(noted);
            let mut batch = self.batch(self.shard(project)).await?;
            require_version(&mut batch, key.clone(), version);
            put(&mut batch, key.clone(), &value)?;
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(()),
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same stack".to_owned()).into())
    }

    /// Of an operation on a stack of Heat's: nobody has changed it since Heat was read.
    pub(super) fn require_guard(&self, batch: &mut Batch, stack: &Stack, guard: Guard) {
        unchanged(batch, keys::holds(&stack.project, guard.stack), guard.version);
    }

    /// Whether a conflict is about what has changed in Heat since it was read.
    pub(super) fn is_guard(&self, project: &ProjectId, begin: Option<&Begin>, on: &Precondition) -> bool {
        let Some(guard) = begin.and_then(|begin| begin.guard) else { return false };
        let key = keys::holds(project, guard.stack);
        matches!(on, Precondition::Absent(at) | Precondition::Version(at, _) if *at == key)
    }

    /// Records what was captured of resources when the request was accepted. Their statuses and events show it.
    pub(super) fn put_captured(
        &self,
        batch: &mut Batch,
        stack: &Stack,
        snapshot: SnapshotId,
        captured: &[Artifact],
        action: Option<&str>,
        now: backend::Millis,
    ) -> Result<(), Error> {
        let project = &stack.project;
        for artifact in captured {
            let name = &artifact.resource;
            let resource = stack.resources.iter().find(|resource| resource.name == *name);
            put(batch, keys::artifact(project, snapshot, name), artifact)?;
            let Some(action) = action else { continue };
            for (status, rank) in [(Status::InProgress, Rank::ResourceStarts), (Status::Complete, Rank::ResourceEnds)] {
                let told = event(now, rank, resource, Shown::new(action, status, "state changed"));
                put(batch, keys::event(project, stack.id, told.id), &told)?;
            }
            let state = Shown::new(action, Status::Complete, "state changed");
            // Of this operation: at its end nothing is left to be told of it.
            let state = ResourceShown { shown: state, created_at: now, updated_at: Some(now) };
            put(batch, keys::resource(project, stack.id, name), &state)?;
        }
        Ok(())
    }

    /// Records a grant before it is made: one that is lost is found by it.
    pub async fn put_grant(&self, grant: &Grant) -> Result<(), Error> {
        let mut batch = self.batch(self.shard(&grant.project)).await?;
        put(&mut batch, keys::grant(&grant.project, grant.id), grant)?;
        self.settle(&batch, PATIENCE).await?;
        Ok(())
    }

    pub async fn grant(&self, project: &ProjectId, id: Uuid) -> Result<Option<Grant>, Error> {
        Ok(self.read::<Grant>(self.shard(project), keys::grant(project, id)).await?.map(|read| read.value))
    }

    /// Forgets a grant that has been taken back.
    pub async fn drop_grant(&self, project: &ProjectId, id: Uuid) -> Result<(), Error> {
        let mut batch = self.batch(self.shard(project)).await?;
        batch.delete(keys::grant(project, id));
        self.settle(&batch, PATIENCE).await?;
        Ok(())
    }

    /// Grants that nothing needs any more: their operation has ended, or they were made `unused` ago and nothing uses
    /// them. At most some hundreds at a time.
    pub async fn spent_grants(&self, unused: Duration) -> Result<Vec<Grant>, Error> {
        let now = self.now().await?;
        let mut spent = Vec::new();
        for shard in self.backend.shards().all() {
            for (key, stored) in self.backend.scan(shard, keys::GRANTS, None, 200).await? {
                let grant = decode::<Grant>(&key, &stored)?.value;
                let over = match grant.operation {
                    None => now.0 > grant.made.0.saturating_add(millis(unused)),
                    Some(id) => match self.operation(&grant.project, id).await {
                        Ok(operation) => operation.value.state.ended(),
                        Err(Error::NoOperation(_)) => true,
                        Err(error) => return Err(error),
                    },
                };
                if over {
                    spent.push(grant);
                }
            }
        }
        Ok(spent)
    }
}

fn unchanged(batch: &mut Batch, key: Key, version: Option<u64>) {
    batch.require(match version {
        Some(version) => Precondition::Version(key, version),
        None => Precondition::Absent(key),
    });
}

fn mirrored(project: &ProjectId, mirror: &Mirror, old: Option<Stack>, now: backend::Millis) -> Stack {
    let shadow = old.as_ref().and_then(|old| old.heat.as_ref());
    let newer = shadow.is_some_and(|shadow| shadow.covers(&mirror.seen));
    let state = match &old {
        Some(old) if newer => old.shown.clone(),
        _ => shown(&mirror.seen.status, &mirror.reason),
    };
    Stack {
        schema: SCHEMA,
        id: mirror.id,
        project: project.clone(),
        name: mirror.name.clone(),
        shown: state,
        description: mirror.description.clone(),
        template: mirror.template.clone(),
        environment: mirror.environment.clone(),
        files: mirror.files.clone(),
        parameters: serde_json::Map::new(),
        tags: mirror.tags.clone(),
        timeout_mins: mirror.timeout_mins,
        disable_rollback: mirror.disable_rollback,
        owner: mirror.owner.clone(),
        resources: mirror.resources.clone(),
        created_at: old.as_ref().map_or(now, |old| old.created_at),
        updated_at: old.as_ref().and_then(|old| old.updated_at),
        deleted_at: None,
        busy: None,
        deleting: None,
        abandoned: None,
        revision: 0,
        times: Default::default(),
        heat: Some(Shadow { seen: mirror.seen.clone(), newer }),
        other: old.map(|old| old.other).unwrap_or_default(),
    }
}
