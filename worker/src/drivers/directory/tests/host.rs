//! What depends on the host: mounts, full disks, immutable files, users without privileges.
//!
//! These need to be root with its capabilities, as in a container or a virtual machine for tests. Where they are not
//! given, the tests say what they could not try.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::IFlags;
use serde_json::json;

use super::harness::{Harness, done};
use crate::driver::{Driver, Error};
use crate::drivers::directory::restore::testing::Bench;
use crate::drivers::directory::sample;

/// Unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where this is not permitted, which is said.
    fn new(arguments: &[&str], on: &Path) -> Option<Self> {
        let output = Command::new("mount").args(arguments).arg(on).output().unwrap();
        if output.status.success() {
            return Some(Self(on.to_owned()));
        }
        eprintln!("NOT TRIED: mounts are not permitted here: {}", String::from_utf8_lossy(&output.stderr));
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mount_points_are_named_not_crossed_and_left_alone() {
    let harness = Harness::new();
    let data = harness.data();
    fs::create_dir_all(data.join("mnt")).unwrap();
    fs::write(data.join("mnt/below"), "under the mount").unwrap();
    fs::write(data.join("bound"), "under the bind mount").unwrap();
    fs::write(data.join("plain"), "plain").unwrap();
    fs::write(harness.base.path().join("other"), "other").unwrap();
    let Some(tmpfs) = Mount::new(&["-t", "tmpfs", "none"], &data.join("mnt")) else { return };
    let other = harness.base.path().join("other");
    let Some(bind) = Mount::new(&["--bind", other.to_str().unwrap()], &data.join("bound")) else { return };
    fs::write(data.join("mnt/inside"), "inside").unwrap();
    let checked = harness.driver.check(&harness.ctx()).await.unwrap();
    let artifact = harness.copy().await.unwrap();
    assert_eq!(artifact.files, 1);
    for warnings in [&checked.warnings, &artifact.warnings] {
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("bound: a mount point") && warnings[1].starts_with("mnt: a mount point"));
    }
    fs::write(data.join("plain"), "damaged").unwrap();
    let did = harness.restore(&artifact).await.unwrap();
    assert!(did.notes.iter().any(|note| note.starts_with("mnt is a mount point")), "{:?}", did.notes);
    let read = |name: &str| fs::read_to_string(data.join(name)).unwrap();
    assert_eq!((read("plain"), read("mnt/inside"), read("bound")), ("plain".into(), "inside".into(), "other".into()));
    // Not mounted any more: what was hidden is not in the snapshot, and must not be taken for something new.
    drop((tmpfs, bind));
    fs::write(data.join("plain"), "damaged").unwrap();
    harness.restore(&artifact).await.unwrap();
    assert_eq!((read("plain"), read("mnt/below")), ("plain".into(), "under the mount".into()));
    assert_eq!(read("bound"), "under the bind mount");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_file_stops_a_restore_before_it_begins() {
    let harness = Harness::new();
    let data = harness.data();
    for name in ["a", "locked"] {
        fs::write(data.join(name), "then").unwrap();
    }
    let artifact = harness.copy().await.unwrap();
    for name in ["a", "locked"] {
        fs::write(data.join(name), "now").unwrap();
    }
    let locked = fs::File::open(data.join("locked")).unwrap();
    if let Err(errno) = rustix::fs::ioctl_setflags(&locked, IFlags::IMMUTABLE) {
        eprintln!("NOT TRIED: files can't be made immutable here: {errno}");
        return;
    }
    let plan = harness.preview(&artifact).await;
    let error = harness.restore(&artifact).await;
    rustix::fs::ioctl_setflags(&locked, IFlags::empty()).unwrap();
    assert!(plan.unwrap().blockers[0].starts_with("locked is immutable"));
    assert!(matches!(error.unwrap_err(), Error::Permanent(text) if text.contains("not begun: locked is immutable")));
    assert_eq!(fs::read_to_string(data.join("a")).unwrap(), "now", "nothing was touched");
    harness.restore(&artifact).await.unwrap();
    assert_eq!(fs::read_to_string(data.join("locked")).unwrap(), "then");
}

#[test]
fn a_full_disk_is_seen_beforehand_or_loses_nothing() {
    let bench = Bench::new();
    for number in 0..12_u8 {
        fs::write(bench.was().join(format!("f{number}")), vec![number; 150_000]).unwrap();
    }
    let Some(_small) = Mount::new(&["-t", "tmpfs", "-o", "size=1m", "none"], &bench.now()) else { return };
    let plan = bench.plan();
    assert!(plan.blockers[0].contains("not enough room"), "{:?}", plan.blockers);
    let error = bench.restore().unwrap_err();
    assert!(matches!(&error, Error::Permanent(text) if text.contains("not begun: not enough room")), "{error}");
    assert_eq!(fs::read_dir(bench.now()).unwrap().count(), 0);
    // Enough at first, and then somebody else fills it.
    let Some(_larger) = Mount::new(&["-t", "tmpfs", "-o", "size=3m", "none"], &bench.now()) else { return };
    for number in 0..12 {
        fs::write(bench.now().join(format!("f{number}")), "old").unwrap();
    }
    let filler = bench.now().join("filler");
    let calls = AtomicU64::new(0);
    let error = bench
        .restore_if(&|| {
            if calls.fetch_add(1, Ordering::SeqCst) == 20 {
                assert!(fs::write(&filler, vec![1; 3 << 20]).is_err());
            }
            Ok(())
        })
        .unwrap_err();
    assert!(matches!(&error, Error::Permanent(text) if text.contains("the file system is full")), "{error}");
    for number in 0..12_u8 {
        let now = fs::read(bench.now().join(format!("f{number}"))).unwrap();
        assert!(now == b"old" || now == vec![number; 150_000], "f{number} is neither");
    }
    assert!(!bench.has_temporary());
    fs::remove_file(&filler).unwrap();
    bench.restore().unwrap();
    assert_eq!(bench.differences(), Vec::<String>::new());
}

/// What the children below are told.
const BASE: &str = "STACKSNAP_TEST_BASE";
const NOBODY: u32 = 65534;

/// Runs a test of this file as `nobody`, with these capabilities only; the directory `base` is its own.
fn as_nobody(base: &Path, test: &str, capabilities: &str) {
    // The binary may lie where others can't go.
    let program = base.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [base, &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    chown(base, Some(NOBODY), Some(NOBODY)).unwrap();
    let inherited = format!("--inh-caps=-all{capabilities}");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-sys_admin", &inherited])
        .arg(format!("--ambient-caps=-all{capabilities}"))
        .arg(program)
        .args(["--exact", &format!("drivers::directory::tests::host::{test}"), "--ignored"])
        .env(BASE, base)
        .env("TMPDIR", base)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("NOT TRIED: only root can run a test as another user");
    }
    root
}

#[test]
fn a_worker_without_rights_names_what_it_may_not_do() {
    if !is_root() {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let data = base.path().join("data");
    fs::create_dir_all(data.join("closed")).unwrap();
    fs::write(data.join("closed/inside"), "x").unwrap();
    for (name, mode) in [("own", 0o600), ("secret", 0o600), ("readable", 0o644)] {
        fs::write(data.join(name), name).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(data.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    for path in [data.clone(), data.join("own")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    as_nobody(base.path(), "without_rights", "");
    assert!(data.join("closed/inside").exists() && data.join("secret").exists());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run as another user by a_worker_without_rights_names_what_it_may_not_do"]
async fn without_rights() {
    let base = std::env::var(BASE).expect("started by another test");
    let mut harness = Harness::at(tempfile::tempdir().unwrap());
    fs::rename(Path::new(&base).join("data"), harness.data()).unwrap();
    let data = harness.data();
    let named = |warnings: &[String], name: &str| warnings.iter().any(|text| text.starts_with(&format!("{name}: ")));
    let checked = harness.driver.check(&harness.ctx()).await.unwrap();
    assert!(named(&checked.warnings, "secret") && named(&checked.warnings, "closed"), "{checked:?}");
    assert!(checked.warnings.iter().any(|text| text.starts_with("readable: the worker may not set this owner")));
    let error = harness.copy().await.unwrap_err();
    assert!(matches!(&error, Error::Permanent(text) if text.contains("can't read closed:")), "{error}");
    assert_eq!(harness.entries().await, 0, "nothing is left of it");

    harness.properties = json!({"unreadable": "skip"});
    let artifact = harness.copy().await.unwrap();
    assert_eq!(artifact.files, 2);
    assert!(named(&artifact.warnings, "secret") && named(&artifact.warnings, "closed"), "{:?}", artifact.warnings);
    // What was left out is left alone; what is another's can't be made anew with its owner.
    fs::write(data.join("own"), "damaged").unwrap();
    harness.restore(&artifact).await.unwrap();
    assert_eq!(fs::read_to_string(data.join("own")).unwrap(), "own");
    fs::remove_file(data.join("readable")).unwrap();
    let plan = harness.preview(&artifact).await.unwrap();
    assert!(plan.blockers[0].contains("readable: the worker may not set its owner 0:0"), "{plan:?}");
    assert!(matches!(harness.restore(&artifact).await, Err(Error::Permanent(_))));
    harness.properties = json!({"unreadable": "skip", "owners": "skip"});
    harness.restore(&artifact).await.unwrap();
    assert_eq!(fs::metadata(data.join("readable")).unwrap().uid(), NOBODY);
    fs::rename(data, Path::new(&base).join("data")).unwrap();
}

#[test]
fn a_worker_with_the_rights_of_the_container_restores_owners_and_modes() {
    if !is_root() {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    as_nobody(base.path(), "with_some_rights", ",+chown,+fowner,+dac_read_search");
}

/// User 65534 with `CAP_CHOWN`, `CAP_FOWNER` and `CAP_DAC_READ_SEARCH`, as the compose file's worker.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run as another user by a_worker_with_the_rights_of_the_container_restores_owners_and_modes"]
async fn with_some_rights() {
    assert!(std::env::var(BASE).is_ok(), "started by another test");
    let harness = Harness::filled(41, 150);
    let data = harness.data();
    // Others' files in others' directories, which this process may not write to but by taking them over.
    fs::create_dir_all(data.join("theirs/deep")).unwrap();
    for (number, name) in ["theirs/deep/a", "theirs/deep/b", "theirs/c", "theirs/deep", "theirs"].iter().enumerate() {
        let path = data.join(name);
        if number < 3 {
            fs::write(&path, vec![7; 5000]).unwrap();
            let mode = if number == 0 { 0o4711 } else { 0o640 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        chown(&path, Some(1000 + number as u32), Some(2000)).unwrap();
        if number == 0 {
            // A change of owner has cleared the set-id bit.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o4711)).unwrap();
        }
    }
    let was = sample::manifest(&data).unwrap();
    let artifact = harness.copy().await.unwrap();
    chown(data.join("theirs/deep"), Some(NOBODY), None).unwrap();
    fs::write(data.join("theirs/deep/extra"), "x").unwrap();
    fs::remove_file(data.join("theirs/deep/a")).unwrap();
    chown(data.join("theirs/deep"), Some(1003), None).unwrap();
    sample::damage(&data, 41).unwrap();
    let plan = harness.preview(&artifact).await.unwrap();
    assert_eq!(plan.blockers, Vec::<String>::new());
    done(harness.driver.restore(&harness.ctx(), &artifact).await).unwrap();
    assert_eq!(sample::compare(&was, &data).unwrap(), []);
}
