//! `Backend`: the small, dumb store that everything stands on, and its laws.
//!
//! A backend keeps bytes under keys, counters, and timers, all of it divided into shards. It knows nothing of stacks.
//! The domain's verbs are written once above it, in [`super::Store`].
//!
//! The laws, which `contract.rs` checks for every backend:
//!
//! 1. A batch is applied whole or not at all. A reader sees all of it or none.
//! 2. A batch whose preconditions do not hold changes nothing and answers [`Error::Conflict`], naming the first that
//!    does not hold.
//! 3. A put gives its key the batch's `seq` as version. Within a shard `seq` only grows, also across a delete and a new
//!    put of the same key, and past commits that a crash lost, so a version seen once never means another value.
//! 4. A batch is applied at most once, however often and late it is sent: a token applied in the last 15 minutes
//!    answers with its stored result; a batch made more than 10 minutes ago is refused with [`Error::Stale`].
//! 5. A counter that does not exist is zero. A counter that reaches exactly zero by an addition makes its `at_zero`
//!    timer change in the same batch; a deleted counter is zero again and fires nothing. A counter stays within
//!    ±(2^53 - 1): a batch that would leave that range changes nothing and answers [`Error::Invalid`].
//! 6. A timer has one time. Setting it replaces the time. `due` lists timers whose time is not after the store's
//!    clock, earliest first within a shard.
//! 7. `scan` lists keys in byte order, starting strictly after `after`, at most `limit` of them, all with the prefix.
//! 8. Two batches with preconditions on the same version of one key: at most one is applied.
//! 9. A batch answered with success (and `durable`) is still there after the store is killed and started again. One
//!    that is not `durable` may be lost by that, whole.
//! 10. Time is the store's: `At::In` counts from the moment of the commit by the store's clock, in milliseconds.
//! 11. An error that is not `Conflict`, `Stale`, `Refused` or `Invalid` says nothing about whether the batch was
//!     applied; sending the same batch again settles it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use crate::ids::ProjectId;

/// Milliseconds since 1970-01-01T00:00:00Z by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// One part of the key space. Everything of one project is in one shard (on Redis Cluster: one slot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(pub u16);

/// How many shards there are; fixed when a store is first used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards(u16);

impl Shards {
    /// 1 to 1024.
    pub fn new(count: u16) -> Option<Self> {
        (1..=1024).contains(&count).then_some(Self(count))
    }

    pub fn count(self) -> u16 {
        self.0
    }

    /// The shard of a project: FNV-1a (64 bit) of its id, modulo the number of shards. Never to be changed: a store
    /// in use would no longer find its records.
    pub fn of(self, project: &ProjectId) -> Shard {
        let hash = project
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Shard((hash % u64::from(self.0)) as u16)
    }

    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.0).map(Shard)
    }
}

/// A key within a shard: parts joined by `/`. Keys are UTF-8, ordered by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub String);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A timer's name within a shard. What it is about is in the name; see `timers.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub String);

/// A value and the `seq` of the batch that put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    pub version: u64,
    pub value: Bytes,
}

/// When a timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds after the commit, by the store's clock.
    In(u64),
    Time(Millis),
}

impl At {
    pub const NOW: At = At::In(0);
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange {
    Set { id: TimerId, at: At },
    Clear { id: TimerId },
}

/// An addition to a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    pub key: Key,
    pub add: i64,
    /// Made if this addition leaves the counter at exactly zero.
    pub at_zero: Option<TimerChange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    Absent(Key),
    Version(Key, u64),
    /// The counter is below the limit before the batch.
    CounterBelow(Key, i64),
    /// The timer is set to exactly this time.
    TimerAt(TimerId, Millis),
}

/// Changes to one shard, applied whole or not at all. Made by [`Batch::new`] for a shard; nothing in it can name
/// another one.
///
/// Order of application: preconditions, puts, deletes, counter deletes, counters (in their order), timers (in their
/// order). A key may be put or deleted once in a batch, not both. A counter may be added to more than once, but not
/// added to and deleted; timers may be named more than once, the last one stands. A time is at most 2^52 milliseconds.
/// A batch that breaks this is refused with [`Error::Invalid`].
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) shard: Shard,
    pub(crate) token: Uuid,
    /// When the batch was made, by the store's clock (law 4).
    pub(crate) made: Millis,
    pub(crate) durable: bool,
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) puts: Vec<(Key, Bytes)>,
    pub(crate) deletes: Vec<Key>,
    pub(crate) counters: Vec<Counter>,
    pub(crate) counter_deletes: Vec<Key>,
    pub(crate) timers: Vec<TimerChange>,
}

impl Batch {
    /// `now` is the store's time, from [`Backend::now`].
    pub fn new(shard: Shard, now: Millis) -> Self {
        Self {
            shard,
            token: Uuid::new_v4(),
            made: now,
            durable: true,
            preconditions: Vec::new(),
            puts: Vec::new(),
            deletes: Vec::new(),
            counters: Vec::new(),
            counter_deletes: Vec::new(),
            timers: Vec::new(),
        }
    }

    /// For what may be lost by a crash (progress, heartbeats).
    pub fn disposable(mut self) -> Self {
        self.durable = false;
        self
    }

    pub fn shard(&self) -> Shard {
        self.shard
    }

    pub fn require(&mut self, precondition: Precondition) -> &mut Self {
        self.preconditions.push(precondition);
        self
    }

    pub fn put(&mut self, key: Key, value: impl Into<Bytes>) -> &mut Self {
        self.puts.push((key, value.into()));
        self
    }

    pub fn delete(&mut self, key: Key) -> &mut Self {
        self.deletes.push(key);
        self
    }

    pub fn count(&mut self, key: Key, add: i64, at_zero: Option<TimerChange>) -> &mut Self {
        self.counters.push(Counter { key, add, at_zero });
        self
    }

    pub fn delete_counter(&mut self, key: Key) -> &mut Self {
        self.counter_deletes.push(key);
        self
    }

    pub fn set_timer(&mut self, id: TimerId, at: At) -> &mut Self {
        self.timers.push(TimerChange::Set { id, at });
        self
    }

    pub fn clear_timer(&mut self, id: TimerId) -> &mut Self {
        self.timers.push(TimerChange::Clear { id });
        self
    }
}

/// What a batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The version of everything that it put.
    pub seq: u64,
    /// The values of its counters after it, in the order in which it named them.
    pub counters: Vec<i64>,
    /// When it was applied, by the store's clock.
    pub at: Millis,
}

/// A timer whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub shard: Shard,
    pub id: TimerId,
    pub at: Millis,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A precondition does not hold. Nothing was written. Read again and decide again.
    #[error("another change came first ({0:?})")]
    Conflict(Precondition),
    /// The batch is too old to be applied safely. Nothing was written.
    #[error("the change is older than 10 minutes and was refused")]
    Stale,
    /// The store can't be reached, did not answer in time, or lost the connection. Transient; the outcome of a commit
    /// is unknown.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The store answered, and will not do it (out of memory, read-only replica, disk full, not set up as it must be).
    /// Nothing was written.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// The batch contradicts itself or leaves a counter's range: a fault of the caller. Nothing was written.
    #[error("the change is not valid: {0}")]
    Invalid(String),
    /// What the store holds can't be read. Not transient.
    #[error("the store holds what can't be read: {0}")]
    Corrupt(String),
}

impl Error {
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Refused(_))
    }

    /// The same error once more, for another who waits on what failed.
    pub(crate) fn again(&self) -> Self {
        match self {
            Error::Conflict(precondition) => Error::Conflict(precondition.clone()),
            Error::Stale => Error::Stale,
            Error::Unavailable(text) => Error::Unavailable(text.clone()),
            Error::Refused(text) => Error::Refused(text.clone()),
            Error::Invalid(text) => Error::Invalid(text.clone()),
            Error::Corrupt(text) => Error::Corrupt(text.clone()),
        }
    }
}

/// A store of bytes, counters and timers under the laws above.
///
/// All methods may be called from many tasks at once. None retries; each ends within the backend's own time limit
/// (Redis: `timeout`, default 1.5 s) with [`Error::Unavailable`] where the store does not answer.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The number of shards that this store was first used with.
    fn shards(&self) -> Shards;

    /// The values of keys, in the order asked, `None` where absent. Each value is the newest committed one; all of
    /// them are of one moment.
    async fn get(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Versioned>>, Error>;

    /// The values of counters, in the order asked; zero where absent.
    async fn counters(&self, shard: Shard, keys: &[Key]) -> Result<Vec<i64>, Error>;

    /// Keys with a prefix and their values, by law 7. `limit` is 1 to 10,000.
    async fn scan(
        &self,
        shard: Shard,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, Error>;

    async fn commit(&self, batch: &Batch) -> Result<Committed, Error>;

    /// Timers that are due, of all shards, at most `limit` of each shard, in one round trip where the store allows.
    async fn due(&self, limit: usize) -> Result<Vec<Due>, Error>;

    /// When a timer is set for, if it is set.
    async fn timer(&self, shard: Shard, id: &TimerId) -> Result<Option<Millis>, Error>;

    /// The store's clock. May be estimated from a reading at most 5 s old. Never goes back by more than 50 ms, unless
    /// the store's own clock was set back by more than 2 s: then it follows.
    async fn now(&self) -> Result<Millis, Error>;

    /// Ok when a write would be accepted now.
    async fn ping(&self) -> Result<(), Error>;

    /// How long the store's process has been running, in milliseconds. A restart that the caller did not see shows
    /// here: leases are held back until it is longer than one lease.
    async fn uptime(&self) -> Result<u64, Error>;

    /// Changes whenever this process commits a timer that is due at once; the timers' pump waits on it.
    fn woken(&self) -> watch::Receiver<u64>;
}
