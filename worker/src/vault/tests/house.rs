//! Housekeeping: adoption, manifests, pruning, sealing, and the room that indexes take.

use super::*;
use crate::vault::prune::prune;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_steps_entries_the_highest_fence_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let of = |fence| Label { fence, ..label("s") };
    let step = of(0).step;
    let mut entries = Vec::new();
    for fence in [2, 9, 10, 1] {
        let label = Label { step, ..of(fence) };
        entries.push(vault.put_stream(&label, "s", io::Cursor::new(fence.to_string()), work()).await.unwrap().entry);
    }
    vault.put_stream(&label("s"), "s", &b"another step's"[..], work()).await.unwrap();
    let found: Vec<_> = vault.find(step).await.unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(found, [&entries[2], &entries[1], &entries[0], &entries[3]].map(Clone::clone));
    assert_eq!(vault.entries().await.unwrap().len(), 5);
    vault.forget(&entries[2]).await.unwrap();
    assert_eq!(vault.find(step).await.unwrap()[0].id, entries[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_found_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let (first, second) = (label("ignored"), label("ignored"));
    assert_eq!(vault.manifest(first.snapshot).await.unwrap(), None);
    vault.put_manifest(&first, b"{\"of\":1}".to_vec(), work()).await.unwrap();
    vault.put_manifest(&second, b"{\"of\":2}".to_vec(), work()).await.unwrap();
    let found = vault.manifest(first.snapshot).await.unwrap().unwrap();
    assert_eq!(
        (&found.bytes[..], found.label.resource, found.label.snapshot),
        (&b"{\"of\":1}"[..], None, first.snapshot)
    );
    // Again, by the same step, and by its successor with a higher fence; a paused first self comes too late.
    vault.put_manifest(&first, b"{\"of\":1}".to_vec(), work()).await.unwrap();
    let newer = Label { fence: 8, ..first.clone() };
    vault.put_manifest(&newer, b"newer".to_vec(), work()).await.unwrap();
    vault.put_manifest(&first, b"older".to_vec(), work()).await.unwrap();
    assert_eq!(vault.manifest(first.snapshot).await.unwrap().unwrap().bytes, b"newer");
    let all: Vec<_> = vault.manifests().await.unwrap().into_iter().map(|manifest| manifest.bytes).collect();
    assert_eq!(all, [b"{\"of\":2}".to_vec(), b"newer".to_vec()]);
    // A step's own entries are not its manifest.
    assert_eq!(vault.find(first.step).await.unwrap(), []);
    vault.remove_manifest(first.snapshot).await.unwrap();
    vault.remove_manifest(first.snapshot).await.unwrap();
    assert_eq!(vault.manifest(first.snapshot).await.unwrap(), None);
    assert_eq!(vault.manifests().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_takes_two_turns_and_only_what_nobody_needs() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let put = async |seed| {
        vault.put_stream(&label("s"), "s", io::Cursor::new(noise(seed, 6 << 20)), work()).await.unwrap().entry
    };
    let (gone, kept) = (put(1).await, put(2).await);
    vault.forget(&gone).await.unwrap();
    let packs = files(directory.path(), "data").len();
    let rules = PruneRules { longest_copy: Duration::ZERO };
    for _ in 0..2 {
        let pruned = vault.prune(rules, work()).await.unwrap();
        // The mark is younger than a day: nothing goes.
        assert_eq!(pruned.packs_removed, 0);
        assert!(files(directory.path(), "data").len() >= packs);
    }
    let project = Arc::clone(&vault.0);
    let pruned = tokio::task::spawn_blocking(move || prune(&project, Duration::ZERO, &work())).await.unwrap().unwrap();
    assert!(pruned.packs_removed > 0 && pruned.bytes_removed > 6 << 20, "{pruned:?}");
    assert!(files(directory.path(), "data").len() < packs);
    assert!(vault.verify(&kept, true, work()).await.unwrap().ok);
    assert!(stream_back(&super::vault(directory.path()).await, &kept).await.unwrap().0 == noise(2, 6 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_lease_a_prune_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let gone = vault.put_stream(&label("s"), "s", io::Cursor::new(noise(1, 1 << 20)), work()).await.unwrap().entry;
    vault.forget(&gone).await.unwrap();
    let before = files(directory.path(), "");
    let over = Work { lease: Lease::new(1, Instant::now(), Duration::ZERO), ..work() };
    let rules = PruneRules { longest_copy: Duration::ZERO };
    assert_eq!(vault.prune(rules, over).await.unwrap_err(), Error::LeaseLost);
    let cancelled = work();
    cancelled.cancel.cancel();
    assert_eq!(vault.prune(rules, cancelled).await.unwrap_err(), Error::Cancelled);
    assert_eq!(files(directory.path(), ""), before);
}

/// A prune marks what a copy that runs beside it builds on: the seal takes the mark back.
#[tokio::test(flavor = "multi_thread")]
async fn a_seal_keeps_what_a_prune_has_marked_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (vault(directory.path()).await, vault(directory.path()).await);
    let content = noise(1, 6 << 20);
    let old = ours.put_stream(&label("s"), "s", io::Cursor::new(content.clone()), work()).await.unwrap().entry;
    ours.forget(&old).await.unwrap();
    /// Lets the other prune when this has been read to its end.
    struct Meanwhile(io::Cursor<Vec<u8>>, Vault, tokio::runtime::Handle, bool);
    impl Read for Meanwhile {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            if count == 0 && !std::mem::replace(&mut self.3, true) {
                let rules = PruneRules { longest_copy: Duration::ZERO };
                let pruned = self.2.block_on(self.1.prune(rules, work())).unwrap();
                assert!(pruned.bytes_unneeded > 6 << 20);
            }
            Ok(count)
        }
    }
    let reader = Meanwhile(io::Cursor::new(content.clone()), theirs.clone(), tokio::runtime::Handle::current(), false);
    let stored = ours.put_stream(&label("s"), "s", reader, work()).await.unwrap();
    assert!(stored.bytes_added < 10_000, "it built on what was there");
    // Readable even so, and by rustic's and restic's rules again after the seal.
    assert!(stream_back(&theirs, &stored.entry).await.unwrap().0 == content);
    ours.check_sealed(std::slice::from_ref(&stored.entry), work()).await.unwrap();
    let project = Arc::clone(&theirs.0);
    tokio::task::spawn_blocking(move || prune(&project, Duration::ZERO, &work())).await.unwrap().unwrap();
    assert!(theirs.verify(&stored.entry, true, work()).await.unwrap().ok);
    ours.check_sealed(std::slice::from_ref(&stored.entry), work()).await.unwrap();
    // What is not there is not sealed.
    for pack in files(directory.path(), "data") {
        std::fs::remove_file(pack).unwrap();
    }
    assert!(matches!(ours.check_sealed(&[stored.entry], work()).await, Err(Error::Damaged(_))));
    assert!(matches!(ours.check_sealed(&[old], work()).await, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_in_memory_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { index_bytes: 1, ..Settings::new(Location::Directory(directory.path().join("vault"))) };
    let vaults = Vaults::new(settings, key()).unwrap();
    let mut all = Vec::new();
    for number in 0..3 {
        let project: stacksnap_common::ids::ProjectId = format!("p{number}").parse().unwrap();
        let vault = vaults.project(&project).await.unwrap();
        let stored = vault.put_stream(&label("s"), "s", io::Cursor::new(noise(number, 3 << 20)), work()).await.unwrap();
        all.push((vault, stored, vaults.open_bytes()));
    }
    // One at a time, the last one used: the others would add up.
    assert!(
        all.iter().all(|(_, _, bytes)| (1..700).contains(bytes)),
        "{:?}",
        all.iter().map(|one| one.2).collect::<Vec<_>>()
    );
    for (number, (vault, stored, _)) in (0..).zip(&all) {
        assert!(stream_back(vault, &stored.entry).await.unwrap().0 == noise(number, 3 << 20));
    }
    let projects: Vec<String> = vaults.projects().await.unwrap().into_iter().map(String::from).collect();
    assert_eq!(projects, ["p0", "p1", "p2"]);
}
