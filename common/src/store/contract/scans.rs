//! Law 7, and values and batches of every size.

use super::*;

async fn names(store: &dyn Backend, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(key);
    let found = store.scan(A, prefix, after.as_ref(), limit).await.unwrap();
    found.into_iter().map(|(key, _)| key.0).collect()
}

/// Law 7.
pub async fn a_scan_is_in_byte_order_and_goes_on_after_a_key(setup: &mut dyn Setup) {
    let store = setup.backend();
    let mut all: Vec<String> =
        ["a", "a!", "a/", "a/b", "a/b/c", "a/é", "a/日", "a/\u{10ffff}", "a0", "A", "b", "a/ ", "a/b\n", "a/b\0"]
            .map(str::to_owned)
            .to_vec();
    let mut batch = batch(&*store, A).await;
    for name in &all {
        batch.put(key(name), name.clone());
    }
    store.commit(&batch).await.unwrap();
    all.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(names(&*store, "", None, 100).await, all);
    let within: Vec<String> = all.iter().filter(|name| name.starts_with("a/")).cloned().collect();
    for limit in 1..=within.len() + 1 {
        let mut paged = Vec::new();
        loop {
            let page = names(&*store, "a/", paged.last().map(String::as_str), limit).await;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, within, "in pages of {limit}");
    }
    for (key, record) in store.scan(A, "a/", None, 100).await.unwrap() {
        assert_eq!(record, read(&*store, A, &key.0).await.unwrap());
        assert_eq!(record.value, key.0.as_bytes());
    }
}

/// Law 7.
pub async fn a_scan_keeps_to_its_prefix_and_shard(setup: &mut dyn Setup) {
    let store = setup.backend();
    for name in ["p/1", "p/2", "p/3", "q/1", "o/9"] {
        put(&*store, A, name, "a").await;
    }
    put(&*store, B, "p/4", "b").await;
    assert_eq!(names(&*store, "p/", None, 10).await, ["p/1", "p/2", "p/3"]);
    assert_eq!(names(&*store, "p/", None, 2).await, ["p/1", "p/2"]);
    assert_eq!(names(&*store, "p/", Some("p/1"), 10).await, ["p/2", "p/3"]);
    // After a key that is not there, that is no record, or that is outside of the prefix.
    assert_eq!(names(&*store, "p/", Some("p/15"), 10).await, ["p/2", "p/3"]);
    assert_eq!(names(&*store, "p/", Some("a"), 10).await, ["p/1", "p/2", "p/3"]);
    assert_eq!(names(&*store, "p/", Some("p/"), 10).await, ["p/1", "p/2", "p/3"]);
    assert_eq!(names(&*store, "p/", Some("p/3"), 10).await, [""; 0]);
    assert_eq!(names(&*store, "p/", Some("z"), 10).await, [""; 0]);
    assert_eq!(names(&*store, "r/", None, 10).await, [""; 0]);
    let mut away = batch(&*store, A).await;
    away.delete(key("p/2"));
    store.commit(&away).await.unwrap();
    assert_eq!(names(&*store, "p/", None, 10).await, ["p/1", "p/3"]);
    put(&*store, A, "p/2", "again").await;
    assert_eq!(names(&*store, "p/", None, 10).await, ["p/1", "p/2", "p/3"]);
}

/// Nothing is cut, whatever its bytes and its size.
pub async fn large_values_and_batches_come_back(setup: &mut dyn Setup) {
    let store = setup.backend();
    let every: Vec<u8> = (0..=255).collect();
    let values = [Vec::new(), b" ".to_vec(), b"12 34".to_vec(), every.clone(), every.repeat(4 * 1024)];
    for value in &values {
        let mut batch = batch(&*store, A).await;
        batch.put(key("value"), value.clone());
        store.commit(&batch).await.unwrap();
        assert_eq!(read(&*store, A, "value").await.unwrap().value, value);
    }
    let count = 10_000;
    let keys: Vec<Key> = (0..count).map(|n| key(format!("many/{n:05}"))).collect();
    let mut many = batch(&*store, A).await;
    for key in &keys {
        many.put(key.clone(), key.0.clone());
    }
    let done = store.commit(&many).await.unwrap();
    let got = store.get(A, &keys).await.unwrap();
    let scanned = store.scan(A, "many/", None, count).await.unwrap();
    assert_eq!((got.len(), scanned.len()), (count, count));
    for ((key, got), (name, scanned)) in keys.iter().zip(got).zip(scanned) {
        assert_eq!((key, got.as_ref()), (&name, Some(&scanned)));
        assert_eq!(scanned, Versioned { version: done.seq, value: key.0.clone().into() });
    }
    assert_eq!(store.get(A, &[]).await.unwrap(), []);
    assert_eq!(store.get(A, &[key("value"), key("none"), key("value")]).await.unwrap().len(), 3);
}
