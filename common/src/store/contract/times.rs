//! Laws 5, 6 and 10: counters, timers, the clock.

use std::time::{Duration, Instant};

use super::*;
use crate::store::backend::{At, Due, Millis, TimerChange};

fn fires(name: &str) -> Option<TimerChange> {
    Some(TimerChange::Set { id: timer(name), at: At::NOW })
}

/// Law 5.
pub async fn counters_count_and_fire_at_zero(setup: &mut dyn Setup) {
    let store = setup.backend();
    let add = async |name: &str, add: i64| {
        let mut batch = batch(&*store, A).await;
        batch.count(key(name), add, fires(name));
        store.commit(&batch).await.unwrap()
    };
    let fired = async |name: &str| store.timer(A, &timer(name)).await.unwrap();
    assert_eq!(count(&*store, A, "n").await, 0);
    assert_eq!(add("n", 2).await.counters, [2]);
    assert_eq!(add("n", -1).await.counters, [1]);
    assert_eq!(fired("n").await, None);
    let done = add("n", -1).await;
    assert_eq!((done.counters, fired("n").await), (vec![0], Some(done.at)));
    // Below zero, and up to it again.
    assert_eq!(add("m", -3).await.counters, [-3]);
    assert_eq!(fired("m").await, None);
    assert_eq!(add("m", 3).await.counters, [0]);
    assert!(fired("m").await.is_some());
    // Deleting sets it to zero, and fires nothing.
    add("d", 7).await;
    let mut away = batch(&*store, A).await;
    away.delete_counter(key("d")).delete_counter(key("never there"));
    assert_eq!(store.commit(&away).await.unwrap().counters, [0; 0]);
    assert_eq!((count(&*store, A, "d").await, fired("d").await), (0, None));
    assert_eq!(add("d", 1).await.counters, [1]);

    // Several in one batch, one of them twice: it passes through zero and fires, though it ends elsewhere. The batch's
    // own timers come after those.
    let mut many = batch(&*store, A).await;
    many.count(key("x"), 2, None).count(key("x"), -2, fires("x")).count(key("x"), 5, None).count(
        key("y"),
        0,
        fires("y"),
    );
    many.clear_timer(timer("y"));
    assert_eq!(store.commit(&many).await.unwrap().counters, [2, 0, 5, 0]);
    assert!(fired("x").await.is_some());
    assert_eq!(fired("y").await, None);
    assert_eq!(store.counters(A, &[key("y"), key("x"), key("none")]).await.unwrap(), [0, 5, 0]);
    assert_eq!(store.counters(B, &[key("x")]).await.unwrap(), [0]);
    assert_eq!(store.counters(A, &[]).await.unwrap(), [0; 0]);

    // A change at zero may also clear.
    let mut clears = batch(&*store, A).await;
    clears.count(key("z"), 0, Some(TimerChange::Clear { id: timer("x") }));
    store.commit(&clears).await.unwrap();
    assert_eq!(fired("x").await, None);
}

/// Law 5.
pub async fn a_counter_keeps_its_range(setup: &mut dyn Setup) {
    let store = setup.backend();
    let most = (1_i64 << 53) - 1;
    for (name, sign) in [("up", 1), ("down", -1)] {
        let mut full = batch(&*store, A).await;
        full.count(key(name), sign * most, None);
        assert_eq!(store.commit(&full).await.unwrap().counters, [sign * most]);
        for add in [sign, sign * most] {
            let mut over = batch(&*store, A).await;
            over.put(key("beside"), "x").count(key("other"), 1, None).count(key(name), add, None);
            assert!(matches!(store.commit(&over).await, Err(Error::Invalid(_))));
        }
        assert_eq!(count(&*store, A, name).await, sign * most);
        let mut back = batch(&*store, A).await;
        back.require(Precondition::CounterBelow(key(name), i64::MAX)).count(key(name), -sign, None);
        assert_eq!(store.commit(&back).await.unwrap().counters, [sign * (most - 1)]);
    }
    assert_eq!((read(&*store, A, "beside").await, count(&*store, A, "other").await), (None, 0));
}

/// Law 6.
pub async fn a_timer_has_one_time(setup: &mut dyn Setup) {
    let store = setup.backend();
    let set = async |at: At| {
        let mut batch = batch(&*store, A).await;
        batch.set_timer(timer("t"), at);
        store.commit(&batch).await.unwrap().at
    };
    set(At::Time(Millis(1))).await;
    set(At::Time(Millis(5))).await;
    assert_eq!(store.due(10).await.unwrap(), [Due { shard: A, id: timer("t"), at: Millis(5) }]);
    set(At::Time(Millis(5))).await;
    assert_eq!(store.due(10).await.unwrap().len(), 1);
    let at = set(At::In(3_600_000)).await;
    assert_eq!(store.due(10).await.unwrap(), []);
    assert_eq!(store.timer(A, &timer("t")).await.unwrap(), Some(Millis(at.0 + 3_600_000)));
    assert_eq!(store.timer(B, &timer("t")).await.unwrap(), None);
    // The last of several in a batch stands.
    let mut both = batch(&*store, A).await;
    both.clear_timer(timer("t")).set_timer(timer("t"), At::Time(Millis(8))).set_timer(timer("t"), At::Time(Millis(9)));
    store.commit(&both).await.unwrap();
    assert_eq!(store.due(10).await.unwrap(), [Due { shard: A, id: timer("t"), at: Millis(9) }]);
    let mut gone = batch(&*store, A).await;
    gone.set_timer(timer("t"), At::NOW).clear_timer(timer("t")).clear_timer(timer("never set"));
    store.commit(&gone).await.unwrap();
    assert_eq!(store.due(10).await.unwrap(), []);
    assert_eq!(store.timer(A, &timer("t")).await.unwrap(), None);
}

/// Law 6.
pub async fn due_timers_come_earliest_first(setup: &mut dyn Setup) {
    let store = setup.backend();
    for (shard, times) in [(A, [30, 10, 20]), (B, [3, 1, 2])] {
        let mut batch = batch(&*store, shard).await;
        for at in times {
            batch.set_timer(timer(format!("at {at}")), At::Time(Millis(at)));
        }
        batch.set_timer(timer("later"), At::In(600_000));
        store.commit(&batch).await.unwrap();
    }
    for (limit, expected) in [(10, [vec![10, 20, 30], vec![1, 2, 3]]), (2, [vec![10, 20], vec![1, 2]])] {
        let due = store.due(limit).await.unwrap();
        for (shard, expected) in [A, B].into_iter().zip(expected) {
            let times: Vec<u64> = due.iter().filter(|due| due.shard == shard).map(|due| due.at.0).collect();
            assert_eq!(times, expected);
            assert!(due.iter().all(|due| due.id == timer(format!("at {}", due.at.0))));
        }
    }
}

/// Laws 6 and 10.
pub async fn a_timer_counts_from_its_commit(setup: &mut dyn Setup) {
    let store = setup.backend();
    let before = store.now().await.unwrap();
    let mut batch = batch(&*store, A).await;
    batch.set_timer(timer("t"), At::In(300));
    let done = store.commit(&batch).await.unwrap();
    let at = store.timer(A, &timer("t")).await.unwrap().unwrap();
    assert_eq!(at, Millis(done.at.0 + 300));
    // An estimate of the store's clock may be off by a round trip.
    assert!(done.at.0 + 100 >= before.0 && done.at.0 <= before.0 + 5_000, "commit at {done:?}, clock {before:?}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.due(10).await.unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the timer never became due");
        assert!(store.now().await.unwrap().0 < at.0 + 100, "the timer is late");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(store.now().await.unwrap().0 + 100 >= at.0, "the timer was early");
    let mut last = Millis(0);
    for _ in 0..2_000 {
        let now = store.now().await.unwrap();
        assert!(now.0 + 50 >= last.0, "the clock went back from {last:?} to {now:?}");
        last = now;
    }
}

/// `woken` changes for what is due at once, and for nothing else.
pub async fn a_timer_due_at_once_wakes(setup: &mut dyn Setup) {
    let store = setup.backend();
    let mut woken = store.woken();
    let mut quiet = batch(&*store, A).await;
    quiet.put(key("k"), "v").set_timer(timer("t"), At::In(60_000)).count(key("n"), 2, fires("n"));
    store.commit(&quiet).await.unwrap();
    assert!(!woken.has_changed().unwrap());
    let ways: [fn(&mut Batch) -> &mut Batch; 3] = [
        |batch| batch.set_timer(timer("t"), At::NOW),
        |batch| batch.set_timer(timer("t"), At::Time(Millis(5))),
        |batch| batch.count(key("n"), -2, fires("n")),
    ];
    for way in ways {
        let mut loud = batch(&*store, A).await;
        way(&mut loud);
        store.commit(&loud).await.unwrap();
        assert!(woken.has_changed().unwrap());
        woken.borrow_and_update();
    }
}
