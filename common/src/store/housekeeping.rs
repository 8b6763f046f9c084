//! Whose turn it is to keep a project's vault tidy: one worker at a time, once in a while.
//!
//! A lease like a step's, but on a record of its own: nothing waits for it, and no timer takes it over. A worker that
//! stops renewing is followed by whoever asks next after its time is over.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::backend::Precondition;
use super::claim::millis;
use super::{Error, Millis, Store, backend, keys, put, require_version};
use crate::ids::{ProjectId, WorkerId};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Turn {
    schema: u16,
    fence: u64,
    /// Who has it, and until when.
    holder: Option<(WorkerId, Millis)>,
    /// When it was done last.
    done_at: Option<Millis>,
}

/// The right to prune one project's vault.
#[derive(Debug, Clone)]
pub struct PruneLease {
    pub project: ProjectId,
    /// When the last commit that keeps it was sent, by this process's clock.
    pub sent: Instant,
    turn: Turn,
    version: u64,
}

impl PruneLease {
    pub fn fence(&self) -> u64 {
        self.turn.fence
    }
}

impl Store {
    /// The lease, if the last prune is longer ago than `every` and nobody else has it.
    pub async fn begin_prune(
        &self,
        project: &ProjectId,
        worker: &WorkerId,
        every: Duration,
    ) -> Result<Option<PruneLease>, Error> {
        let key = keys::prune(project);
        let now = self.now().await?;
        let read = self.read::<Turn>(self.shard(project), key.clone()).await?;
        let mut batch = self.batch(self.shard(project)).await?;
        let mut turn = match read {
            Some(read) => {
                let held = read.value.holder.as_ref().is_some_and(|(_, until)| *until > now);
                let fresh = read.value.done_at.is_some_and(|done| now.0.saturating_sub(done.0) < millis(every));
                if held || fresh {
                    return Ok(None);
                }
                require_version(&mut batch, key.clone(), read.version);
                read.value
            }
            None => {
                batch.require(Precondition::Absent(key.clone()));
                Turn { schema: 1, fence: 0, holder: None, done_at: None }
            }
        };
        turn.fence += 1;
        turn.holder = Some((worker.clone(), Millis(now.0 + millis(self.settings.lease))));
        put(&mut batch, key, &turn)?;
        let sent = Instant::now();
        match self.settle(&batch, self.settings.lease / 2).await {
            Ok(committed) => Ok(Some(PruneLease { project: project.clone(), sent, turn, version: committed.seq })),
            Err(backend::Error::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps it for another lease length; `false`: somebody else has it.
    pub async fn renew_prune(&self, lease: &mut PruneLease) -> Result<bool, Error> {
        let now = self.now().await?;
        if let Some((_, until)) = &mut lease.turn.holder {
            *until = Millis(now.0 + millis(self.settings.lease));
        }
        self.put_turn(lease).await
    }

    /// Gives it back; `done`: it need not be done again for a while.
    pub async fn end_prune(&self, mut lease: PruneLease, done: bool) -> Result<bool, Error> {
        lease.turn.holder = None;
        if done {
            lease.turn.done_at = Some(self.now().await?);
        }
        self.put_turn(&mut lease).await
    }

    async fn put_turn(&self, lease: &mut PruneLease) -> Result<bool, Error> {
        let key = keys::prune(&lease.project);
        let mut batch = self.batch(self.shard(&lease.project)).await?;
        require_version(&mut batch, key.clone(), lease.version);
        put(&mut batch, key, &lease.turn)?;
        let sent = Instant::now();
        match self.settle(&batch, Duration::from_secs(2)).await {
            Ok(committed) => {
                lease.version = committed.seq;
                lease.sent = sent;
                Ok(true)
            }
            Err(backend::Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
