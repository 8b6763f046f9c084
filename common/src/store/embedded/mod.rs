//! The store in one file of this process, by redb. For one stacksnap that serves everything itself.
//!
//! A commit goes to the writer's thread (`writer.rs`) and comes back when it is on the disk. Reads run beside it on
//! tokio's blocking threads, each in a snapshot of its own, and see the newest commit that was answered. `tables.rs`
//! says what is in the file; `file.rs` opens it, for one process at a time.

mod file;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable};
use tokio::sync::{oneshot, watch};

use super::backend::{Backend, Batch, Committed, Due, Error, Key, Millis, Shard, Shards, TimerId, Versioned};
use super::rules;
use file::{File, Opener};
use writer::{Request, Writer};

/// What is in the file. A file with a higher number was written by a newer stacksnap and is refused.
const FORMAT: u64 = 1;

/// The process's clock, which is the store's.
struct Clock {
    source: Box<dyn Fn() -> u64 + Send + Sync>,
    steady: rules::Steady,
}

impl Clock {
    fn new(source: impl Fn() -> u64 + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { source: Box::new(source), steady: rules::Steady::default() })
    }

    fn micros(&self) -> u64 {
        self.steady.read((self.source)())
    }

    fn now(&self) -> Millis {
        Millis(self.micros() / 1000)
    }
}

/// A [`Backend`] in the file `store.redb` of a directory.
///
/// Dropping it writes through what is in memory only, and ends when the file is closed.
pub struct Embedded {
    shards: Shards,
    file: Arc<File>,
    clock: Arc<Clock>,
    started: Instant,
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    woken: watch::Sender<u64>,
}

impl Embedded {
    /// Opens the store in `dir`, made if missing (mode 0700). Blocks on the disk; reads the whole file to check it.
    ///
    /// Refused: another process has it open, `shards` is not the number it was first used with, the directory can't
    /// be written. Corrupt: the file is damaged, or from a newer stacksnap. The messages say what to do.
    pub fn open(dir: &Path, shards: Shards) -> Result<Self, Error> {
        #[expect(clippy::disallowed_methods, reason = "here the machine's clock becomes the store's")]
        let system = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        Self::start(dir, shards, Clock::new(system), file::plain())
    }

    /// [`Self::open`] with a clock (microseconds since 1970) that a test moves.
    #[cfg(feature = "contract")]
    pub fn open_with_clock(dir: &Path, shards: Shards, clock: super::model::Clock) -> Result<Self, Error> {
        Self::start(dir, shards, Clock::new(move || clock()), file::plain())
    }

    fn start(dir: &Path, shards: Shards, clock: Arc<Clock>, opener: Opener) -> Result<Self, Error> {
        let file = Arc::new(File::open(dir, opener)?);
        identify(&file, shards)?;
        let woken = watch::Sender::new(0);
        let (requests, received) = mpsc::channel();
        let writer = Writer { file: file.clone(), clock: clock.clone(), woken: woken.clone() };
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| Error::Refused(format!("can't start the store's thread: {error}")))?;
        let started = Instant::now();
        Ok(Self { shards, file, clock, started, requests: Some(requests), writer: Some(writer), woken })
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let file = self.file.clone();
        match tokio::task::spawn_blocking(move || file.read(read)).await {
            Ok(read) => read,
            Err(failed) if failed.is_panic() => {
                Err(Error::Corrupt("the store's file was damaged while in use".to_owned()))
            }
            Err(_) => Err(Error::Unavailable("this process is ending".to_owned())),
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            // It can only have panicked, which was reported when it happened.
            let _ = writer.join();
        }
    }
}

/// Writes into a new file what it is, and checks it in an old one.
fn identify(file: &File, shards: Shards) -> Result<(), Error> {
    let (format, count) = file.write(|tx| {
        tables::create(&tx)?;
        let found = {
            let mut meta = tx.open_table(tables::META)?;
            let mut first = |name, value| -> Result<u64, redb::Error> {
                let found = meta.get(name)?.map(|row| row.value());
                match found {
                    Some(found) => Ok(found),
                    None => {
                        meta.insert(name, value)?;
                        Ok(value)
                    }
                }
            };
            (first("format", FORMAT)?, first("shards", u64::from(shards.count()))?)
        };
        tx.commit()?;
        Ok(found)
    })?;
    if format > FORMAT {
        return Err(Error::Refused(format!(
            "the store was written by a newer stacksnap (format {format}, this one knows {FORMAT}); use that one"
        )));
    }
    if count != u64::from(shards.count()) {
        return Err(Error::Refused(rules::other_shards(count, shards)));
    }
    Ok(())
}

#[async_trait]
impl Backend for Embedded {
    fn shards(&self) -> Shards {
        self.shards
    }

    async fn get(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Versioned>>, Error> {
        let keys = keys.to_vec();
        self.read(move |tx| tables::get(tx, shard, &keys)).await
    }

    async fn counters(&self, shard: Shard, keys: &[Key]) -> Result<Vec<i64>, Error> {
        let keys = keys.to_vec();
        self.read(move |tx| tables::counters(tx, shard, &keys)).await
    }

    async fn scan(
        &self,
        shard: Shard,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, Error> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        let limit = limit.min(rules::MAX_SCAN);
        self.read(move |tx| tables::scan(tx, shard, &prefix, after.as_ref(), limit)).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, Error> {
        rules::check(batch)?;
        let (answer, answered) = oneshot::channel();
        let ended = || Error::Unavailable("the store's thread has ended; start this stacksnap again".to_owned());
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(Request { batch: batch.clone(), answer }).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, Error> {
        let (shards, now) = (self.shards, self.clock.now());
        self.read(move |tx| {
            let mut due = Vec::new();
            for shard in shards.all() {
                due.extend(tables::due(tx, shard, now, limit)?);
            }
            Ok(due)
        })
        .await
    }

    async fn timer(&self, shard: Shard, id: &TimerId) -> Result<Option<Millis>, Error> {
        let id = id.clone();
        self.read(move |tx| tables::timer(tx, shard, &id)).await
    }

    async fn now(&self) -> Result<Millis, Error> {
        Ok(self.clock.now())
    }

    async fn ping(&self) -> Result<(), Error> {
        // An empty batch goes the way of every change, to the disk and back.
        self.commit(&Batch::new(Shard(0), self.clock.now())).await.map(|_| ())
    }

    async fn uptime(&self) -> Result<u64, Error> {
        Ok(self.started.elapsed().as_millis() as u64)
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }
}
