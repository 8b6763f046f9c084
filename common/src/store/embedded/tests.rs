//! The laws on a disk that loses power, and what only a file can do: fill up, be damaged, be open elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use redb::StorageBackend;
use tempfile::TempDir;

use super::*;
use crate::store::backend::{At, Precondition};
use crate::store::contract::Setup;

/// A disk in memory that remembers what was written through, and can lose power or be full.
#[derive(Clone, Default)]
struct Platter(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    /// What survives.
    synced: Vec<u8>,
    /// What a reader sees.
    current: Vec<u8>,
    /// Writes since the last sync: where, what.
    pending: Vec<(usize, Vec<u8>)>,
    /// Counts power cuts: a handle of an earlier life fails.
    life: u64,
    full: bool,
}

/// The file on it, as one process has it open.
struct Handle {
    platter: Platter,
    life: u64,
}

impl Platter {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }

    fn opener(&self) -> Opener {
        // A process that lost power does not come back to the disk.
        let (platter, life) = (self.clone(), self.content().life);
        Arc::new(move |builder, _| builder.create_with_backend(Handle { platter: platter.clone(), life }))
    }

    /// Keeps what was synced and some of the sectors that were not, whatever their order.
    fn cut_power(&self, random: u64) {
        let mut content = self.content();
        let content = &mut *content;
        content.life += 1;
        content.synced.resize(content.current.len(), 0);
        let mut random = random;
        for (at, data) in content.pending.drain(..) {
            for (nth, sector) in data.chunks(512).enumerate() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let from = at + nth * 512;
                if (random >> 40).is_multiple_of(2) && from + sector.len() <= content.synced.len() {
                    content.synced[from..from + sector.len()].copy_from_slice(sector);
                }
            }
        }
        content.current = content.synced.clone();
    }
}

impl Handle {
    fn content(&self) -> io::Result<MutexGuard<'_, Content>> {
        let content = self.platter.content();
        if content.life == self.life { Ok(content) } else { Err(io::Error::other("no power")) }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle {{ life: {} }}", self.life)
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = offset as usize;
        out.copy_from_slice(&self.content()?.current[from..from + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content()?;
        if content.full && len as usize > content.current.len() {
            return Err(io::Error::from_raw_os_error(28));
        }
        content.current.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.content()?;
        content.synced = content.current.clone();
        content.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut content = self.content()?;
        if content.full {
            return Err(io::Error::from_raw_os_error(28));
        }
        let from = offset as usize;
        content.current[from..from + data.len()].copy_from_slice(data);
        content.pending.push((from, data.to_vec()));
        Ok(())
    }
}

struct OnPlatter {
    dir: TempDir,
    platter: Platter,
    cuts: u64,
    store: Option<Arc<dyn Backend>>,
}

fn shards() -> Shards {
    Shards::new(4).unwrap()
}

fn on(dir: &TempDir, platter: &Platter) -> Result<Embedded, Error> {
    let system = super::super::model::system_clock();
    Embedded::start(dir.path(), shards(), Clock::new(move || system()), platter.opener())
}

async fn setup() -> OnPlatter {
    let (dir, platter) = (tempfile::tempdir().unwrap(), Platter::default());
    let store: Arc<dyn Backend> = Arc::new(on(&dir, &platter).unwrap());
    OnPlatter { dir, platter, cuts: 0, store: Some(store) }
}

#[async_trait]
impl Setup for OnPlatter {
    fn backend(&self) -> Arc<dyn Backend> {
        self.store.clone().unwrap()
    }

    async fn kill_and_start(&mut self) {
        self.cuts += 1;
        self.platter.cut_power(std::process::id() as u64 * 31 + self.cuts);
        self.store = Some(Arc::new(on(&self.dir, &self.platter).unwrap()));
    }
}

mod laws {
    crate::backend_contract!(super::setup());
}

fn file(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("store.redb")
}

async fn put(store: &Embedded, name: &str, value: impl Into<bytes::Bytes>) -> Result<Committed, Error> {
    let mut batch = Batch::new(Shard(1), store.now().await.unwrap());
    batch.put(Key(name.to_owned()), value);
    store.commit(&batch).await
}

async fn read(store: &Embedded, name: &str) -> Option<Versioned> {
    store.get(Shard(1), &[Key(name.to_owned())]).await.unwrap().remove(0)
}

#[tokio::test]
async fn dropped_and_opened_again_it_holds_everything() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = Embedded::open(dir.path(), shards()).unwrap();
        assert_eq!(read(&store, "durable").await.is_some(), round > 0);
        assert_eq!(read(&store, "disposable").await.is_some(), round > 0);
        put(&store, "durable", "1").await.unwrap();
        let mut batch = Batch::new(Shard(1), store.now().await.unwrap()).disposable();
        batch.put(Key("disposable".to_owned()), "1");
        store.commit(&batch).await.unwrap();
    }
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Embedded::open(dir.path(), shards()).unwrap();
    let Err(Error::Refused(text)) = Embedded::open(dir.path(), shards()) else { panic!("opened twice") };
    assert!(text.contains("another stacksnap") && text.contains("--data-dir"), "{text}");
    put(&first, "still", "works").await.unwrap();
    drop(first);
    Embedded::open(dir.path(), shards()).unwrap();
}

#[test]
fn the_number_of_shards_is_fixed_at_first_use() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::open(dir.path(), shards()).unwrap());
    let Err(Error::Refused(text)) = Embedded::open(dir.path(), Shards::new(8).unwrap()) else { panic!("opened") };
    assert!(text.contains("with 4 shards") && text.contains("`shards = 4` under `[store]`"), "{text}");
    assert_eq!(Embedded::open(dir.path(), shards()).unwrap().shards(), shards());
}

#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    drop(Embedded::open(&data, shards()).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("store.redb"))), (0o700, 0o600));
}

#[tokio::test]
async fn a_damaged_file_is_named_and_never_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), shards()).unwrap();
    for n in 0..2_000 {
        let mut batch = Batch::new(Shard(n % 4), store.now().await.unwrap()).disposable();
        batch.put(Key(format!("record {n}")), vec![n as u8; 300]);
        store.commit(&batch).await.unwrap();
    }
    drop(store);
    let whole = std::fs::read(file(&dir)).unwrap();
    let open = |content: &[u8]| {
        std::fs::write(file(&dir), content).unwrap();
        Embedded::open(dir.path(), shards())
    };
    drop(open(&whole).unwrap());
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[at..].iter_mut().take(200).for_each(|byte| *byte ^= 0x55);
        match open(&damaged) {
            // Free pages hold nothing.
            Ok(store) => {
                for shard in shards().all() {
                    assert_eq!(store.scan(shard, "", None, 10_000).await.unwrap().len(), 500, "damaged at {at}");
                }
            }
            Err(Error::Corrupt(text)) => {
                assert!(text.contains("store.redb") && text.contains("catalog rebuild"), "{text}");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0);
    for content in [&whole[..whole.len() / 2], &whole[..100], b"not a database at all".as_slice()] {
        assert!(matches!(open(content), Err(Error::Corrupt(_))), "{} bytes", content.len());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let (dir, platter) = (tempfile::tempdir().unwrap(), Platter::default());
    let store = on(&dir, &platter).unwrap();
    let kept = put(&store, "before", vec![1; 100_000]).await.unwrap();
    platter.content().full = true;
    for _ in 0..3 {
        let refused = put(&store, "during", vec![2; 1_000_000]).await;
        assert!(matches!(refused, Err(Error::Refused(_) | Error::Unavailable(_))), "{refused:?}");
        assert!(refused.unwrap_err().is_transient());
        assert!(store.ping().await.is_err());
    }
    platter.content().full = false;
    put(&store, "after", "x").await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(read(&store, "before").await.unwrap().version, kept.seq);
    assert_eq!(read(&store, "during").await, None);
    drop(store);
    platter.cut_power(7);
    let store = on(&dir, &platter).unwrap();
    assert_eq!(read(&store, "after").await.unwrap().value, "x");
    assert_eq!(read(&store, "before").await.unwrap().value.len(), 100_000);
}

/// Law 4 over time, which only a clock in our hand shows.
#[tokio::test]
async fn a_token_is_known_for_15_minutes_and_a_batch_stale_after_10() {
    const MINUTE: u64 = 60_000_000;
    let dir = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicU64::new(1_000_000 * MINUTE));
    let clock = time.clone();
    let store =
        Embedded::open_with_clock(dir.path(), shards(), Arc::new(move || clock.load(Ordering::SeqCst))).unwrap();
    let mut batch = Batch::new(Shard(0), store.now().await.unwrap());
    batch.count(Key("n".to_owned()), 1, None).set_timer(TimerId("t".to_owned()), At::NOW);
    time.fetch_add(9 * MINUTE, Ordering::SeqCst);
    let done = store.commit(&batch).await.unwrap();
    // 24 minutes after it was made, 15 less a second after it was applied: known, though older than 10 minutes.
    time.fetch_add(15 * MINUTE - 1_000_000, Ordering::SeqCst);
    assert_eq!(store.commit(&batch).await.unwrap(), done);
    time.fetch_add(MINUTE, Ordering::SeqCst);
    // The token is forgotten by the next commit, and the batch is stale.
    put(&store, "other", "x").await.unwrap();
    assert!(matches!(store.commit(&batch).await, Err(Error::Stale)));
    // A clock set back an hour after the batch was made: its token outlives its youth.
    let mut ahead = Batch::new(Shard(0), store.now().await.unwrap());
    ahead.count(Key("n".to_owned()), 1, None);
    time.fetch_sub(60 * MINUTE, Ordering::SeqCst);
    let done = store.commit(&ahead).await.unwrap();
    for _ in 0..7 {
        time.fetch_add(10 * MINUTE, Ordering::SeqCst);
        put(&store, "other", "x").await.unwrap();
        assert_eq!(store.commit(&ahead).await.unwrap(), done);
    }
    assert_eq!(store.counters(Shard(0), &[Key("n".to_owned())]).await.unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_batches_share_a_write_and_a_conflict_spares_it() {
    let (dir, platter) = (tempfile::tempdir().unwrap(), Platter::default());
    let store = on(&dir, &platter).unwrap();
    put(&store, "there", "x").await.unwrap();
    let now = store.now().await.unwrap();
    let batches: Vec<Batch> = (0..100)
        .map(|n| {
            let mut batch = Batch::new(Shard(1), now);
            if n % 2 == 0 {
                batch.require(Precondition::Absent(Key("there".to_owned())));
            }
            batch.put(Key(format!("{n}")), "x");
            batch
        })
        .collect();
    let results = futures_util::future::join_all(batches.iter().map(|batch| store.commit(batch))).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), n % 2 == 1, "{n}: {result:?}");
        assert_eq!(read(&store, &n.to_string()).await.is_some(), n % 2 == 1);
    }
}

#[test]
fn it_does_what_the_model_does() {
    crate::store::contract::random::side_by_side(32, async |_| {
        let (dir, platter) = (tempfile::tempdir().unwrap(), Platter::default());
        on(&dir, &platter).unwrap()
    });
}
