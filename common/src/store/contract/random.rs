//! A backend beside the model: random calls on both, and everything compared after each.
//!
//! The names are few, so that calls meet: a version is demanded that was overwritten, a counter passes through zero, a
//! timer is replaced while it is due. The model follows the backend's clock and `seq`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::join;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{A, B};
use crate::store::backend::{
    At, Backend, Batch, Committed, Error, Key, Millis, Precondition, Shard, Shards, TimerChange, TimerId,
};
use crate::store::model::Model;

/// What a precondition demands of a record: what a caller may have read of it.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Newest,
    /// The version before the last one.
    Older,
    Never,
}

#[derive(Debug, Clone)]
enum Demand {
    Absent(u8),
    Version(u8, Seen),
    CounterBelow(u8, i64),
    TimerAt(u8, bool),
}

#[derive(Debug, Clone)]
struct Plan {
    shard: Shard,
    durable: bool,
    demands: Vec<Demand>,
    puts: Vec<(u8, Vec<u8>)>,
    deletes: Vec<u8>,
    counters: Vec<(u8, i64, Option<TimerChange>)>,
    counter_deletes: Vec<u8>,
    timers: Vec<TimerChange>,
    /// Made that many minutes ago.
    age: u64,
}

#[derive(Debug, Clone)]
enum Call {
    Commit(Plan),
    /// A batch of before is sent again, counted from the newest.
    Again(usize),
    Scan {
        shard: Shard,
        prefix: usize,
        after: Option<u8>,
        limit: usize,
    },
    Due {
        limit: usize,
    },
}

/// Names that are prefixes of each other, and of several lengths in UTF-8.
const NAMES: [&str; 10] = ["a", "a/", "a/b", "a/b/c", "a0", "b", "é", "a/é", "日/1", "日/2"];
const PREFIXES: [&str; 6] = ["", "a", "a/", "a/b", "日", "z"];

fn key(name: u8) -> Key {
    Key(NAMES[usize::from(name)].to_owned())
}

fn timer(name: u8) -> TimerId {
    TimerId(NAMES[usize::from(name)].to_owned())
}

fn name() -> impl Strategy<Value = u8> {
    0..NAMES.len() as u8
}

fn shard() -> impl Strategy<Value = Shard> {
    prop_oneof![3 => Just(A), 1 => Just(B)]
}

/// Due long ago or in an hour, so that the time that the test takes changes nothing.
fn change() -> impl Strategy<Value = TimerChange> {
    let at = prop_oneof![
        (1..5_u64).prop_map(|time| At::Time(Millis(time))),
        Just(At::NOW),
        (3_600_000..3_600_003_u64).prop_map(At::In),
    ];
    prop_oneof![
        3 => (name(), at).prop_map(|(name, at)| TimerChange::Set { id: timer(name), at }),
        1 => name().prop_map(|name| TimerChange::Clear { id: timer(name) }),
    ]
}

fn demand() -> impl Strategy<Value = Demand> {
    let seen = prop_oneof![3 => Just(Seen::Newest), 1 => Just(Seen::Older), 1 => Just(Seen::Never)];
    prop_oneof![
        name().prop_map(Demand::Absent),
        (name(), seen).prop_map(|(name, seen)| Demand::Version(name, seen)),
        (name(), -2..4_i64).prop_map(|(name, limit)| Demand::CounterBelow(name, limit)),
        (name(), any::<bool>()).prop_map(|(name, right)| Demand::TimerAt(name, right)),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let value = prop_oneof![vec(any::<u8>(), 0..20), Just(b"12 34".to_vec())];
    let add = prop_oneof![8 => -2..3_i64, 1 => Just((1 << 53) - 2), 1 => Just(-(1 << 53) + 2)];
    let counter = (name(), add, proptest::option::of(change()));
    let age = prop_oneof![8 => Just(0_u64), 1 => Just(9), 1 => Just(11)];
    let record_changes = (vec((name(), value), 0..4), vec(name(), 0..3));
    let counter_changes = (vec(counter, 0..4), vec(name(), 0..2));
    (shard(), any::<bool>(), vec(demand(), 0..3), record_changes, counter_changes, vec(change(), 0..3), age).prop_map(
        |(shard, durable, demands, (puts, deletes), (counters, counter_deletes), timers, age)| Plan {
            shard,
            durable,
            demands,
            puts,
            deletes,
            counters,
            counter_deletes,
            timers,
            age,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => plan().prop_map(Call::Commit),
        2 => (0..4_usize).prop_map(Call::Again),
        2 => (shard(), 0..PREFIXES.len(), proptest::option::of(name()), 1..12_usize)
            .prop_map(|(shard, prefix, after, limit)| Call::Scan { shard, prefix, after, limit }),
        1 => (1..8_usize).prop_map(|limit| Call::Due { limit }),
    ]
}

/// Two stores that should be alike.
struct Pair {
    backend: Arc<dyn Backend>,
    model: Model,
    sent: Vec<Batch>,
    /// The last two versions of each record, newest last.
    versions: BTreeMap<(Shard, Key), [u64; 2]>,
    last_seq: BTreeMap<Shard, u64>,
}

type Checked = Result<(), TestCaseError>;

impl Pair {
    /// A plan as a batch of now. Plans may contradict themselves: that is tried too.
    async fn batch(&self, plan: &Plan) -> Batch {
        let shard = plan.shard;
        let now = self.backend.now().await.unwrap();
        let mut batch = Batch::new(shard, Millis(now.0 - plan.age * 60_000));
        if !plan.durable {
            batch = batch.disposable();
        }
        for demand in &plan.demands {
            batch.require(match *demand {
                Demand::Absent(name) => Precondition::Absent(key(name)),
                Demand::Version(name, seen) => {
                    let versions = self.versions.get(&(shard, key(name))).copied().unwrap_or([0, 1]);
                    let version = match seen {
                        Seen::Newest => versions[1],
                        Seen::Older => versions[0],
                        Seen::Never => versions[1] + 1,
                    };
                    Precondition::Version(key(name), version)
                }
                Demand::CounterBelow(name, limit) => Precondition::CounterBelow(key(name), limit),
                Demand::TimerAt(name, right) => {
                    let at = self.model.timer(shard, &timer(name)).await.unwrap().unwrap_or(Millis(3));
                    Precondition::TimerAt(timer(name), Millis(at.0 + u64::from(!right)))
                }
            });
        }
        for (name, value) in &plan.puts {
            batch.put(key(*name), value.clone());
        }
        for name in &plan.deletes {
            batch.delete(key(*name));
        }
        for (name, add, at_zero) in &plan.counters {
            batch.count(key(*name), *add, at_zero.clone());
        }
        for name in &plan.counter_deletes {
            batch.delete_counter(key(*name));
        }
        batch.timers.clone_from(&plan.timers);
        batch
    }

    async fn commit(&mut self, batch: &Batch) -> Checked {
        let before = self.backend.now().await.unwrap();
        let answer = self.backend.commit(batch).await;
        let (at, seq) = match &answer {
            Ok(Committed { at, seq, .. }) => (*at, Some(*seq)),
            Err(_) => (before, None),
        };
        let expected = self.model.apply(batch, at.0 * 1000, seq);
        prop_assert_eq!(told(&answer), told(&expected));
        if let Ok(Committed { seq, .. }) = answer {
            let last = self.last_seq.entry(batch.shard).or_default();
            let known = self.sent.iter().any(|sent| sent.token == batch.token);
            prop_assert!(known || seq > *last, "seq {} after {}", seq, last);
            *last = seq.max(*last);
            for (key, _) in batch.puts.iter().filter(|_| !known) {
                let versions = self.versions.entry((batch.shard, key.clone())).or_insert([0, 1]);
                *versions = [versions[1], seq];
            }
        }
        Ok(())
    }

    async fn call(&mut self, call: &Call) -> Checked {
        match call {
            Call::Commit(plan) => {
                let batch = self.batch(plan).await;
                self.commit(&batch).await?;
                self.sent.push(batch);
            }
            Call::Again(back) => {
                if let Some(batch) = self.sent.iter().rev().nth(*back).cloned() {
                    self.commit(&batch).await?;
                }
            }
            Call::Scan { shard, prefix, after, limit } => {
                let (prefix, after) = (PREFIXES[*prefix], after.map(key));
                let found = self.backend.scan(*shard, prefix, after.as_ref(), *limit).await.unwrap();
                let expected = self.model.scan(*shard, prefix, after.as_ref(), *limit).await.unwrap();
                prop_assert_eq!(found, expected);
            }
            Call::Due { limit } => {
                let found = self.backend.due(*limit).await.unwrap();
                prop_assert_eq!(found, self.model.due(*limit).await.unwrap());
            }
        }
        self.compare().await
    }

    /// Everything, in every way to read it.
    async fn compare(&self) -> Checked {
        prop_assert_eq!(everything(&*self.backend).await, everything(&self.model).await);
        Ok(())
    }
}

/// What a store holds, as text, read all at once.
async fn everything(store: &dyn Backend) -> String {
    let keys: Vec<Key> = (0..NAMES.len() as u8).map(key).collect();
    let shard = async |shard: Shard| {
        let timers: Vec<TimerId> = (0..NAMES.len() as u8).map(timer).collect();
        let (records, counters, scanned, times) = join!(
            store.get(shard, &keys),
            store.counters(shard, &keys),
            store.scan(shard, "", None, 100),
            join_all(timers.iter().map(|timer| store.timer(shard, timer))),
        );
        format!("{records:?}\n{counters:?}\n{scanned:?}\n{times:?}\n")
    };
    let (a, b, due) = join!(shard(A), shard(B), store.due(100));
    format!("{a}{b}{due:?}")
}

/// An answer, for comparison: errors have no equality.
fn told(answer: &Result<Committed, Error>) -> String {
    match answer {
        Err(Error::Invalid(_)) => "invalid".to_owned(),
        answer => format!("{answer:?}"),
    }
}

/// Runs `cases` random sequences of calls, each on a fresh backend from `make` (with at least two shards), which gets
/// the number of the case.
pub(crate) fn side_by_side<B: Backend>(cases: u32, make: impl AsyncFn(u32) -> B) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let case = std::cell::Cell::new(0);
    let result = runner.run(&vec(call(), 1..30), |calls| {
        runtime.block_on(async {
            case.set(case.get() + 1);
            let backend: Arc<dyn Backend> = Arc::new(make(case.get()).await);
            let model = Model::new(Shards::new(backend.shards().count()).unwrap());
            let mut pair =
                Pair { backend, model, sent: Vec::new(), versions: BTreeMap::new(), last_seq: BTreeMap::new() };
            for call in &calls {
                pair.call(call).await?;
            }
            Ok(())
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
