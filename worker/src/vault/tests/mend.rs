//! Damage that was found: nothing new is built on it, what comes again heals what needs it, and nothing is lost by a fault
//! that passes.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::vault::prune::prune;

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Bit,
    End,
    All,
}

const HARMS: [Harm; 3] = [Harm::Bit, Harm::End, Harm::All];

impl Harm {
    fn to(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        match self {
            Self::Bit => {
                bytes[20] ^= 4;
                fs::write(file, bytes).unwrap();
            }
            Self::End => fs::write(file, &bytes[..30]).unwrap(),
            Self::All => fs::remove_file(file).unwrap(),
        }
    }
}

fn content() -> Vec<u8> {
    noise(11, 6 << 20)
}

async fn put(vault: &Vault, content: &[u8]) -> Result<Stored, Error> {
    vault.put_stream(&label("s"), "s", io::Cursor::new(content.to_vec()), work()).await
}

async fn verified(vault: &Vault, entry: &EntryId) -> Vec<String> {
    vault.verify(entry, true, work()).await.unwrap().problems
}

/// Without any delay: what was marked by one prune goes with the next.
async fn pruned(vault: &Vault) -> Result<crate::vault::Pruned, Error> {
    let project = Arc::clone(&vault.0);
    tokio::task::spawn_blocking(move || prune(&project, Duration::ZERO, &work())).await.unwrap()
}

fn on_record(directory: &Path) -> Vec<PathBuf> {
    if directory.join("vault/demo/damaged").exists() { files(directory, "damaged") } else { Vec::new() }
}

/// Each pack, each harm. The one who verifies and the one who stores are two processes, both with an index in memory.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_is_stored_anew_and_heals_the_entries_that_need_it() {
    for harm in HARMS {
        for number in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let directory = directory.path();
            let (ours, theirs) = (vault(directory).await, vault(directory).await);
            let stream = put(&theirs, &content()).await.unwrap().entry;
            let (mut packs, trees) = (files(directory, "data"), tree_pack(directory));
            packs.sort_by_key(|pack| *pack == trees);
            let tree = theirs.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap().entry;
            let (mut of_tree, streams) = (files(directory, "data"), packs.len());
            of_tree.retain(|pack| !packs.contains(pack));
            packs.extend(of_tree);
            let Some(pack) = packs.get(number) else {
                assert!(number >= 4, "a pack of data and one of trees, of each");
                break;
            };
            let (entry, is_tree) = if number < streams { (&stream, false) } else { (&tree, true) };
            assert_eq!(verified(&theirs, entry).await, [""; 0]);
            harm.to(pack);

            let problems = verified(&ours, entry).await;
            let name = pack.file_name().unwrap().to_str().unwrap();
            let says = ["can't be read", name, "nothing new is built on", "take a new snapshot, then verify this one"];
            assert!(says.iter().all(|part| problems[0].contains(part)), "{harm:?}: {problems:?}");
            assert_eq!(on_record(directory).len(), 1, "{harm:?}");
            // Nothing was taken away.
            assert!(pack.exists() != matches!(harm, Harm::All));

            let new = if is_tree {
                theirs.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap()
            } else {
                put(&theirs, &content()).await.unwrap()
            };
            assert!(new.bytes_added > 500, "{harm:?}: it was built on what is damaged");
            theirs.check_sealed(std::slice::from_ref(&new.entry), work()).await.unwrap();
            let entry = if number + 1 == streams && packs[number] == trees {
                // The tree of a stream has the time in it, and so is of one entry only: it stays broken, and says so.
                assert_ne!(verified(&theirs, entry).await, [""; 0]);
                assert!(pruned(&ours).await.is_err());
                theirs.forget(entry).await.unwrap();
                &new.entry
            } else {
                entry
            };
            // A prune beside a damaged pack that nobody needs any more; two, and it is gone, record and all.
            for (turn, vault) in [&ours, &theirs, &ours].into_iter().enumerate() {
                for entry in [&new.entry, entry] {
                    assert_eq!(verified(vault, entry).await, [""; 0], "{harm:?}, turn {turn}");
                }
                pruned(vault).await.unwrap();
            }
            for entry in [&new.entry, entry] {
                assert_eq!(verified(&theirs, entry).await, [""; 0], "{harm:?}");
                if is_tree {
                    let (back, expected) = (read_back(&theirs, entry).await.unwrap(), trees::nasty().expected());
                    assert!(back.iter().map(|(_, bytes)| bytes).eq(expected.iter().map(|(_, bytes)| bytes)));
                } else {
                    assert!(stream_back(&theirs, entry).await.unwrap().0 == content());
                }
            }
            assert!(!pack.exists() && on_record(directory).is_empty(), "{harm:?}: {:?}", on_record(directory));
            restic::checks(directory);
        }
    }
}

/// A restore of a stream, and of a tree: the next snapshot needs no verification first.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_meets_damage_puts_it_on_record() {
    for harm in HARMS {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let ours = vault(directory).await;
        let largest =
            || files(directory, "data").into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
        let tree = ours.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap().entry;
        harm.to(&largest());
        assert!(matches!(read_back(&ours, &tree).await, Err(Error::Damaged(_))), "{harm:?}");
        assert_eq!(on_record(directory).len(), 1, "{harm:?}");
        ours.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap();
        assert!(read_back(&ours, &tree).await.is_ok(), "{harm:?}");
        let stream = put(&ours, &content()).await.unwrap().entry;
        harm.to(&largest());
        assert!(matches!(stream_back(&ours, &stream).await, Err(Error::Damaged(_))), "{harm:?}");
        assert_eq!(on_record(directory).len(), 2, "{harm:?}");
        put(&ours, &content()).await.unwrap();
        assert!(stream_back(&ours, &stream).await.unwrap().0 == content(), "{harm:?}");
    }
}

/// The pack comes back: it is built on again, and nothing was stored twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_is_taken_back_at_the_next_look() {
    for harm in HARMS {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let (ours, theirs) = (vault(directory).await, vault(directory).await);
        let entry = put(&theirs, &content()).await.unwrap().entry;
        let trees = tree_pack(directory);
        for pack in files(directory, "data") {
            let whole = fs::read(&pack).unwrap();
            harm.to(&pack);
            assert_ne!(verified(&ours, &entry).await, [""; 0]);
            assert_eq!(on_record(directory).len(), 1);
            // Not even a prune takes away what an entry needs and nothing else has.
            for _ in 0..2 {
                let pruned = pruned(&theirs).await;
                // Which trees need what can't be told, so nothing is removed.
                assert_eq!(pruned.is_ok(), pack != trees, "{harm:?}: {pruned:?}");
            }
            fs::write(&pack, whole).unwrap();
            assert_eq!(verified(&theirs, &entry).await, [""; 0]);
            assert_eq!(on_record(directory), [""; 0].map(PathBuf::from));
        }
        let again = put(&ours, &content()).await.unwrap();
        assert!(again.bytes_added < 10_000, "{harm:?}");
        assert!(stream_back(&theirs, &entry).await.unwrap().0 == content());
        for _ in 0..3 {
            pruned(&theirs).await.unwrap();
            assert_eq!(
                [verified(&ours, &entry).await, verified(&theirs, &again.entry).await],
                [[""; 0]; 2],
                "{harm:?}"
            );
        }
        restic::checks(directory);
    }
}

/// The smaller one of two.
fn tree_pack(directory: &Path) -> PathBuf {
    files(directory, "data")
        .into_iter()
        .min_by_key(|pack| fs::metadata(pack).map_or(u64::MAX, |meta| meta.len()))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_now_is_not_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let vault = vault(directory).await;
    let entry = put(&vault, &content()).await.unwrap().entry;
    let (repository, aside) = (directory.join("vault/demo"), directory.join("aside"));
    for pack in files(directory, "data") {
        // Not a file: an error of the system, by which the verification has not come to its end.
        fs::rename(&pack, &aside).unwrap();
        fs::create_dir(&pack).unwrap();
        let error = vault.verify(&entry, true, work()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        fs::remove_dir(&pack).unwrap();
        fs::rename(&aside, &pack).unwrap();
        // More is gone than a file.
        for gone in [pack.parent().unwrap(), &repository.join("data"), &repository.join("config")] {
            fs::rename(gone, &aside).unwrap();
            fs::rename(&pack, pack.with_extension("hidden")).ok();
            if let Ok(verdict) = vault.verify(&entry, true, work()).await {
                let unsure =
                    |problem: &str| problem.contains("not certainly damaged") || problem.contains("a part of it");
                assert!(unsure(&verdict.problems[0]), "{verdict:?}");
            }
            fs::rename(pack.with_extension("hidden"), &pack).ok();
            fs::rename(&aside, gone).unwrap();
        }
        assert_eq!(on_record(directory), [""; 0].map(PathBuf::from));
    }
    let marker = directory.join("vault/@stacksnap-vault");
    fs::rename(&marker, &aside).unwrap();
    let pack = tree_pack(directory);
    fs::rename(&pack, pack.with_extension("hidden")).unwrap();
    assert_ne!(verified(&vault, &entry).await, [""; 0]);
    assert_eq!(on_record(directory), [""; 0].map(PathBuf::from));
    fs::rename(pack.with_extension("hidden"), &pack).unwrap();
    fs::rename(&aside, &marker).unwrap();
    assert_eq!(verified(&vault, &entry).await, [""; 0]);
}

/// Gives a content, and lets another process verify before it ends.
struct Meanwhile(io::Cursor<Vec<u8>>, Option<(Vault, EntryId)>, tokio::runtime::Handle);

impl Read for Meanwhile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        if count == 0
            && let Some((vault, entry)) = self.1.take()
        {
            assert!(!self.2.block_on(verified(&vault, &entry)).is_empty());
        }
        Ok(count)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_damaged_meanwhile_is_not_committed_and_not_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (vault(directory.path()).await, vault(directory.path()).await);
    let old = put(&ours, &content()).await.unwrap().entry;
    let before = put(&ours, &content()).await.unwrap().entry;
    let data =
        files(directory.path(), "data").into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    Harm::Bit.to(&data);
    // It is not known yet.
    ours.check_sealed(std::slice::from_ref(&before), work()).await.unwrap();
    let reader = Meanwhile(io::Cursor::new(content()), Some((theirs, old)), tokio::runtime::Handle::current());
    let error = ours.put_stream(&label("s"), "s", reader, work()).await.unwrap_err();
    assert!(matches!(error, Error::Undermined(_)) && error.is_transient(), "{error:?}");
    let error = ours.check_sealed(&[before], work()).await.unwrap_err();
    assert!(matches!(&error, Error::Damaged(text) if text.contains("take the snapshot again")), "{error:?}");
    let again = put(&ours, &content()).await.unwrap();
    ours.check_sealed(std::slice::from_ref(&again.entry), work()).await.unwrap();
    assert!(stream_back(&ours, &again.entry).await.unwrap().0 == content());
}

/// Nobody has verified: the tree that the new one is compared with tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_meets_a_damaged_one_before_it_is_walked_again_without_it() {
    for harm in HARMS {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let ours = vault(directory).await;
        let label = label("d");
        let old = ours.put_tree(&label, shared(trees::nasty()), work()).await.unwrap().entry;
        harm.to(&tree_pack(directory));
        let new = vault(directory).await.put_tree(&label, shared(trees::nasty()), work()).await.unwrap().entry;
        ours.check_sealed(std::slice::from_ref(&new), work()).await.unwrap();
        for entry in [&new, &old] {
            assert_eq!(verified(&ours, entry).await, [""; 0], "{harm:?}");
        }
    }
}

/// Each index file, each harm: what was in it is found in the packs again, by a verification or by a prune.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_file_is_made_again_from_the_packs() {
    for (harm, verifies) in HARMS.into_iter().flat_map(|harm| [(harm, true), (harm, false)]) {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let ours = vault(directory).await;
        let stream = put(&ours, &content()).await.unwrap().entry;
        let tree = ours.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap().entry;
        let whole: Vec<_> =
            files(directory, "index").into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
        assert_eq!(whole.len(), 2);
        for (_, file) in &whole {
            harm.to(file);
        }
        // One who has nothing in memory, and one who has.
        for vault in [&vault(directory).await, &ours] {
            assert!(matches!(stream_back(vault, &stream).await, Err(Error::Damaged(_))), "{harm:?}");
        }
        assert_eq!(on_record(directory).len(), if matches!(harm, Harm::All) { 0 } else { 2 });
        if verifies {
            for entry in [&stream, &tree] {
                assert_eq!(verified(&ours, entry).await, [""; 0], "{harm:?}");
            }
        }
        // What a lost file named no prune looks for by itself, and it does not take it for unneeded either.
        let silent = !verifies && matches!(harm, Harm::All);
        assert_eq!(pruned(&ours).await.is_err(), silent, "{harm:?}");
        for entry in [&stream, &tree] {
            assert_eq!(verified(&ours, entry).await, [""; 0], "{harm:?}");
        }
        for _ in 0..2 {
            pruned(&ours).await.unwrap();
        }
        assert_eq!(on_record(directory), [""; 0].map(PathBuf::from));
        assert!(whole.iter().all(|(_, file)| !file.exists()), "{harm:?}");
        restic::checks(directory);
        assert!(put(&ours, &content()).await.unwrap().bytes_added < 10_000, "{harm:?}");
        assert!(stream_back(&vault(directory).await, &stream).await.unwrap().0 == content());
    }
    // A fault that passes.
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let ours = vault(directory).await;
    let stream = put(&ours, &content()).await.unwrap().entry;
    let file = files(directory, "index").pop().unwrap();
    let whole = fs::read(&file).unwrap();
    Harm::Bit.to(&file);
    // Stored at once, by one who has met the damage first.
    let new = put(&vault(directory).await, &content()).await.unwrap();
    assert!(new.bytes_added > 6 << 20);
    assert_eq!(on_record(directory).len(), 1);
    assert!(matches!(stream_back(&ours, &stream).await, Err(Error::Damaged(_))), "its tree is of it alone");
    fs::write(&file, whole).unwrap();
    assert!(stream_back(&ours, &stream).await.unwrap().0 == content());
    for _ in 0..2 {
        pruned(&ours).await.unwrap();
    }
    assert_eq!(on_record(directory), [""; 0].map(PathBuf::from));
    assert_eq!(verified(&ours, &stream).await, [""; 0]);
}

/// Half of a damaged pack is stored anew, the other half only an older entry needs: prunes keep the one and the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_prune_takes_no_damaged_blob_for_a_sound_one() {
    for harm in HARMS {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let (ours, theirs) = (vault(directory).await, vault(directory).await);
        let old = put(&ours, &content()).await.unwrap().entry;
        let pack = files(directory, "data").into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
        let whole = fs::read(&pack).unwrap();
        harm.to(&pack);
        assert_ne!(verified(&theirs, &old).await, [""; 0]);
        let half = content()[3 << 20..].to_vec();
        let new = put(&ours, &half).await.unwrap().entry;
        for turn in 0..4 {
            for vault in [&ours, &theirs] {
                assert_eq!(verified(vault, &new).await, [""; 0], "{harm:?}, turn {turn}");
                assert_ne!(verified(vault, &old).await, [""; 0]);
                assert!(stream_back(vault, &new).await.unwrap().0 == half, "{harm:?}, turn {turn}");
            }
            pruned(&theirs).await.unwrap();
        }
        assert_eq!(on_record(directory).len(), 1);
        fs::write(&pack, whole).unwrap();
        assert_eq!(verified(&ours, &old).await, [""; 0], "{harm:?}");
        assert!(stream_back(&theirs, &old).await.unwrap().0 == content());
        // And once nobody needs the other half, it goes.
        harm.to(&pack);
        assert_ne!(verified(&theirs, &old).await, [""; 0]);
        ours.forget(&old).await.unwrap();
        for _ in 0..3 {
            pruned(&theirs).await.unwrap();
        }
        assert!(!pack.exists() && on_record(directory).is_empty(), "{harm:?}");
        assert_eq!(verified(&ours, &new).await, [""; 0]);
    }
}
