//! Laws 1 to 4 and 8: batches, preconditions, versions, tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::store::backend::{At, Millis, TimerChange};

/// Law 1.
pub async fn a_batch_is_seen_whole_or_not_at_all(setup: &mut dyn Setup) {
    let store = setup.backend();
    let names: Vec<Key> = (0..20).map(|n| key(format!("w/{n:02}"))).collect();
    let ended = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicU32::new(0));
    let reader = tokio::spawn({
        let (store, names, ended, seen) = (store.clone(), names.clone(), ended.clone(), seen.clone());
        async move {
            while !ended.load(Ordering::Relaxed) {
                let got: Vec<_> = store.get(A, &names).await.unwrap();
                assert!(got.windows(2).all(|pair| pair[0] == pair[1]), "get saw a part of a batch: {got:?}");
                let scanned: Vec<_> = store.scan(A, "w/", None, 100).await.unwrap();
                assert!(scanned.is_empty() || scanned.len() == 20, "scan saw {} of 20 records", scanned.len());
                assert!(scanned.windows(2).all(|pair| pair[0].1 == pair[1].1), "scan saw a part of a batch");
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for round in 0_u32.. {
        // As long as it takes until the reader has had its turns; or it has failed.
        if reader.is_finished() || (round >= 100 && seen.load(Ordering::Relaxed) >= 10) {
            break;
        }
        // A store in memory may never make its caller wait: the reader gets its turns here.
        tokio::task::yield_now().await;
        let mut batch = batch(&*store, A).await;
        for name in &names {
            match round % 10 {
                9 => batch.delete(name.clone()),
                _ => batch.put(name.clone(), format!("round {round}")),
            };
        }
        store.commit(&batch).await.unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    reader.await.unwrap();
}

/// Laws 1 and 2.
pub async fn a_broken_precondition_changes_nothing_and_is_named(setup: &mut dyn Setup) {
    let store = setup.backend();
    put(&*store, A, "there", "old").await;
    let mut batch = batch(&*store, A).await;
    batch.require(Precondition::Absent(key("not there")));
    batch.require(Precondition::Absent(key("there")));
    batch.require(Precondition::Version(key("there"), 1));
    batch.put(key("there"), "new").put(key("another"), "new").delete(key("there too"));
    batch.count(key("counter"), 1, None).set_timer(timer("timer"), At::NOW);
    assert_eq!(conflict(store.commit(&batch).await), Precondition::Absent(key("there")));
    assert_eq!(read(&*store, A, "there").await.unwrap().value, "old");
    assert_eq!(read(&*store, A, "another").await, None);
    assert_eq!(count(&*store, A, "counter").await, 0);
    assert_eq!(store.timer(A, &timer("timer")).await.unwrap(), None);

    // A conflict is not a result: once the precondition holds, the same batch is applied.
    let mut away = super::batch(&*store, A).await;
    away.delete(key("there"));
    store.commit(&away).await.unwrap();
    assert_eq!(conflict(store.commit(&batch).await), Precondition::Version(key("there"), 1));
}

/// Law 2, each kind from both sides.
pub async fn each_precondition_holds_as_it_says(setup: &mut dyn Setup) {
    let store = setup.backend();
    let version = put(&*store, A, "record", "").await.seq;
    let mut made = batch(&*store, A).await;
    made.count(key("counter"), 3, None).set_timer(timer("timer"), At::Time(Millis(77)));
    store.commit(&made).await.unwrap();

    let holds = [
        Precondition::Absent(key("nothing")),
        Precondition::Absent(key("counter")),
        Precondition::Version(key("record"), version),
        Precondition::CounterBelow(key("counter"), 4),
        Precondition::CounterBelow(key("no counter"), 1),
        Precondition::TimerAt(timer("timer"), Millis(77)),
    ];
    for precondition in holds {
        let mut batch = batch(&*store, A).await;
        batch.require(precondition.clone());
        let done = store.commit(&batch).await;
        assert!(done.is_ok(), "{precondition:?}: {done:?}");
    }
    let broken = [
        Precondition::Absent(key("record")),
        Precondition::Version(key("record"), version - 1),
        Precondition::Version(key("record"), version + 1),
        Precondition::Version(key("nothing"), version),
        Precondition::Version(key("nothing"), 0),
        Precondition::CounterBelow(key("counter"), 3),
        Precondition::CounterBelow(key("counter"), -1),
        Precondition::CounterBelow(key("no counter"), 0),
        Precondition::TimerAt(timer("timer"), Millis(78)),
        Precondition::TimerAt(timer("no timer"), Millis(77)),
        Precondition::TimerAt(timer("no timer"), Millis(0)),
    ];
    for precondition in broken {
        let mut batch = batch(&*store, A).await;
        batch.require(precondition.clone()).put(key("record"), "changed");
        assert_eq!(conflict(store.commit(&batch).await), precondition);
    }
    assert_eq!(read(&*store, A, "record").await.unwrap().value, "");
    // Another shard's record of the same name is another record.
    let mut other = batch(&*store, B).await;
    other.require(Precondition::Absent(key("record")));
    store.commit(&other).await.unwrap();
}

/// Law 3.
pub async fn versions_grow_and_never_come_again(setup: &mut dyn Setup) {
    let store = setup.backend();
    let mut last = 0;
    for round in 0..20 {
        let mut batch = batch(&*store, A).await;
        batch.put(key("a"), "x").put(key("b"), format!("{round}"));
        let done = store.commit(&batch).await.unwrap();
        assert!(done.seq > last, "{} after {last}", done.seq);
        last = done.seq;
        assert_eq!(read(&*store, A, "a").await.unwrap().version, last);
        assert_eq!(read(&*store, A, "b").await.unwrap(), Versioned { version: last, value: format!("{round}").into() });
        let mut away = super::batch(&*store, A).await;
        away.delete(key("a"));
        last = store.commit(&away).await.unwrap().seq;
        assert_eq!(read(&*store, A, "a").await, None);
    }
}

/// Law 4.
pub async fn a_batch_sent_again_answers_with_its_first_result(setup: &mut dyn Setup) {
    let store = setup.backend();
    let mut once = batch(&*store, A).await;
    once.require(Precondition::Absent(key("record"))).put(key("record"), "first");
    once.count(key("left"), 5, None).count(key("left"), -2, None).count(key("all"), 1, None);
    once.set_timer(timer("timer"), At::In(60_000));
    let done = store.commit(&once).await.unwrap();
    assert_eq!(done.counters, [5, 3, 1]);

    put(&*store, A, "record", "second").await;
    let mut clear = batch(&*store, A).await;
    clear.clear_timer(timer("timer"));
    store.commit(&clear).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.commit(&once).await.unwrap(), done);
    }
    assert_eq!(read(&*store, A, "record").await.unwrap().value, "second");
    assert_eq!(count(&*store, A, "left").await, 3);
    assert_eq!(store.timer(A, &timer("timer")).await.unwrap(), None);
}

/// Law 4.
pub async fn a_batch_sent_many_times_at_once_is_applied_once(setup: &mut dyn Setup) {
    let store = setup.backend();
    let mut once = batch(&*store, B).await;
    once.count(key("counter"), 1, None).put(key("record"), "x");
    let results = join_all((0..32).map(|_| {
        let (store, once) = (store.clone(), once.clone());
        tokio::spawn(async move { store.commit(&once).await.unwrap() })
    }));
    let results: Vec<Committed> = results.await.into_iter().map(Result::unwrap).collect();
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
    assert_eq!(count(&*store, B, "counter").await, 1);
}

/// Law 4.
pub async fn an_old_batch_is_refused(setup: &mut dyn Setup) {
    let store = setup.backend();
    let now = store.now().await.unwrap();
    let minutes = 60 * 1000;
    let mut old = Batch::new(A, Millis(now.0 - 10 * minutes - 5_000));
    old.put(key("record"), "old");
    assert!(matches!(store.commit(&old).await, Err(Error::Stale)));
    assert_eq!(read(&*store, A, "record").await, None);
    let mut young = Batch::new(A, Millis(now.0 - 10 * minutes + 60_000));
    young.put(key("record"), "young");
    store.commit(&young).await.unwrap();
    assert_eq!(read(&*store, A, "record").await.unwrap().value, "young");
}

/// What [`Batch`] says of itself.
pub async fn a_batch_that_contradicts_itself_is_refused(setup: &mut dyn Setup) {
    let store = setup.backend();
    let ways: [fn(&mut Batch) -> &mut Batch; 7] = [
        |batch| batch.put(key("k"), "1").put(key("k"), "2"),
        |batch| batch.put(key("k"), "1").delete(key("k")),
        |batch| batch.delete(key("k")).delete(key("k")),
        |batch| batch.count(key("k"), 1, None).delete_counter(key("k")),
        |batch| batch.delete_counter(key("k")).delete_counter(key("k")),
        |batch| batch.set_timer(timer("t"), At::Time(Millis(u64::MAX))),
        |batch| {
            let at_zero = TimerChange::Set { id: timer("t"), at: At::In(u64::MAX) };
            batch.count(key("k"), 1, Some(at_zero))
        },
    ];
    for (nth, way) in ways.into_iter().enumerate() {
        let mut wrong = batch(&*store, A).await;
        wrong.put(key("beside"), "x");
        way(&mut wrong);
        let result = store.commit(&wrong).await;
        assert!(matches!(result, Err(Error::Invalid(_))), "{nth}: {result:?}");
    }
    assert_eq!(read(&*store, A, "beside").await, None);
    // The same name as a record and as a counter are two things.
    let mut right = batch(&*store, A).await;
    right.put(key("k"), "1").count(key("k"), 1, None).delete_counter(key("l")).delete(key("l"));
    store.commit(&right).await.unwrap();
}

/// Law 8.
pub async fn one_of_many_on_the_same_version_wins(setup: &mut dyn Setup) {
    let store = setup.backend();
    let mut version = put(&*store, A, "record", "").await.seq;
    for _ in 0..10 {
        let now = store.now().await.unwrap();
        let results = join_all((0..16).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut batch = Batch::new(A, now);
                batch.require(Precondition::Version(key("record"), version));
                batch.put(key("record"), format!("{n}")).count(key("wins"), 1, None);
                (n, store.commit(&batch).await)
            })
        }));
        let results: Vec<_> = results.await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = results.iter().filter_map(|(n, result)| Some((n, result.as_ref().ok()?))).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        let now = read(&*store, A, "record").await.unwrap();
        assert_eq!((now.version, &*now.value), (winners[0].1.seq, winners[0].0.to_string().as_bytes()));
        version = now.version;
    }
    assert_eq!(count(&*store, A, "wins").await, 10);
}
