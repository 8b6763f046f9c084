//! Laws 9 and 11, and 3 and 4 across a kill.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::store::backend::At;

/// Laws 9, 3 and 4.
pub async fn what_was_answered_outlives_a_kill(setup: &mut dyn Setup) {
    let store = setup.backend();
    put(&*store, A, "overwritten", "old").await;
    put(&*store, A, "deleted", "old").await;
    let mut durable = batch(&*store, A).await;
    durable.put(key("record"), "kept").put(key("overwritten"), "new").delete(key("deleted"));
    durable.count(key("counter"), 3, None).set_timer(timer("timer"), At::In(3_600_000));
    let done = store.commit(&durable).await.unwrap();
    let mut disposable = batch(&*store, A).await.disposable();
    disposable.put(key("progress"), "1").put(key("more progress"), "1");
    let last = store.commit(&disposable).await.unwrap().seq;
    assert_eq!(read(&*store, A, "progress").await.unwrap().version, last);
    drop(store);

    setup.kill_and_start().await;
    let store = setup.backend();
    assert_eq!(read(&*store, A, "record").await.unwrap(), Versioned { version: done.seq, value: "kept".into() });
    assert_eq!(read(&*store, A, "overwritten").await.unwrap().value, "new");
    assert_eq!(read(&*store, A, "deleted").await, None);
    assert_eq!(count(&*store, A, "counter").await, 3);
    let at = store.timer(A, &timer("timer")).await.unwrap().unwrap();
    assert_eq!(at.0, done.at.0 + 3_600_000);
    let progress = store.get(A, &[key("progress"), key("more progress")]).await.unwrap();
    assert_eq!(progress[0], progress[1], "a disposable batch was lost in part");
    // The token is as durable as what it made.
    assert_eq!(store.commit(&durable).await.unwrap(), done);
    assert_eq!(count(&*store, A, "counter").await, 3);
    // A version that was seen of what may have been lost is not given out again.
    let next = put(&*store, A, "progress", "2").await.seq;
    assert!(next > last, "{next} after {last}");
    assert!(store.uptime().await.unwrap() < 60_000);
}

/// Laws 9 and 11: the store is killed while batches are on their way. What was answered is there; what was not, is sent
/// again, and each is applied once in the end.
pub async fn a_kill_in_the_middle_loses_no_answer_and_doubles_nothing(setup: &mut dyn Setup) {
    const TASKS: usize = 16;
    const KILLS: usize = 3;
    let mut sent = 0_i64;
    for kill in 0..KILLS {
        let store = setup.backend();
        let answered: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (store, answered) = (store.clone(), answered.clone());
                tokio::spawn(async move {
                    for nth in 0.. {
                        tokio::task::yield_now().await;
                        let name = format!("{kill}/{task}/{nth:06}");
                        // Only a store that was killed does not know the time.
                        let Ok(now) = store.now().await else { return (nth, None) };
                        let mut batch = Batch::new(A, now);
                        batch.put(key(&name), name.clone()).count(key("applied"), 1, None);
                        match store.commit(&batch).await {
                            Ok(done) => answered.lock().unwrap().insert(name, done.seq),
                            Err(Error::Unavailable(_)) => return (nth + 1, Some(batch)),
                            Err(error) => panic!("{error}"),
                        };
                    }
                    unreachable!()
                })
            })
            .collect();
        drop(store);
        let enough = async {
            while answered.lock().unwrap().len() < 200 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), enough).await.expect("the store takes no batches");
        setup.kill_and_start().await;
        let mut unknown = Vec::new();
        for task in tasks {
            let (made, last) = task.await.unwrap();
            sent += made;
            unknown.extend(last);
        }
        let store = setup.backend();
        let answered = answered.lock().unwrap().clone();
        for (name, seq) in &answered {
            let record = read(&*store, A, name).await.unwrap_or_else(|| panic!("{name} was answered and is lost"));
            assert_eq!(record.version, *seq);
        }
        for batch in &unknown {
            store.commit(batch).await.unwrap();
        }
        assert_eq!(count(&*store, A, "applied").await, sent, "after kill {kill}, {} were unknown", unknown.len());
    }
}
