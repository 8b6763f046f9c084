//! A restore by itself: every kind of damage undone, every kind of end survived.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicU64, Ordering};

use super::record;
use super::testing::Bench;
use crate::driver::Error;
use crate::drivers::directory::sample;

/// Restores, and looks once more: then there is nothing to do.
#[track_caller]
fn restored(bench: &Bench) {
    let plan = bench.plan();
    let done = bench.restore().unwrap();
    assert_eq!(plan, done, "the plan says what is done");
    assert_eq!(bench.differences(), Vec::<String>::new());
    let again = bench.plan();
    assert_eq!((again.creates, again.overwrites, again.removes), (0, 0, 0), "{:?}", again.sample);
    assert!(!bench.has_temporary());
    assert!(!bench.control().restores(&bench.place()).exists(), "no record is left");
}

#[test]
fn every_kind_of_damage_is_undone() {
    for seed in 0..4 {
        let bench = Bench::filled(seed, 250);
        sample::damage(&bench.now(), seed + 100).unwrap();
        assert!(bench.differences().len() > 30);
        restored(&bench);
    }
}

#[test]
fn a_tree_of_another_kind_is_replaced_whole() {
    let bench = Bench::new();
    let size = sample::Size { entries: 200, largest: 50_000 };
    sample::build(&bench.was(), 1, size).unwrap();
    sample::build(&bench.now(), 2, size).unwrap();
    restored(&bench);
}

#[test]
fn an_empty_and_a_missing_directory_are_filled() {
    let bench = Bench::new();
    sample::build(&bench.was(), 3, sample::Size { entries: 200, largest: 50_000 }).unwrap();
    restored(&bench);
    fs::remove_dir_all(bench.now()).unwrap();
    restored(&bench);
    fs::remove_dir_all(bench.was()).unwrap();
    fs::create_dir(bench.was()).unwrap();
    restored(&bench);
}

#[test]
fn what_is_unchanged_is_not_written() {
    let bench = Bench::filled(4, 100);
    let inode = |name: &str| fs::symlink_metadata(bench.now().join(name)).unwrap().ino();
    let before = (inode("kinds/linked"), inode("kinds/fifo"), inode("names/a"));
    fs::write(bench.now().join("names/-rf"), "other").unwrap();
    fs::set_permissions(bench.now().join("names/a"), fs::Permissions::from_mode(0o123)).unwrap();
    let done = bench.restore().unwrap();
    assert_eq!(bench.differences(), Vec::<String>::new());
    assert_eq!(before, (inode("kinds/linked"), inode("kinds/fifo"), inode("names/a")));
    assert!(done.overwrites >= 2 && done.overwrites <= 3, "the two, and a directory's time: {done:?}");
}

#[test]
fn nothing_outside_is_reached_through_links() {
    let bench = Bench::filled(5, 60);
    let outside = bench.base.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("one"), "not to be touched").unwrap();
    fs::write(outside.join("a"), "not to be touched").unwrap();
    fs::write(outside.join("linked"), "shared").unwrap();
    let before = sample::manifest(&outside).unwrap();
    // A link where a directory with files was, one where a file was, and a hard link to a file outside.
    fs::remove_dir_all(bench.now().join("kinds/with-one")).unwrap();
    symlink(&outside, bench.now().join("kinds/with-one")).unwrap();
    fs::remove_dir_all(bench.now().join("names")).unwrap();
    symlink(&outside, bench.now().join("names")).unwrap();
    fs::remove_file(bench.now().join("kinds/only-a-hole")).unwrap();
    fs::hard_link(outside.join("linked"), bench.now().join("kinds/only-a-hole")).unwrap();
    symlink(&outside, bench.now().join("extra")).unwrap();
    restored(&bench);
    let after = sample::manifest(&outside).unwrap();
    assert_eq!(before.differences(&after), []);
}

#[test]
fn holes_stay_holes_and_links_stay_links() {
    let bench = Bench::new();
    let file = fs::File::create(bench.was().join("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", (64 << 20) - 3).unwrap();
    fs::write(bench.was().join("a"), "x").unwrap();
    fs::hard_link(bench.was().join("a"), bench.base.join("outside")).unwrap();
    restored(&bench);
    assert!(fs::metadata(bench.now().join("sparse")).unwrap().blocks() < 1000);
    // The recorded link to the outside is not made again, and said so.
    fs::write(bench.now().join("a"), "y").unwrap();
    let plan = bench.plan();
    assert!(plan.notes.iter().any(|note| note.contains("a had 1 hard links outside")), "{:?}", plan.notes);
}

#[test]
fn what_is_excluded_is_never_touched() {
    let mut bench = Bench::filled(6, 60);
    fs::create_dir_all(bench.now().join("new/cache/deep")).unwrap();
    fs::write(bench.now().join("new/cache/deep/kept"), "kept").unwrap();
    fs::write(bench.now().join("new/gone"), "gone").unwrap();
    fs::write(bench.now().join("kept.log"), "kept").unwrap();
    fs::write(bench.now().join("names/a"), "excluded as well: it stays damaged").unwrap();
    bench.exclude = vec!["cache/".into(), "*.log".into(), "/names/a".into()];
    let done = bench.restore().unwrap();
    assert!(!bench.now().join("new/gone").exists());
    assert_eq!(fs::read_to_string(bench.now().join("new/cache/deep/kept")).unwrap(), "kept");
    assert_eq!(fs::read_to_string(bench.now().join("kept.log")).unwrap(), "kept");
    assert!(fs::read_to_string(bench.now().join("names/a")).unwrap().starts_with("excluded"));
    for name in ["new/cache", "kept.log", "names/a"] {
        assert!(done.notes.iter().any(|note| note.contains(name)), "{name}: {:?}", done.notes);
    }
    // A file can't take the place of a directory that holds something excluded.
    fs::remove_file(bench.now().join("kinds/linked")).unwrap();
    fs::create_dir_all(bench.now().join("kinds/linked/cache")).unwrap();
    let error = bench.restore().unwrap_err();
    assert!(matches!(&error, Error::Permanent(text) if text.contains("kinds/linked/cache is excluded")), "{error}");
    assert!(bench.now().join("kinds/linked/cache").exists());
}

#[test]
fn stopped_anywhere_it_is_finished_by_the_next() {
    for (seed, reason) in [(7, Error::LeaseLost), (8, Error::Cancelled)] {
        let mut bench = Bench::filled(seed, 120);
        sample::damage(&bench.now(), seed).unwrap();
        let (calls, limit) = (AtomicU64::new(0), AtomicU64::new(0));
        let go_on = || match calls.fetch_add(1, Ordering::Relaxed) >= limit.load(Ordering::Relaxed) {
            true => Err(reason.clone()),
            false => Ok(()),
        };
        // Stops after ever more of it: in the comparison, between temporary name and rename, in the removals.
        for stop in (0..).map(|n: u32| 1.4_f64.powi(n as i32) as u64 + 50) {
            calls.store(0, Ordering::Relaxed);
            limit.store(stop, Ordering::Relaxed);
            match bench.restore_if(&go_on) {
                Err(error) => assert_eq!(error, reason),
                Ok(_) => break,
            }
            bench.fence += 1;
        }
        assert!(bench.fence > 5);
        assert_eq!(bench.differences(), Vec::<String>::new());
    }
}

#[test]
fn a_failing_archive_leaves_whole_files_and_a_list() {
    let mut bench = Bench::filled(9, 150);
    let before = sample::manifest(&bench.now()).unwrap();
    sample::damage(&bench.now(), 9).unwrap();
    bench.fail_after = 5;
    let error = bench.restore().unwrap_err();
    assert!(
        matches!(&error, Error::Transient { reason, .. } if reason.contains("entries were restored before")),
        "{error}"
    );
    assert!(!bench.has_temporary(), "temporary names of a failed restore are removed");
    let restores = bench.control().restores(&bench.place());
    let half = record::half(&restores, bench.step).unwrap().unwrap();
    let done = half.files.iter().filter(|file| file.done).count() as u64;
    assert!(half.done == done && half.left > 0 && half.left == half.files.len() as u64 - done, "{half:?}");
    assert_eq!(record::unfinished(&restores), [bench.step]);
    bench.fail_after = u64::MAX;
    restored(&bench);
    assert_eq!(sample::compare(&before, &bench.now()).unwrap(), []);
    assert_eq!(record::half(&restores, bench.step).unwrap(), None);
}

#[test]
fn a_directory_replaced_under_way_is_noticed() {
    let bench = Bench::filled(10, 60);
    sample::damage(&bench.now(), 10).unwrap();
    let moved = AtomicU64::new(0);
    let error = bench
        .restore_if(&|| {
            if moved.fetch_add(1, Ordering::Relaxed) == 20 {
                fs::rename(bench.now(), bench.base.join("moved")).unwrap();
                fs::create_dir(bench.now()).unwrap();
            }
            Ok(())
        })
        .unwrap_err();
    assert!(error.to_string().contains("replaced by another directory"), "{error}");
    assert_eq!(fs::read_dir(bench.now()).unwrap().count(), 0, "the new one is not touched");
}

/// Somebody swaps directories for links that lead out, all the time, while a restore works.
#[test]
fn a_race_for_a_way_out_is_lost() {
    let bench = Bench::filled(11, 150);
    let outside = bench.base.join("outside");
    fs::create_dir(&outside).unwrap();
    sample::build(&outside, 12, sample::Size { entries: 60, largest: 10_000 }).unwrap();
    let before = sample::manifest(&outside).unwrap();
    let parent = bench.now();
    let aside = bench.base.join("aside");
    for seed in 0..6 {
        sample::damage(&parent, seed).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    for name in ["names", "kinds", "part-000", "deep"] {
                        let path = parent.join(name);
                        if fs::rename(&path, &aside).is_ok() {
                            let _ = symlink(&outside, &path);
                            std::thread::yield_now();
                            let _ = fs::remove_file(&path);
                            let _ = fs::rename(&aside, &path);
                            let _ = fs::remove_dir_all(&aside);
                            let _ = fs::remove_file(&aside);
                        }
                    }
                }
            });
            // It may fail, for what it needs is taken from under it; but it stays inside.
            let _ = bench.restore();
            stop.store(true, Ordering::SeqCst);
        });
    }
    assert_eq!(before.differences(&sample::manifest(&outside).unwrap()), []);
    restored(&bench);
}
