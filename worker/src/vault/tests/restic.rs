//! What restic itself, as Debian has it, makes of a repository of ours. It must be installed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use secrecy::ExposeSecret;

use super::*;

fn restic(directory: &Path, arguments: &[&str]) -> Output {
    let access = vaults(directory).restic_access(&"demo".parse().unwrap());
    let output = Command::new("restic")
        .args(["--no-cache", "-r", &access.repository])
        .args(arguments)
        .env("RESTIC_PASSWORD", access.password.expose_secret())
        .output()
        .expect("restic must be installed (Debian: apt install restic)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "restic {arguments:?}: {errors} {}", String::from_utf8_lossy(&output.stdout));
    output
}

/// By restic's own rules everything in the repository is there and readable.
pub(super) fn checks(directory: &Path) {
    let checked = restic(directory, &["check", "--read-data"]);
    assert!(String::from_utf8_lossy(&checked.stdout).contains("no errors were found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn restic_checks_lists_and_restores_what_we_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    let content = noise(1, 5 << 20);
    let stream = vault.put_stream(&label("a, b"), "dump.sql", io::Cursor::new(content.clone()), work()).await.unwrap();
    let tree = shared(plain());
    let stored = vault.put_tree(&label("d"), tree.clone(), work()).await.unwrap();
    vault.put_tree(&label("nasty"), shared(trees::nasty()), work()).await.unwrap();
    vault.put_manifest(&label("d"), b"{}".to_vec(), work()).await.unwrap();

    checks(directory.path());
    let listed: serde_json::Value =
        serde_json::from_slice(&restic(directory.path(), &["snapshots", "--json"]).stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    restic(directory.path(), &["ls", "-l", stored.entry.as_str()]);

    let target = tempfile::tempdir().unwrap();
    let path = target.path().to_str().unwrap();
    restic(directory.path(), &["restore", stream.entry.as_str(), "--target", path]);
    assert!(fs::read(target.path().join("dump.sql")).unwrap() == content);
    restic(directory.path(), &["restore", stored.entry.as_str(), "--target", path]);
    for (entry, content) in tree.expected() {
        let path = target.path().join("data").join(super::super::tests::os_path(&entry));
        let found = fs::symlink_metadata(&path).unwrap();
        // This tree gives the names of one file times of their own, which no file system does: the last one wins.
        if entry.meta.links <= 1 {
            let mtime = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
            assert_eq!(mtime, entry.meta.mtime, "{path:?}");
        }
        match &entry.kind {
            Kind::File => assert!(fs::read(&path).unwrap() == content.unwrap_or_default(), "{path:?}"),
            // Debian 12's restic (0.14) does not know the field that keeps a target that is not UTF-8.
            Kind::Symlink(target) if std::str::from_utf8(target).is_err() => {
                assert!(found.is_symlink(), "{path:?}");
            }
            Kind::Symlink(target) => {
                assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes(), &target[..])
            }
            _ => assert!(found.is_dir()),
        }
        if !matches!(entry.kind, Kind::Symlink(_)) {
            assert_eq!(found.mode() & 0o7777, entry.meta.mode, "{path:?}");
        }
    }
    let (one, two) =
        (fs::metadata(target.path().join("data/link one")), fs::metadata(target.path().join("data/link two")));
    assert_eq!(one.unwrap().ino(), two.unwrap().ino());
}

/// Still so after pruning, which rustic does.
#[tokio::test(flavor = "multi_thread")]
async fn restic_finds_no_fault_after_a_prune() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path()).await;
    for seed in 0..4 {
        let stored = vault.put_stream(&label("s"), "s", io::Cursor::new(noise(seed, 3 << 20)), work()).await.unwrap();
        if seed % 2 == 0 {
            vault.forget(&stored.entry).await.unwrap();
        }
    }
    vault.put_tree(&label("d"), shared(plain()), work()).await.unwrap();
    for _ in 0..2 {
        let project = Arc::clone(&vault.0);
        let run = move || crate::vault::prune::prune(&project, Duration::ZERO, &work());
        tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    }
    let checked = restic(directory.path(), &["check", "--read-data"]);
    assert!(String::from_utf8_lossy(&checked.stdout).contains("no errors were found"));
}

/// Without what only root may make.
fn plain() -> MemoryTree {
    let mut tree = trees::nasty();
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    tree.entries.retain(|(entry, _)| {
        !matches!(entry.kind, Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Socket | Kind::Fifo)
    });
    for (entry, _) in &mut tree.entries {
        entry.meta.xattrs.clear();
        (entry.meta.uid, entry.meta.gid) = (uid, gid);
        // Beyond what every file system can say.
        entry.meta.mtime = entry.meta.mtime.clamp(-1_500_000_001, 2_000_000_000_000_000_000);
    }
    tree
}
