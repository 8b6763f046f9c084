//! From a copy to a restore.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use stacksnap_common::types::Consistency;

use super::harness::{Harness, done, step};
use crate::driver::{Cut, Driver, Error, Outcome};
use crate::drivers::directory::sample;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_is_as_it_was_twice_from_two_snapshots() {
    let harness = Harness::filled(21, 400);
    let first = sample::manifest(&harness.data()).unwrap();
    let one = harness.copy().await.unwrap();
    assert!(one.protected && one.consistency == Consistency::None);
    assert_eq!(one.warnings, Vec::<String>::new());
    assert!(one.files > 300 && one.bytes > 1_000_000 && one.bytes_added > 100_000, "{one:?}");

    sample::damage(&harness.data(), 1).unwrap();
    let second = sample::manifest(&harness.data()).unwrap();
    let two = harness.copy().await.unwrap();
    assert!(two.bytes_added < one.bytes_added / 2, "deduplicated: {} {}", two.bytes_added, one.bytes_added);

    sample::damage(&harness.data(), 2).unwrap();
    for (artifact, was) in [(&one, &first), (&two, &second), (&one, &first)] {
        let plan = harness.preview(artifact).await.unwrap();
        assert!(plan.blockers.is_empty() && plan.overwrites > 0, "{plan:?}");
        assert_eq!(harness.restore(artifact).await.unwrap(), plan);
        assert_eq!(sample::compare(was, &harness.data()).unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_counts_and_names_what_a_restore_would_do() {
    let harness = Harness::filled(22, 150);
    let artifact = harness.copy().await.unwrap();
    sample::damage(&harness.data(), 3).unwrap();
    let plan = harness.preview(&artifact).await.unwrap();
    assert!(plan.creates > 0 && plan.overwrites > 0 && plan.removes > 0 && plan.unchanged > 0 && plan.bytes > 0);
    for word in ["create ", "overwrite ", "adjust ", "remove "] {
        assert!(plan.sample.iter().any(|line| line.starts_with(word)), "{word}: {:?}", plan.sample);
    }
    // A directory that is gone as a whole can be planned for, and made again.
    fs::remove_dir_all(harness.data()).unwrap();
    let plan = harness.preview(&artifact).await.unwrap();
    assert!(plan.creates > 200 && plan.overwrites < 10, "{plan:?}");
    assert!(!harness.data().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_adopted_only_with_its_notes() {
    let harness = Harness::filled(23, 100);
    let id = step();
    let first = done(harness.driver.copy(&harness.ctx_of(id, 1), Cut::None).await).unwrap();
    let again = done(harness.driver.copy(&harness.ctx_of(id, 2), Cut::None).await).unwrap();
    assert_eq!((&again.entry, again.fence, again.bytes, again.files), (&first.entry, 1, first.bytes, first.files));
    // Without its notes it can't be known what it left out: copied again, and the first one is gone.
    fs::remove_dir_all(harness.base.path().join("control/copies")).unwrap();
    let anew = done(harness.driver.copy(&harness.ctx_of(id, 3), Cut::None).await).unwrap();
    assert_ne!(anew.entry, first.entry);
    assert_eq!(harness.entries().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_excluded_at_either_time_is_left_alone() {
    let mut harness = Harness::new();
    let data = harness.data();
    for name in ["a.tmp", "b.log", "c"] {
        fs::write(data.join(name), "then").unwrap();
    }
    harness.properties = json!({"exclude": ["*.tmp"]});
    let artifact = harness.copy().await.unwrap();
    assert_eq!(artifact.files, 2);
    harness.properties = json!({"exclude": ["*.log"]});
    for name in ["a.tmp", "b.log", "c", "d"] {
        fs::write(data.join(name), "now").unwrap();
    }
    let done = harness.restore(&artifact).await.unwrap();
    let read = |name: &str| fs::read_to_string(data.join(name)).unwrap();
    assert_eq!((read("a.tmp"), read("b.log"), read("c")), ("now".into(), "now".into(), "then".into()));
    assert!(!data.join("d").exists());
    assert_eq!(done.notes.len(), 2, "{:?}", done.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_read_is_named() {
    let harness = Harness::new();
    let data = harness.data();
    for name in ["grows", "shrinks", "stays"] {
        fs::write(data.join(name), vec![7; 40 << 20]).unwrap();
    }
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let (stop, data) = (stop.clone(), data.clone());
        std::thread::spawn(move || {
            use std::io::Write;
            let mut grows = fs::OpenOptions::new().append(true).open(data.join("grows")).unwrap();
            let shrinks = fs::OpenOptions::new().write(true).open(data.join("shrinks")).unwrap();
            let mut size = 40 << 20;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                grows.write_all(b"more").unwrap();
                // Half way down from the top again: whenever it is read, that takes a while, and it changes.
                size = if size > 20 << 20 { size - 4096 } else { 40 << 20 };
                shrinks.set_len(size).unwrap();
                std::thread::yield_now();
            }
        })
    };
    // Whether the writer gets a turn while one of its files is read is not ours to say: until it had one in each.
    let mut missing = vec!["grows: changed while it was copied", "shrinks: changed while it was copied"];
    let mut copies = 0;
    let artifact = loop {
        let artifact = harness.copy().await;
        copies += 1;
        let warnings = artifact.as_ref().map(|artifact| artifact.warnings.clone()).unwrap_or_default();
        missing.retain(|warning| !warnings.iter().any(|text| text.starts_with(warning)));
        if missing.is_empty() || artifact.is_err() || copies == 50 {
            break artifact;
        }
    };
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    writer.join().unwrap();
    let artifact = artifact.unwrap();
    assert!(missing.is_empty(), "{missing:?}: not in {copies} copies");
    assert!(!artifact.warnings.iter().any(|text| text.starts_with("stays")));
    // It can be restored, and has the size that it was said to have.
    harness.restore(&artifact).await.unwrap();
    let total: u64 =
        ["grows", "shrinks", "stays"].iter().map(|name| fs::metadata(data.join(name)).unwrap().len()).sum();
    assert_eq!(total, artifact.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_come_and_go_do_not_fail_a_copy() {
    let harness = Harness::filled(24, 200);
    let data = harness.data();
    fs::create_dir(data.join("busy")).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let (stop, busy) = (stop.clone(), data.join("busy"));
        std::thread::spawn(move || {
            for round in 0_u64.. {
                if stop.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let name = busy.join(format!("{}", round % 50));
                let _ = fs::remove_file(&name);
                let _ = fs::remove_dir_all(&name);
                match round % 3 {
                    0 => fs::write(&name, vec![1; 3000]).unwrap(),
                    1 => fs::create_dir_all(name.join("inner")).unwrap(),
                    _ => std::os::unix::fs::symlink("x", &name).unwrap(),
                }
            }
        })
    };
    let mut artifacts = Vec::new();
    for _ in 0..5 {
        artifacts.push(harness.copy().await);
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    writer.join().unwrap();
    for artifact in artifacts {
        let artifact = artifact.unwrap();
        assert!(artifact.warnings.iter().all(|text| text.starts_with("busy")), "{:?}", artifact.warnings);
        harness.restore(&artifact).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_used_is_refused_in_words() {
    let harness = Harness::new();
    let check = async |external_id: Option<&str>, properties: serde_json::Value| {
        let mut ctx = harness.ctx();
        let mut resource = (*ctx.resource).clone();
        resource.external_id = external_id.map(str::to_owned);
        resource.properties = serde_json::from_value(properties).unwrap();
        ctx.resource = resource.into();
        harness.driver.check(&ctx).await
    };
    let base = harness.base.path().canonicalize().unwrap();
    let at = |name: &str| format!("{}/{name}", base.display());
    assert!(check(Some(&at("data")), json!({})).await.is_ok());
    for (path, properties, words) in [
        (None, json!({}), "needs an external_id"),
        (Some("/etc".to_owned()), json!({}), "is not in a directory that project p1 may use"),
        (Some(at("data/../..")), json!({}), "\"..\""),
        (Some(at("data")), json!({"exclud": []}), "no property \"exclud\""),
        (Some(base.display().to_string()), json!({}), "own data directory lies in"),
    ] {
        let error = check(path.as_deref(), properties).await.unwrap_err();
        assert!(matches!(&error, Error::Permanent(text) if text.contains(words)), "{error}");
    }
    for place in ["vault/default", "secret", "beside"] {
        std::fs::create_dir_all(base.join(place)).unwrap();
    }
    // A link to what is ours is as good as the thing itself; one in a tree is only a link.
    std::fs::write(base.join("beside/key"), "key").unwrap();
    std::os::unix::fs::symlink("../beside/key", base.join("secret/key")).unwrap();
    for own in ["vault", "vault/default", "beside"] {
        let error = check(Some(&at(own)), json!({})).await.unwrap_err();
        assert!(matches!(&error, Error::Permanent(text) if text.contains("stacksnap's own")), "{own}: {error}");
    }
    assert!(check(Some(&at("secret")), json!({})).await.is_ok());
    let error = check(Some(&at("none")), json!({})).await.unwrap_err();
    assert!(matches!(&error, Error::Gone(text) if text.contains("there is no directory")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_is_waited_for_and_named_when_it_takes_too_long() {
    use crate::drivers::directory::control::{Control, Use};
    use crate::drivers::directory::policy::Place;
    let harness = Harness::filled(25, 50);
    let artifact = harness.copy().await.unwrap();
    let base = harness.base.path().canonicalize().unwrap();
    let roots = [crate::drivers::directory::AllowedRoot { project: None, path: base.clone() }];
    let place = Place::find(&roots, &Harness::project(), base.join("data").to_str().unwrap()).unwrap();
    let held = Control::new(base.join("control")).lock(&place, Use::Restore).unwrap().unwrap();
    let mut ctx = harness.ctx();
    let Outcome::Later { checkpoint, .. } = harness.driver.restore(&ctx, &artifact).await.unwrap() else {
        panic!("restored beside another");
    };
    assert!(matches!(harness.driver.copy(&ctx, Cut::None).await.unwrap(), Outcome::Later { .. }));
    ctx.checkpoint = checkpoint;
    ctx.now.0 += 11 * 60 * 1000;
    let error = harness.driver.restore(&ctx, &artifact).await.unwrap_err();
    assert!(matches!(&error, Error::Transient { reason, .. } if reason.contains("more than 10 minutes")), "{error}");
    drop(held);
    done(harness.driver.restore(&ctx, &artifact).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_unchanged_tree_is_not_read_again() {
    let harness = Harness::filled(26, 300);
    let one = harness.copy().await.unwrap();
    fs::set_permissions(harness.data().join("names/a"), fs::Permissions::from_mode(0o640)).unwrap();
    let was = sample::manifest(&harness.data()).unwrap();
    let two = harness.copy().await.unwrap();
    assert!(two.bytes_added < 200_000, "{} of {}", two.bytes_added, one.bytes_added);
    sample::damage(&harness.data(), 26).unwrap();
    harness.restore(&two).await.unwrap();
    assert_eq!(sample::compare(&was, &harness.data()).unwrap(), []);
}
