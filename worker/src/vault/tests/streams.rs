//! Streams: what goes in comes out, or nothing has gone in.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_comes_back_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let mut mixed = noise(1, 9 << 20);
    mixed.extend_from_slice(&vec![0; 5 << 20]);
    for (at, content) in [Vec::new(), b"x".to_vec(), noise(2, 700_000), vec![7; 3 << 20], mixed].into_iter().enumerate()
    {
        let label = label("db");
        let work = work();
        let stored =
            vault.put_stream(&label, "dump.sql", io::Cursor::new(content.clone()), work.clone()).await.unwrap();
        assert_eq!((stored.bytes, stored.files, stored.warnings.len()), (content.len() as u64, 1, 0));
        assert_eq!(work.progress.sample().bytes, content.len() as u64);
        let (back, got) = stream_back(&vault, &stored.entry).await.unwrap();
        assert!(back == content, "stream {at}");
        assert_eq!((got.bytes, &got.digest), (stored.bytes, &stored.digest));
        assert_eq!(stored.digest, {
            use sha2::{Digest, Sha256};
            hex::encode(Sha256::digest(&content))
        });
        let found = vault.find(label.step).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&found[0].id, found[0].label.as_ref(), found[0].bytes),
            (&stored.entry, Some(&label), stored.bytes)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_takes_no_room() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let mut content = noise(3, 12 << 20);
    let first = vault.put_stream(&label("db"), "s", io::Cursor::new(content.clone()), work()).await.unwrap();
    assert!(first.bytes_added > 12 << 20);
    // The blob around the insertion is new, the rest is not.
    content.splice(1000..1000, *b"a line more");
    let second = vault.put_stream(&label("db"), "s", io::Cursor::new(content.clone()), work()).await.unwrap();
    assert!(second.bytes_added < 9 << 20 && second.bytes_added < first.bytes_added * 3 / 4, "{}", second.bytes_added);
    // A vault opened anew sees the same.
    let again = super::vault(directory.path()).await;
    let third = again.put_stream(&label("db"), "s", io::Cursor::new(content.clone()), work()).await.unwrap();
    assert!(third.bytes_added < 10_000, "{}", third.bytes_added);
    assert!(stream_back(&again, &second.entry).await.unwrap().0 == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_error_half_way_leaves_no_entry() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    for good in [0, 100, 40 << 20] {
        let label = label("db");
        let error = vault.put_stream(&label, "s", Breaks { good }, work()).await.unwrap_err();
        let Error::Source { kind, reason } = &error else { panic!("{error}") };
        assert_eq!(*kind, io::ErrorKind::ConnectionReset);
        assert!(reason.contains("the disk went away") && !error.is_transient());
        assert_eq!(vault.find(label.step).await.unwrap(), []);
    }
    assert_eq!(files(directory.path(), "snapshots").len(), 0);
}

/// Gives bytes for ever, and says when it has begun.
struct Endless(Option<tokio::sync::oneshot::Sender<()>>, u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        buffer.copy_from_slice(&noise(self.1, buffer.len()));
        if let Some(begun) = self.0.take() {
            let _ = begun.send(());
        }
        Ok(buffer.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_put_ends_at_once_and_leaves_no_entry() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let work = work();
    let cancel = work.cancel.clone();
    let put = tokio::spawn({
        let vault = vault.clone();
        async move { vault.put_stream(&label("db"), "s", Endless(Some(begun), 0), work).await }
    });
    has_begun.await.unwrap();
    let since = Instant::now();
    cancel.cancel();
    assert_eq!(put.await.unwrap().unwrap_err(), Error::Cancelled);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(vault.entries().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_nobody_waits_for_ends() {
    struct Told<R>(R, Option<tokio::sync::oneshot::Sender<()>>);
    impl<R: Read> Read for Told<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl<R> Drop for Told<R> {
        fn drop(&mut self) {
            let _ = self.1.take().unwrap().send(());
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let put = tokio::spawn({
        let vault = vault.clone();
        async move { vault.put_stream(&label("db"), "s", Told(Endless(Some(begun), 0), Some(ended)), work()).await }
    });
    has_begun.await.unwrap();
    put.abort();
    tokio::time::timeout(Duration::from_secs(5), has_ended).await.expect("the reader was let go").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lease_nothing_is_committed() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    // Over before it began, and lost while the last bytes were read.
    let over = Work { lease: Lease::new(1, Instant::now(), Duration::ZERO), ..work() };
    assert_eq!(vault.put_stream(&label("db"), "s", &b"abc"[..], over).await.unwrap_err(), Error::LeaseLost);
    struct Loses(Lease, bool);
    impl Read for Loses {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1 {
                self.0.lose();
                return Ok(0);
            }
            self.1 = true;
            buffer[..3].copy_from_slice(b"abc");
            Ok(3)
        }
    }
    let work = work();
    let reader = Loses(work.lease.clone(), false);
    assert_eq!(vault.put_stream(&label("db"), "s", reader, work).await.unwrap_err(), Error::LeaseLost);
    assert_eq!(vault.entries().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_target_is_the_targets_fault() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let stored = vault.put_stream(&label("db"), "s", &b"abc"[..], work()).await.unwrap();
    let error = vault.get_stream(&stored.entry, Full, work()).await.unwrap_err();
    assert!(matches!(error, Error::Sink { kind: io::ErrorKind::StorageFull, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_no_stream_and_what_is_gone_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let tree = vault.put_tree(&label("d"), shared(MemoryTree::new()), work()).await.unwrap();
    let stream = vault.put_stream(&label("s"), "s", &b"abc"[..], work()).await.unwrap();
    assert!(matches!(stream_back(&vault, &tree.entry).await, Err(Error::NotFound(_))));
    assert!(matches!(vault.open_tree(&stream.entry).await, Err(Error::NotFound(_))));
    vault.forget(&stream.entry).await.unwrap();
    vault.forget(&stream.entry).await.unwrap();
    let error = stream_back(&vault, &stream.entry).await.unwrap_err();
    assert!(matches!(&error, Error::NotFound(text) if text.contains(stream.entry.as_str())), "{error}");
    assert!(vault.put_stream(&label("s"), "a/b", &b"abc"[..], work()).await.is_err());
}
