//! The store: truth.
//!
//! `backend.rs` is the seam: bytes under keys, counters and timers, with laws; `embedded.rs` (redb) and `redis.rs`
//! keep them. [`Store`] is the client above it, written once: the domain's verbs, each one batch that the pure state
//! machine decides. Where what it read was changed meanwhile, the verb reads and decides again.
//!
//! - `keys.rs`: where each record is.
//! - `begin.rs`: a request becomes records: snapshot, operation, items, timers, in one commit.
//! - `stacks.rs`, `update.rs`, `actions.rs`, `abandon.rs`, `snapshots.rs`, `cancel.rs`: the requests.
//! - `claim.rs`, `finish.rs`: a worker takes a step, keeps it, ends it; `beside.rs`: what the others of its stage are.
//! - `planning.rs`: which steps an operation has; `shadow.rs`: stacks of a real Heat: shadows, holds, grants;
//!   `members.rs`: where its resources are; `inherit.rs`: one that was abandoned comes back.
//! - `advance.rs`, `prepare.rs`, `verdict.rs`, `settle.rs`: what follows when a stage, or the whole, has ended.
//! - `looks.rs`: what the timers' pump asks and changes; `handed.rs`: what this process hands to its own.
//! - `read.rs`: what callers see; `everywhere.rs`: what is read of all projects at once. `rebuild.rs`: an empty store again from the vaults' manifests.
//! - `workers.rs`: who is alive. `vault.rs`: which vault it is; `housekeeping.rs`: whose turn it is to prune it.

mod abandon;
pub mod actions;
pub mod advance;
pub mod backend;
pub mod begin;
mod beside;
mod cancel;
pub mod claim;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
mod error;
mod everywhere;
#[cfg(feature = "contract")]
pub mod faulty;
mod finish;
mod handed;
pub mod housekeeping;
mod inherit;
pub mod keys;
pub mod looks;
mod members;
#[cfg(feature = "contract")]
pub mod model;
mod planning;
mod prepare;
pub mod read;
pub mod rebuild;
pub mod redis;
mod rules;
mod settle;
pub mod shadow;
pub mod snapshots;
pub mod stacks;
#[cfg(test)]
mod tests;
pub mod update;
mod vault;
mod verdict;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use backend::{Backend, Millis, Shard};
pub use begin::{Begun, Idempotency, Request};
pub use claim::{Claimed, Renewed};
pub use error::{Error, INCOMPLETE};
pub use finish::Ended;

use crate::ids::ProjectId;
use crate::kinds::Kinds;
use crate::types::ServerMode;
use backend::{Batch, Committed, Key, Precondition, Versioned};
use handed::Handed;

/// What bounds a project and times an operation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Stacks of a project.
    pub stacks: i64,
    /// Resources of all stacks of a project.
    pub resources: i64,
    /// Snapshots of a project that users asked for.
    pub snapshots: i64,
    /// The same, of one stack; negative: no limit. Heat's `max_snapshots_per_stack`.
    pub snapshots_per_stack: i64,
    /// Items of a project's operations that have not ended.
    pub steps: i64,
    /// Operations of a project that run at once (R).
    pub running: i64,
    /// Steps of an operation that are published at once (W).
    pub window: u32,
    pub lease: Duration,
    /// Failed runs of a step before it fails for good.
    pub attempts: u32,
    /// How long a step waits for what it needs (the vault, the cloud) and what does not answer, before that counts as failed
    /// runs.
    pub outage: Duration,
    /// How long a step waits for a live worker of its pool.
    pub placement_timeout: Duration,
    /// How long a safety snapshot is kept.
    pub safety_kept: Duration,
    /// A restore takes one where the request says nothing.
    pub safety: bool,
    /// What a snapshot does to servers where the request says nothing.
    pub servers: ServerMode,
    /// How long an operation's records are kept after its end.
    pub operations_kept: Duration,
    /// Events kept for a stack; Heat's `max_events_per_stack`.
    pub events: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stacks: 512,
            resources: 100_000,
            snapshots: 10_000,
            snapshots_per_stack: 32,
            steps: 200_000,
            running: 8,
            window: 32,
            lease: Duration::from_secs(10),
            attempts: 5,
            outage: Duration::from_secs(900),
            placement_timeout: Duration::from_secs(3600),
            safety_kept: Duration::from_secs(7 * 24 * 3600),
            safety: true,
            servers: ServerMode::default(),
            operations_kept: Duration::from_secs(30 * 24 * 3600),
            events: 1000,
        }
    }
}

/// How long a verb goes on trying when the store does not answer: a caller gets its 503 in under 2 s.
const PATIENCE: Duration = Duration::from_millis(1700);

/// The domain's verbs over a backend. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    pub settings: Arc<Settings>,
    pub kinds: Arc<Kinds>,
    handed: Handed,
}

/// A record and the version it was read at.
#[derive(Debug, Clone)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    pub(crate) version: u64,
}

impl Store {
    pub fn new(backend: Arc<dyn Backend>, settings: Settings, kinds: Kinds) -> Self {
        Self { backend, settings: Arc::new(settings), kinds: Arc::new(kinds), handed: Handed::default() }
    }

    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Ok when a request would be accepted now.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.backend.ping().await?)
    }

    pub async fn now(&self) -> Result<Millis, Error> {
        Ok(self.backend.now().await?)
    }

    fn shard(&self, project: &ProjectId) -> Shard {
        self.backend.shards().of(project)
    }

    async fn batch(&self, shard: Shard) -> Result<Batch, Error> {
        Ok(Batch::new(shard, self.backend.now().await?))
    }

    /// Commits, and where the outcome is unknown sends the same batch again until it is known or `within` is over.
    async fn settle(&self, batch: &Batch, within: Duration) -> Result<Committed, backend::Error> {
        let until = Instant::now() + within;
        // The first time at once: a connection that was lost is often made again by then.
        let mut pause = Duration::ZERO;
        loop {
            match self.backend.commit(batch).await {
                Err(backend::Error::Unavailable(why)) => {
                    if Instant::now() + pause >= until {
                        return Err(backend::Error::Unavailable(why));
                    }
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    pause = (pause * 2).clamp(Duration::from_millis(20), Duration::from_secs(1));
                }
                other => return other,
            }
        }
    }

    async fn read<T: DeserializeOwned>(&self, shard: Shard, key: Key) -> Result<Option<Read<T>>, Error> {
        let [value] = self.read_all(shard, [key]).await?;
        value.map(|(key, value)| decode(&key, &value)).transpose()
    }

    /// Keys of one moment, undecoded.
    async fn read_all<const N: usize>(
        &self,
        shard: Shard,
        keys: [Key; N],
    ) -> Result<[Option<(Key, Versioned)>; N], Error> {
        let mut values = self.backend.get(shard, &keys).await?.into_iter();
        Ok(keys.map(|key| values.next().flatten().map(|value| (key, value))))
    }
}

/// Reads a record; an unreadable one is named by its key.
pub(crate) fn decode<T: DeserializeOwned>(key: &Key, stored: &Versioned) -> Result<Read<T>, Error> {
    let value = serde_json::from_slice(&stored.value)
        .map_err(|error| backend::Error::Corrupt(format!("record {key}: {error}")))?;
    Ok(Read { value, version: stored.version })
}

pub(crate) fn encode<T: Serialize>(key: &Key, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| backend::Error::Corrupt(format!("record {key}: {error}")).into())
}

/// Puts a record of ours.
fn put<T: Serialize>(batch: &mut Batch, key: Key, value: &T) -> Result<(), Error> {
    let bytes = encode(&key, value)?;
    batch.put(key, bytes);
    Ok(())
}

fn require_version(batch: &mut Batch, key: Key, version: u64) {
    batch.require(Precondition::Version(key, version));
}
