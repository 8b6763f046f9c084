//! What an operator does, beside a running service and without one; and the client's whole way, against the real one.

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Command;

use stacksnap_common::testing::redis::RedisServer;
use stacksnap_worker::drivers::directory::sample;

use crate::support::cli::{command, ended};
use crate::support::serve::Serve;

const SIZE: sample::Size = sample::Size { entries: 200, largest: 100_000 };

/// A service with the stack `web` of a tree, and its snapshot `before`.
fn with_snapshot() -> (Serve, sample::Manifest) {
    with_snapshot_but(None)
}

/// The same without the directory `left_out` of the sample.
fn with_snapshot_but(left_out: Option<&str>) -> (Serve, sample::Manifest) {
    let serve = Serve::start();
    let tree = serve.root().join("tree");
    std::fs::create_dir(&tree).unwrap();
    sample::build(&tree, 11, SIZE).unwrap();
    if let Some(name) = left_out {
        std::fs::remove_dir_all(tree.join(name)).unwrap();
    }
    let resources = format!("  tree:\n    type: Stacksnap::Directory\n    external_id: {}", tree.display());
    serve.stack("web", &resources).exits(0);
    serve.client(&["snapshot", "create", "web", "--name", "before", "--wait"]).exits(0);
    let was = sample::manifest(&tree).unwrap();
    (serve, was)
}

#[test]
fn a_store_that_was_lost_is_made_again_from_the_vaults() {
    let (mut serve, was) = with_snapshot();
    let tree = serve.root().join("tree");
    let ran = serve.operator(&["store", "dump", "--prefix", "snapshot/"]).exits(0);
    assert!(ran.stderr.contains("asking the service") && ran.stdout.lines().count() == 1, "{ran:?}");
    let ran = serve.operator(&["catalog", "rebuild"]).exits(0);
    assert!(ran.stdout.contains("known already"), "{ran:?}");
    serve.stop();
    std::fs::remove_file(serve.data().join("store.redb")).unwrap();

    let ran = serve.operator(&["catalog", "rebuild"]).exits(0);
    assert!(ran.stderr.contains("opening the files") && ran.stdout.contains("brought back"), "{ran:?}");
    serve.resume();
    sample::damage(&tree, 12).unwrap();
    let listed = serve.client(&["snapshot", "list", "web", "--json"]).exits(0).json();
    assert_eq!(
        (&listed["snapshots"][0]["name"], &listed["snapshots"][0]["status"]),
        (&"before".into(), &"COMPLETE".into())
    );
    serve.client(&["snapshot", "show", "web", "before"]).exits(0);
    serve.client(&["snapshot", "plan", "web", "before"]).exits(0);
    serve.client(&["snapshot", "restore", "web", "before", "--wait"]).exits(0);
    assert_eq!(sample::compare(&was, &tree).unwrap(), []);
    serve.client(&["snapshot", "delete", "web", "before", "--yes", "--wait"]).exits(0);
    serve.client(&["stack", "delete", "web", "--yes", "--wait"]).exits(0);
    serve.client(&["stack", "show", "web"]).exits(3);
}

#[test]
fn what_no_record_points_at_is_listed_and_removed() {
    let (mut serve, _) = with_snapshot();
    let list = ["orphans", "--json", "--older-than", "0s"];
    let ran = serve.operator(&list).exits(0);
    assert_eq!(ran.stdout, "", "a snapshot that is there is no orphan");
    serve.stop();
    std::fs::remove_file(serve.data().join("store.redb")).unwrap();
    // A new store, which knows of nothing.
    serve.resume();
    serve.stop();
    assert_eq!(serve.operator(&["orphans"]).exits(0).stdout, "", "what is young is left out");
    let listed = serve.operator(&list).exits(0);
    assert_eq!(listed.stdout.lines().count(), 2, "the tree and the manifest: {listed:?}");
    assert!(listed.stdout.contains("\"removed\":false"), "{listed:?}");
    let ids = listed.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone());
    let ids = ids.map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(",");
    let wrong = serve.operator(&["orphans", "--older-than", "0s", "--delete", "nothing"]).exits(1);
    assert!(wrong.stderr.contains("nothing is no orphan") && wrong.stdout.contains("entry"), "{wrong:?}");
    serve.operator(&["orphans", "--older-than", "0s", "--delete", &ids]).exits(0);
    assert_eq!(serve.operator(&list).exits(0).stdout, "");
    assert_eq!(serve.operator(&["catalog", "rebuild"]).exits(0).stdout, "", "what was removed is not brought back");
}

/// restic is told of neither our binary nor our key: only of what `vault key` prints.
#[test]
fn restic_checks_and_restores_a_vault_with_the_key() {
    // Its paths are longer than restic can restore.
    let (serve, _) = with_snapshot_but(Some("deep"));
    let key = serve.operator(&["vault", "key", "default"]).exits(0).stdout;
    let none = serve.operator(&["vault", "key", "other"]).exits(3);
    assert!(none.stdout.is_empty() && none.stderr.contains("no vault of that project is there yet"), "{none:?}");
    let restic = |arguments: &[&str]| {
        let mut restic = Command::new("restic");
        for line in key.lines() {
            let (name, value) = line.split_once('=').unwrap();
            restic.env(name, value.trim_matches('\''));
        }
        let ran = ended(restic.current_dir(&serve.dir).args(arguments).arg("--no-cache").output().unwrap());
        ran.exits(0)
    };
    assert!(restic(&["check", "--read-data"]).stdout.contains("no errors were found"));
    let snapshots = restic(&["snapshots", "--json"]).json();
    let tree = snapshots.as_array().unwrap().iter().find(|one| one["tags"].to_string().contains("resource=tree"));
    let target = serve.dir.path().join("out");
    restic(&["restore", tree.unwrap()["short_id"].as_str().unwrap(), "--target", target.to_str().unwrap()]);
    let compared = same_files(&serve.root().join("tree"), &target.join("data"));
    assert!(compared > 100, "{compared}");
}

/// Compares the bytes of every regular file of two trees that have the same; how many those were.
fn same_files(one: &Path, other: &Path) -> u64 {
    // restic makes no sockets.
    let names_in = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        let entries = entries.filter(|entry| !entry.file_type().unwrap().is_socket());
        entries.map(|entry| entry.file_name()).collect::<BTreeSet<_>>()
    };
    let names = names_in(one);
    assert_eq!(names, names_in(other), "in {}", one.display());
    let mut compared = 0;
    for name in names {
        let (one, other) = (one.join(&name), other.join(&name));
        let (kind, its) = (one.symlink_metadata().unwrap().file_type(), other.symlink_metadata().unwrap().file_type());
        assert_eq!(kind, its, "{}", one.display());
        if kind.is_dir() {
            compared += same_files(&one, &other);
        } else if kind.is_file() {
            assert!(std::fs::read(&one).unwrap() == std::fs::read(&other).unwrap(), "{}", one.display());
            compared += 1;
        }
    }
    compared
}

#[test]
fn a_key_of_a_vault_that_is_not_there_is_asked_for_in_vain() {
    let directory = tempfile::tempdir().unwrap();
    let mut key = command(&["vault", "key", "default", "--data-dir", "none"]);
    let ran = ended(key.current_dir(&directory).output().unwrap()).exits(1);
    assert!(ran.stderr.contains("master key can't be read"), "{ran:?}");
    // A store is made from a vault, and there is no key to one.
    let mut rebuild = command(&["catalog", "rebuild", "--data-dir", "mistyped"]);
    let ran = ended(rebuild.current_dir(&directory).output().unwrap()).exits(2);
    assert!(ran.stderr.contains("mistyped/master.key") && ran.stderr.contains("vault.master_key_file"), "{ran:?}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "nothing is made");
}

#[test]
fn a_key_that_is_not_used_is_said_why_and_the_vaults_count_as_not_searched() {
    let (mut serve, _) = with_snapshot();
    serve.stop();
    let key = serve.data().join("master.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (arguments, status) in [(["catalog", "rebuild"].as_slice(), 2), (&["orphans"], 1)] {
        let ran = serve.operator(arguments).exits(status);
        assert!(ran.stderr.contains("run `chmod 600"), "{ran:?}");
    }
}

/// The data directory is made for the key and the control socket, where the store is elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_beside_redis_makes_the_data_directory() {
    let redis = RedisServer::start().await;
    let serve = Serve::start_with(&format!("redis = '{}'\n", redis.url()), None);
    assert!(serve.data().join("master.key").exists());
    let ran = serve.operator(&["store", "dump"]).exits(0);
    assert!(ran.stderr.contains("asking the service"), "{ran:?}");
}

#[test]
fn who_looks_at_a_store_that_is_not_there_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["store", "dump"][..], &["orphans"], &["orphans", "--delete", "x"]] {
        let mut look = command(&[arguments, &["--data-dir", "mistyped"]].concat());
        let ran = ended(look.current_dir(&directory).output().unwrap()).exits(2);
        assert!(ran.stderr.contains("there is no store in mistyped"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "nothing is made");
}

/// The first command of the README, with less data.
#[test]
fn the_demo_runs_to_its_end_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Others may pass through it: the demo's database server runs as another user.
    std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let mut demo = command(&["demo", "--entries", "200"]);
    let ran = ended(demo.current_dir(&directory).env("TMPDIR", directory.path()).output().unwrap()).exits(0);
    for line in
        ["snapshot  COMPLETE", "plan      files", "every byte, mode, time, link", "every row, sequence and definition"]
    {
        assert!(ran.stdout.contains(line), "{line:?} is not in {ran:?}");
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "something is left behind");
}
