//! The place itself: missing, not mounted, not writable, full; and who makes a repository first.

use std::fs;

use uuid::Uuid;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_see_one_marker() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (vaults(directory.path()), vaults(directory.path()));
    let (first, second) = tokio::join!(one.marker(), other.marker());
    assert_eq!(first.clone().unwrap(), second.unwrap());
    assert_eq!(vaults(directory.path()).marker().await, first);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_ne!(vaults(elsewhere.path()).marker().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_not_mounted_is_not_an_empty_vault() {
    let directory = tempfile::tempdir().unwrap();
    let vaults = vaults(directory.path());
    let vault = vaults.project(&"demo".parse().unwrap()).await.unwrap();
    let stored = vault.put_stream(&label("s"), "s", &b"abc"[..], work()).await.unwrap();
    fs::rename(directory.path().join("vault"), directory.path().join("away")).unwrap();
    let errors = [
        vault.put_stream(&label("s"), "s", &b"abcd"[..], work()).await.err(),
        vault.entries().await.err(),
        stream_back(&vault, &stored.entry).await.err(),
        vaults.project(&"new".parse().unwrap()).await.err(),
        vaults.projects().await.err(),
        vaults.marker().await.err(),
        vault.prune(PruneRules { longest_copy: Duration::ZERO }, work()).await.err(),
    ];
    for error in errors {
        let error = error.unwrap();
        assert!(matches!(error, Error::Unavailable(_)) && error.is_transient(), "{error:?}");
    }
    // Another one in its place is noticed too.
    fs::create_dir(directory.path().join("vault")).unwrap();
    assert!(matches!(vaults.project(&"new".parse().unwrap()).await.err(), Some(Error::Unavailable(_))));
    fs::remove_dir(directory.path().join("vault")).unwrap();
    fs::rename(directory.path().join("away"), directory.path().join("vault")).unwrap();
    assert_eq!(stream_back(&vault, &stored.entry).await.unwrap().0, b"abc");
    assert!(vaults.project(&"new".parse().unwrap()).await.is_ok());
}

/// A process that has just started, and whose store has been in use.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_vault_that_is_expected_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let marker = vaults(directory.path()).marker().await.unwrap();
    let project = "demo".parse().unwrap();
    vaults(directory.path()).project(&project).await.unwrap();
    let expecting = |id| {
        let vaults = vaults(directory.path());
        vaults.expect(id);
        vaults
    };
    assert!(expecting(marker).project(&project).await.is_ok());
    for found in [expecting(Uuid::new_v4()).project(&project).await, expecting(Uuid::new_v4()).existing(&project).await]
    {
        let error = found.err().unwrap();
        assert!(matches!(&error, Error::Unavailable(why) if why.contains("is another vault")), "{error}");
    }
    fs::rename(directory.path().join("vault"), directory.path().join("away")).unwrap();
    fs::create_dir(directory.path().join("vault")).unwrap();
    let error = expecting(marker).project(&project).await.err().unwrap();
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("is its disk mounted?")), "{error}");
    assert_eq!(vaults(directory.path()).found().await.unwrap(), None, "nothing is made where it should be");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_can_t_be_is_said_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| Vaults::new(Settings::new(Location::Directory(directory.path().join(path))), key()).unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let project = "demo".parse().unwrap();
    assert!(matches!(at("no/such/parent").project(&project).await.err(), Some(Error::Unavailable(_))));
    assert!(at("file").project(&project).await.is_err());
    let missing = at("vault").existing(&project).await.err();
    assert!(missing.is_some());
    at("vault").marker().await.unwrap();
    assert!(matches!(at("vault").existing(&project).await.err(), Some(Error::NotFound(_))));
    assert!(!directory.path().join("vault/demo").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_make_a_repository_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let all: Vec<Vaults> = (0..4).map(|_| vaults(directory.path())).collect();
    let opened = futures_util::future::join_all(all.iter().map(async |vaults| {
        let vault = vaults.project(&"demo".parse().unwrap()).await?;
        vault.put_stream(&label("s"), "s", &b"abc"[..], work()).await.map(|stored| (vault, stored))
    }))
    .await;
    assert_eq!(files(directory.path(), "keys").len(), 1);
    let opened: Vec<_> = opened.into_iter().collect::<Result<_, _>>().unwrap();
    for (vault, _) in &opened {
        for (_, stored) in &opened {
            assert_eq!(stream_back(vault, &stored.entry).await.unwrap().0, b"abc");
        }
    }
}

/// A maker that was killed between the key and the config leaves a key that opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_makers_key_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let stored = {
        vault(directory.path()).await;
        // As if the config had never been written.
        fs::remove_file(directory.path().join("vault/demo/config")).unwrap();
        let vault = vault(directory.path()).await;
        vault.put_stream(&label("s"), "s", &b"abc"[..], work()).await.unwrap()
    };
    assert_eq!(files(directory.path(), "keys").len(), 1);
    // And one that lost a race where the place knows no locks.
    let other = tempfile::tempdir().unwrap();
    vault(other.path()).await;
    let stray = &files(other.path(), "keys")[0];
    fs::copy(stray, directory.path().join("vault/demo/keys").join(stray.file_name().unwrap())).unwrap();
    assert_eq!(stream_back(&vault(directory.path()).await, &stored.entry).await.unwrap().0, b"abc");
    assert_eq!(files(directory.path(), "keys").len(), 1);
}
