//! A damaged vault: verify says so, reading fails, and never are wrong bytes given.

use std::fs;
use std::path::Path;

use super::*;

/// A vault with one stream and one tree, each in packs of its own, opened by a process that has read nothing yet.
async fn stored(directory: &Path) -> (EntryId, EntryId) {
    let vault = vault(directory).await;
    let stream = vault.put_stream(&label("s"), "s", io::Cursor::new(noise(11, 6 << 20)), work()).await.unwrap();
    let tree = vault.put_tree(&label("d"), shared(trees::nasty()), work()).await.unwrap();
    (stream.entry, tree.entry)
}

/// What verify finds, with and without reading data, and whether the entry can be read.
async fn look(directory: &Path, entry: &EntryId, tree: bool) -> (bool, bool, Result<(), Error>) {
    let vault = vault(directory).await;
    let shallow = vault.verify(entry, false, work()).await.unwrap();
    let deep = vault.verify(entry, true, work()).await.unwrap();
    assert_eq!(deep.ok, deep.problems.is_empty());
    let read = if tree {
        read_back(&vault, entry).await.map(|back| {
            let expected = trees::nasty().expected();
            assert!(
                back.iter()
                    .zip(&expected)
                    .all(|(back, expected)| back.1.as_ref().is_none_or(|c| Some(c) == expected.1.as_ref()))
            );
        })
    } else {
        stream_back(&vault, entry).await.map(|(back, _)| assert!(back == noise(11, 6 << 20)))
    };
    (shallow.ok, deep.ok, read)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_is_found_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (stream, tree) = stored(directory.path()).await;
    assert_eq!(look(directory.path(), &stream, false).await, (true, true, Ok(())));
    assert_eq!(look(directory.path(), &tree, true).await, (true, true, Ok(())));
    let vault = vault(directory.path()).await;
    let work = work();
    let verdict = vault.verify(&stream, true, work.clone()).await.unwrap();
    assert_eq!((verdict.bytes, work.progress.sample().bytes), (6 << 20, 6 << 20));
    work.cancel.cancel();
    assert_eq!(vault.verify(&tree, true, work).await.unwrap_err(), Error::Cancelled);
}

/// Every pack, one after the other: each is needed by the stream, by the tree, or by both.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_is_found_whichever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (stream, tree) = stored(directory.path()).await;
    let packs = files(directory.path(), "data");
    assert!(packs.len() >= 4, "{packs:?}");
    for pack in packs {
        let whole = fs::read(&pack).unwrap();
        let mut flipped = whole.clone();
        flipped[20] ^= 4;
        type Damage<'a> = (&'static str, Box<dyn Fn() + 'a>);
        let damages: [Damage<'_>; 3] = [
            ("a bit", Box::new(|| fs::write(&pack, &flipped).unwrap())),
            ("the end", Box::new(|| fs::write(&pack, &whole[..30]).unwrap())),
            ("all", Box::new(|| fs::remove_file(&pack).unwrap())),
        ];
        for (what, damage) in damages {
            damage();
            let found = [look(directory.path(), &stream, false).await, look(directory.path(), &tree, true).await];
            assert!(found.iter().any(|(_, deep, _)| !deep), "{what} of {} was not missed", pack.display());
            for (shallow, deep, read) in found {
                assert_eq!(deep, read.is_ok(), "{what}: {read:?}");
                assert!(read.is_ok() || matches!(read, Err(Error::Damaged(_))), "{what}: {read:?}");
                // What is missing or short is seen without reading it.
                assert!(shallow == deep || what == "a bit", "{what}");
            }
            fs::write(&pack, &whole).unwrap();
        }
    }
    assert_eq!(look(directory.path(), &tree, true).await, (true, true, Ok(())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_config_or_key_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (stream, _) = stored(directory.path()).await;
    for kind in ["snapshots", "keys"] {
        let before = files(directory.path(), kind);
        for file in before.clone() {
            let whole = fs::read(&file).unwrap();
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            for damaged in [&flipped[..], &whole[..10], b""] {
                fs::write(&file, damaged).unwrap();
                let opened = vaults(directory.path()).project(&"demo".parse().unwrap()).await;
                let error = match opened {
                    Err(error) => error,
                    Ok(vault) => match (vault.entries().await, stream_back(&vault, &stream).await) {
                        (Err(error), _) | (_, Err(error)) => error,
                        // An entry takes no other with it, and who asks for it is told.
                        (Ok(entries), Ok(_)) if kind == "snapshots" => {
                            let lost = entries.into_iter().find(|entry| entry.label.is_none()).unwrap().id;
                            vault.put_tree(&label("d"), shared(trees::nasty()), work()).await.map(drop).unwrap();
                            let new = files(directory.path(), kind).into_iter().filter(|it| !before.contains(it));
                            new.for_each(|it| fs::remove_file(it).unwrap());
                            let verdict = vault.verify(&lost, true, work()).await.unwrap();
                            assert!(verdict.problems.iter().any(|it| it.contains("have changed")), "{verdict:?}");
                            vault.open_tree(&lost).await.err().unwrap()
                        }
                        _ => panic!("nobody missed {}", file.display()),
                    },
                };
                assert!(matches!(error, Error::Damaged(_)) && !error.is_transient(), "{kind}: {error:?}");
            }
            fs::write(&file, &whole).unwrap();
        }
    }
    let config = directory.path().join("vault/demo/config");
    let whole = fs::read(&config).unwrap();
    fs::write(&config, &whole[..whole.len() - 1]).unwrap();
    let error = vaults(directory.path()).project(&"demo".parse().unwrap()).await.err().unwrap();
    assert!(matches!(error, Error::Damaged(_)), "{error:?}");
    // A lost config is not taken for a new repository.
    fs::remove_file(&config).unwrap();
    let error = vaults(directory.path()).project(&"demo".parse().unwrap()).await.err().unwrap();
    assert!(matches!(&error, Error::Damaged(text) if text.contains("config")), "{error:?}");
    fs::write(&config, &whole).unwrap();
    assert!(stream_back(&vault(directory.path()).await, &stream).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_opens_nothing_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (stream, _) = stored(directory.path()).await;
    let settings = Settings::new(Location::Directory(directory.path().join("vault")));
    let other = MasterKey::parse(&"5b".repeat(32), "test").unwrap();
    let error = Vaults::new(settings, other).unwrap().project(&"demo".parse().unwrap()).await.err().unwrap();
    assert!(matches!(&error, Error::WrongKey(text) if text.contains("demo")), "{error:?}");
    assert!(error.to_string().contains("master key") && !error.to_string().contains("5b5b"), "{error}");
    assert!(stream_back(&vault(directory.path()).await, &stream).await.is_ok());
}
