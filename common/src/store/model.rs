//! A backend in a few maps: the laws at their plainest, to compare the real ones with and to test the domain's verbs on.
//!
//! Everything is in memory. Its clock is given, so that a test can let ten minutes pass.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use super::backend::{
    Backend, Batch, Committed, Due, Error, Key, Millis, Precondition, Shard, Shards, TimerChange, TimerId, Versioned,
};
use super::rules;

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "here the machine's clock becomes the store's")]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64))
}

#[derive(Default)]
struct Part {
    seq: u64,
    records: BTreeMap<Key, Versioned>,
    counters: BTreeMap<Key, i64>,
    timers: BTreeMap<TimerId, Millis>,
    /// The stored result and when it may be forgotten.
    tokens: BTreeMap<Uuid, (u64, Committed)>,
}

/// The model.
pub struct Model {
    shards: Shards,
    clock: Clock,
    steady: rules::Steady,
    /// `None` once another took over.
    parts: Mutex<Option<BTreeMap<Shard, Part>>>,
    started: Instant,
    woken: watch::Sender<u64>,
}

impl Model {
    pub fn new(shards: Shards) -> Self {
        Self::with_clock(shards, system_clock())
    }

    pub fn with_clock(shards: Shards, clock: Clock) -> Self {
        Self {
            shards,
            clock,
            steady: rules::Steady::default(),
            parts: Mutex::new(Some(BTreeMap::new())),
            started: Instant::now(),
            woken: watch::Sender::new(0),
        }
    }

    /// Ends this one, as a kill would, and gives one that holds what it held. This one answers no more.
    pub fn restarted(&self) -> Self {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        Self { parts: Mutex::new(parts), ..Self::with_clock(self.shards, self.clock.clone()) }
    }

    fn with<T>(&self, access: impl FnOnce(&mut BTreeMap<Shard, Part>) -> T) -> Result<T, Error> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.as_mut().map(access).ok_or_else(|| Error::Unavailable("the model was restarted".to_owned()))
    }

    /// Reads of one shard; `None` if nothing was ever in it.
    fn read<T>(&self, shard: Shard, read: impl FnOnce(Option<&Part>) -> T) -> Result<T, Error> {
        self.with(|parts| read(parts.get(&shard)))
    }

    fn micros(&self) -> u64 {
        self.steady.read((self.clock)())
    }

    /// Applies a batch as a commit at `micros` does. `seq` is what another backend gave it, to follow that one; the
    /// model's own choice if none is given.
    pub fn apply(&self, batch: &Batch, micros: u64, seq: Option<u64>) -> Result<Committed, Error> {
        rules::check(batch)?;
        let done = self.with(|parts| parts.entry(batch.shard).or_default().apply(batch, micros, seq))??;
        if rules::wakes(batch, &done) {
            self.woken.send_modify(|wakes| *wakes += 1);
        }
        Ok(done)
    }
}

impl Part {
    fn apply(&mut self, batch: &Batch, micros: u64, seq: Option<u64>) -> Result<Committed, Error> {
        let now = Millis(micros / 1000);
        self.tokens.retain(|_, (until, _)| *until > now.0);
        if let Some((_, done)) = self.tokens.get(&batch.token) {
            return Ok(done.clone());
        }
        if batch.made.0 + rules::STALE_AFTER < now.0 {
            return Err(Error::Stale);
        }
        if let Some(broken) = batch.preconditions.iter().find(|precondition| !self.holds(precondition)) {
            return Err(Error::Conflict(broken.clone()));
        }
        let counters = self.counted(batch)?;
        self.seq = seq.unwrap_or_else(|| rules::next_seq(self.seq, micros));
        let done = Committed { seq: self.seq, counters, at: now };
        self.change(batch, &done);
        self.tokens.insert(batch.token, (now.0.max(batch.made.0) + rules::TOKEN_KEPT, done.clone()));
        Ok(done)
    }

    fn holds(&self, precondition: &Precondition) -> bool {
        match precondition {
            Precondition::Absent(key) => !self.records.contains_key(key),
            Precondition::Version(key, version) => {
                self.records.get(key).is_some_and(|record| record.version == *version)
            }
            Precondition::CounterBelow(key, limit) => self.counters.get(key).copied().unwrap_or(0) < *limit,
            Precondition::TimerAt(id, at) => self.timers.get(id) == Some(at),
        }
    }

    /// The counters' values after each addition.
    fn counted(&self, batch: &Batch) -> Result<Vec<i64>, Error> {
        let mut values = BTreeMap::new();
        let mut after = Vec::with_capacity(batch.counters.len());
        for counter in &batch.counters {
            let value =
                values.entry(&counter.key).or_insert_with(|| self.counters.get(&counter.key).copied().unwrap_or(0));
            *value = rules::add(*value, counter.add).ok_or_else(|| rules::out_of_range(&counter.key.0))?;
            after.push(*value);
        }
        Ok(after)
    }

    fn change(&mut self, batch: &Batch, done: &Committed) {
        for (key, value) in &batch.puts {
            self.records.insert(key.clone(), Versioned { version: done.seq, value: value.clone() });
        }
        for key in &batch.deletes {
            self.records.remove(key);
        }
        for key in &batch.counter_deletes {
            self.counters.remove(key);
        }
        for (counter, value) in batch.counters.iter().zip(&done.counters) {
            self.counters.insert(counter.key.clone(), *value);
            if let (0, Some(change)) = (*value, &counter.at_zero) {
                self.time(change, done.at);
            }
        }
        for change in &batch.timers {
            self.time(change, done.at);
        }
    }

    fn time(&mut self, change: &TimerChange, now: Millis) {
        match change {
            TimerChange::Set { id, at } => self.timers.insert(id.clone(), rules::time(*at, now)),
            TimerChange::Clear { id } => self.timers.remove(id),
        };
    }
}

#[async_trait]
impl Backend for Model {
    fn shards(&self) -> Shards {
        self.shards
    }

    async fn get(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Versioned>>, Error> {
        self.read(shard, |part| keys.iter().map(|key| part?.records.get(key).cloned()).collect())
    }

    async fn counters(&self, shard: Shard, keys: &[Key]) -> Result<Vec<i64>, Error> {
        self.read(shard, |part| {
            keys.iter().map(|key| part.and_then(|part| part.counters.get(key)).copied().unwrap_or(0)).collect()
        })
    }

    async fn scan(
        &self,
        shard: Shard,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, Error> {
        let first = Key(prefix.to_owned());
        let from = match after {
            Some(after) if *after >= first => Bound::Excluded(after),
            _ => Bound::Included(&first),
        };
        self.read(shard, |part| {
            let records = part.into_iter().flat_map(|part| part.records.range::<Key, _>((from, Bound::Unbounded)));
            let records = records.take_while(|(key, _)| key.0.starts_with(prefix)).take(limit.min(rules::MAX_SCAN));
            records.map(|(key, record)| (key.clone(), record.clone())).collect()
        })
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, Error> {
        self.apply(batch, self.micros(), None)
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, Error> {
        let now = Millis(self.micros() / 1000);
        self.with(|parts| {
            let mut due = Vec::new();
            for (&shard, part) in parts {
                let heads = part.timers.iter().filter(|(_, at)| **at <= now);
                let mut heads: Vec<_> = heads.map(|(id, &at)| Due { shard, id: id.clone(), at }).collect();
                heads.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
                heads.truncate(limit);
                due.extend(heads);
            }
            due
        })
    }

    async fn timer(&self, shard: Shard, id: &TimerId) -> Result<Option<Millis>, Error> {
        self.read(shard, |part| part.and_then(|part| part.timers.get(id)).copied())
    }

    async fn now(&self) -> Result<Millis, Error> {
        self.with(|_| Millis(self.micros() / 1000))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.with(|_| ())
    }

    async fn uptime(&self) -> Result<u64, Error> {
        Ok(self.started.elapsed().as_millis() as u64)
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::Setup;

    struct InMemory(Arc<Model>);

    #[async_trait]
    impl Setup for InMemory {
        fn backend(&self) -> Arc<dyn Backend> {
            self.0.clone()
        }

        async fn kill_and_start(&mut self) {
            self.0 = Arc::new(self.0.restarted());
        }
    }

    async fn setup() -> InMemory {
        #[expect(clippy::unwrap_used, reason = "4 is in range")]
        InMemory(Arc::new(Model::new(Shards::new(4).unwrap())))
    }

    crate::backend_contract!(setup());
}
