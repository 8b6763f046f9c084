//! A store that fails when it is told to, in front of one that works: for the tests of what stands above.
//!
//! ```ignore
//! let faulty = Faulty::new(Arc::new(Model::new(shards)));
//! faulty.next_commit(Fault::ExecuteThenFail);
//! // The next commit is applied; its caller sees a timeout.
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::backend::{Backend, Batch, Committed, Due, Error, Key, Millis, Shard, Shards, TimerId, Versioned};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `Unavailable`, and nothing was done.
    Fail,
    /// `Unavailable`, and it was done: a timeout after the write. For a read the same as `Fail`.
    ExecuteThenFail,
    /// `Refused`, and nothing was done: a full disk.
    Refuse,
    /// It takes that long, then goes on as always.
    Delay(Duration),
}

/// A [`Backend`] with faults.
pub struct Faulty<B: ?Sized = dyn Backend> {
    commits: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<Fault>>,
    /// State of the generator and one in how many calls fails; zero for none.
    random: Mutex<(u64, u64)>,
    away: AtomicBool,
    /// What the last commit writes before the store is away for good.
    last: Mutex<Option<String>>,
    faults: AtomicU64,
    inner: Arc<B>,
}

impl<B: Backend + ?Sized> Faulty<B> {
    /// Without faults at first.
    pub fn new(inner: Arc<B>) -> Self {
        Self {
            commits: Mutex::default(),
            reads: Mutex::default(),
            random: Mutex::default(),
            away: AtomicBool::new(false),
            last: Mutex::default(),
            faults: AtomicU64::new(0),
            inner,
        }
    }

    pub fn inner(&self) -> &Arc<B> {
        &self.inner
    }

    /// For the next commit; called several times, for the ones after it, in order.
    pub fn next_commit(&self, fault: Fault) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// For the next read of any kind (`get`, `counters`, `scan`, `due`, `timer`), likewise.
    pub fn next_read(&self, fault: Fault) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// While true every call answers `Unavailable` at once, and nothing is done.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// The next commit that writes a key with this prefix is done, and after it the store is away: for whoever uses it, the
    /// moment in which its process was killed.
    pub fn away_after(&self, prefix: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(prefix.to_owned());
    }

    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// From now on one in `one_in` calls fails, in a way and at places that follow from `seed`. Zero ends it. Calls for
    /// which a fault was named get that one.
    pub fn random(&self, seed: u64, one_in: u64) {
        *self.random.lock().unwrap_or_else(PoisonError::into_inner) = (seed, one_in);
    }

    /// How many calls had a fault so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    fn pick(&self, named: &Mutex<VecDeque<Fault>>) -> Option<Fault> {
        if self.away.load(Ordering::SeqCst) {
            return Some(Fault::Fail);
        }
        let named = named.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        named.or_else(|| self.roll())
    }

    /// SplitMix64: short, and the same everywhere.
    fn roll(&self) -> Option<Fault> {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, one_in) = &mut *random;
        if *one_in == 0 {
            return None;
        }
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        if !mixed.is_multiple_of(*one_in) {
            return None;
        }
        Some(match (mixed / *one_in) % 4 {
            0 => Fault::Fail,
            1 | 2 => Fault::ExecuteThenFail,
            _ => Fault::Delay(Duration::from_millis((mixed >> 32) % 20)),
        })
    }

    /// The fault of a call, if it goes on at all.
    async fn begin(&self, named: &Mutex<VecDeque<Fault>>) -> Result<Option<Fault>, Error> {
        let fault = self.pick(named);
        if fault.is_some() {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            Some(Fault::Fail) => Err(Error::Unavailable("a fault was injected before the call".to_owned())),
            Some(Fault::Refuse) => Err(Error::Refused("a fault was injected".to_owned())),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(fault)
            }
            fault => Ok(fault),
        }
    }

    async fn read<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let fault = self.begin(&self.reads).await?;
        end(fault, read.await)
    }

    /// For calls that only fail while the store is away.
    fn here(&self) -> Result<(), Error> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Error::Unavailable("the store is away".to_owned())),
            false => Ok(()),
        }
    }
}

fn end<T>(fault: Option<Fault>, result: Result<T, Error>) -> Result<T, Error> {
    match fault {
        Some(Fault::ExecuteThenFail) => Err(Error::Unavailable("a fault was injected after the call".to_owned())),
        _ => result,
    }
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Faulty<B> {
    fn shards(&self) -> Shards {
        self.inner.shards()
    }

    async fn get(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Versioned>>, Error> {
        self.read(self.inner.get(shard, keys)).await
    }

    async fn counters(&self, shard: Shard, keys: &[Key]) -> Result<Vec<i64>, Error> {
        self.read(self.inner.counters(shard, keys)).await
    }

    async fn scan(
        &self,
        shard: Shard,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, Error> {
        self.read(self.inner.scan(shard, prefix, after, limit)).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, Error> {
        let fault = self.begin(&self.commits).await?;
        let committed = self.inner.commit(batch).await;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = |prefix: &String| batch.puts.iter().any(|(key, _)| key.0.starts_with(prefix));
        if committed.is_ok() && last.as_ref().is_some_and(is_last) {
            *last = None;
            self.away(true);
        }
        end(fault, committed)
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, Error> {
        self.read(self.inner.due(limit)).await
    }

    async fn timer(&self, shard: Shard, id: &TimerId) -> Result<Option<Millis>, Error> {
        self.read(self.inner.timer(shard, id)).await
    }

    async fn now(&self) -> Result<Millis, Error> {
        self.here()?;
        self.inner.now().await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.here()?;
        self.inner.ping().await
    }

    async fn uptime(&self) -> Result<u64, Error> {
        self.here()?;
        self.inner.uptime().await
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.inner.woken()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::model::Model;

    const SHARD: Shard = Shard(0);

    fn faulty() -> Faulty<Model> {
        Faulty::new(Arc::new(Model::new(Shards::new(2).unwrap())))
    }

    async fn count(store: &dyn Backend) -> Result<Committed, Error> {
        let mut batch = Batch::new(SHARD, store.now().await.unwrap());
        batch.count(Key("n".to_owned()), 1, None);
        store.commit(&batch).await
    }

    async fn counted(store: &Faulty<Model>) -> i64 {
        store.inner().counters(SHARD, &[Key("n".to_owned())]).await.unwrap()[0]
    }

    #[tokio::test]
    async fn each_fault_does_what_it_says_once() {
        let store = faulty();
        for (fault, applied) in [(Fault::Fail, 0), (Fault::Refuse, 0), (Fault::ExecuteThenFail, 1)] {
            let before = counted(&store).await;
            store.next_commit(fault);
            let answer = count(&store).await;
            assert_eq!(matches!(answer, Err(Error::Refused(_))), fault == Fault::Refuse);
            assert!(answer.is_err());
            assert_eq!(counted(&store).await, before + applied, "{fault:?}");
            count(&store).await.unwrap();
        }
        store.next_read(Fault::Fail);
        assert!(store.get(SHARD, &[]).await.is_err());
        store.get(SHARD, &[]).await.unwrap();
        store.away(true);
        assert!(store.ping().await.is_err() && store.due(1).await.is_err() && store.now().await.is_err());
        store.away(false);
        store.ping().await.unwrap();
        assert_eq!(store.faults(), 5);
    }

    #[tokio::test]
    async fn a_batch_sent_until_it_answers_is_applied_once_whatever_fails() {
        let store = faulty();
        store.random(7, 2);
        for _ in 0..200 {
            let mut batch = Batch::new(SHARD, store.now().await.unwrap());
            batch.count(Key("n".to_owned()), 1, None);
            while store.commit(&batch).await.is_err() {}
        }
        assert_eq!(counted(&store).await, 200);
        assert!(store.faults() > 100);
        store.random(0, 0);
        count(&store).await.unwrap();
    }
}
