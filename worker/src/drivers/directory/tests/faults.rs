//! Processes that are killed and stopped in the middle of a restore.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::harness::Harness;
use crate::driver::{Driver, Error};
use crate::drivers::directory::control::Use;
use crate::drivers::directory::restore::testing::Bench;
use crate::drivers::directory::sample;

/// How a child is told what to do; in a run without it, it has nothing to do.
const TOLD: &str = "STACKSNAP_TEST_RESTORE";

/// Killed with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a restore in another process, which sends itself `signal` when it asks for the `at`-th time whether to go on.
fn restore_in_child(bench: &Bench, signal: Signal, at: u64) -> Guard {
    let told = format!("{} {} {} {at}", bench.base.display(), bench.step, signal.as_raw());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "drivers::directory::tests::faults::child", "--ignored", "--nocapture"])
        .env(TOLD, told)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Guard(child)
}

#[test]
#[ignore = "the process that the other tests of this file start"]
fn child() {
    let told = std::env::var(TOLD).expect("started by another test");
    let mut told = told.split(' ');
    let mut next = || told.next().unwrap();
    let (base, step) = (next(), next().parse().unwrap());
    let bench = Bench::at(base.as_ref(), step);
    let signal = Signal::from_named_raw(next().parse().unwrap()).unwrap();
    let at: u64 = next().parse().unwrap();
    let (calls, stopped) = (AtomicU64::new(0), AtomicU64::new(0));
    let result = bench.restore_if(&|| {
        if calls.fetch_add(1, Ordering::SeqCst) == at {
            kill_process(getpid(), signal).unwrap();
            stopped.store(1, Ordering::SeqCst);
        }
        // Who was stopped has lost the lease meanwhile.
        if stopped.load(Ordering::SeqCst) == 1 { Err(Error::LeaseLost) } else { Ok(()) }
    });
    if stopped.load(Ordering::SeqCst) == 1 {
        assert_eq!(result.unwrap_err(), Error::LeaseLost);
    } else {
        result.unwrap();
    }
}

#[test]
fn killed_anywhere_it_is_finished_by_the_next() {
    let bench = Bench::filled(31, 100);
    sample::damage(&bench.now(), 31).unwrap();
    let mut kills = 0;
    for at in (0..).map(|n: u32| 1.5_f64.powi(n as i32) as u64 + 20) {
        let status = restore_in_child(&bench, Signal::KILL, at).0.wait().unwrap();
        if status.success() {
            break;
        }
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(status.signal(), Some(9), "killed, not failed: {status:?}");
        kills += 1;
    }
    assert!(kills > 8, "{kills}");
    assert_eq!(bench.differences(), Vec::<String>::new());
    assert!(!bench.has_temporary());
}

#[test]
fn a_stopped_self_keeps_its_successor_out_and_does_nothing_more() {
    for (seed, part) in [(32, 2), (33, 3)] {
        let bench = Bench::filled(seed, 100);
        sample::damage(&bench.now(), seed).unwrap();
        // How often a whole restore asks, to stop the child in the midst of its renames.
        let calls = AtomicU64::new(0);
        let count = || {
            calls.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        bench.restore_if(&count).unwrap();
        sample::damage(&bench.now(), seed).unwrap();
        let mut child = restore_in_child(&bench, Signal::STOP, calls.into_inner() * part / 4);
        let pid = child.0.id();
        let deadline = Instant::now() + Duration::from_secs(60);
        let stopped = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"))
        };
        while !stopped() {
            assert!(Instant::now() < deadline, "the child did not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        let lock = || bench.control().lock(&bench.place(), Use::Restore).unwrap();
        assert!(lock().is_none(), "the stopped one has the lock");
        let before = sample::manifest(&bench.now()).unwrap();
        kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::CONT).unwrap();
        assert!(child.0.wait().unwrap().success());
        let after = sample::manifest(&bench.now()).unwrap();
        let changed = before.differences(&after);
        // It tidied its own temporary names away, and nothing else happened: whatever else changed is the time of the
        // directories that they were in.
        let only_tidied = changed.iter().all(|difference| {
            difference.path.contains(".stacksnap-restore.") || difference.what.starts_with("time was")
        });
        assert!(only_tidied, "{changed:?}");
        bench.restore().unwrap();
        assert_eq!(bench.differences(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_restore_says_what_it_did_and_is_finished_by_the_next() {
    let harness = Harness::filled(34, 150);
    let was = sample::manifest(&harness.data()).unwrap();
    let artifact = harness.copy().await.unwrap();
    std::fs::remove_dir_all(harness.data()).unwrap();
    let ctx = harness.ctx();
    let begun = async {
        while ctx.progress.sample().files == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ctx.cancel.cancel();
    };
    let (result, ()) = tokio::join!(harness.driver.restore(&ctx, &artifact), begun);
    assert_eq!(result.unwrap_err(), Error::Cancelled);
    let half = harness.driver.half_restored(&ctx).await;
    assert!(half["left"].as_u64() > Some(0) && half["files"].as_array().is_some_and(|all| !all.is_empty()), "{half}");
    harness.restore(&artifact).await.unwrap();
    assert_eq!(sample::compare(&was, &harness.data()).unwrap(), []);
    assert_eq!(harness.driver.half_restored(&ctx).await, serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_vault_fails_a_restore_and_keeps_the_files() {
    let harness = Harness::new();
    std::fs::write(harness.data().join("a"), vec![1; 100_000]).unwrap();
    let artifact = harness.copy().await.unwrap();
    std::fs::write(harness.data().join("a"), "now").unwrap();
    // Every pack loses its first half, where the only data blob is.
    let mut packs = vec![harness.base.path().join("vault")];
    while let Some(path) = packs.pop() {
        if path.is_dir() {
            packs.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.parent().unwrap().parent().unwrap().ends_with("data") {
            let mut bytes = std::fs::read(&path).unwrap();
            let half = bytes.len() / 2;
            bytes[..half].fill(0);
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let error = harness.restore(&artifact).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent(text) if text.contains("damaged")), "{error}");
    assert_eq!(std::fs::read_to_string(harness.data().join("a")).unwrap(), "now");
}
