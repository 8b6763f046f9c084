//! check, cut and copy.

use stacksnap_common::types::Consistency;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_copied() {
    let rig = Rig::new("dump_empty").await;
    assert_eq!(rig.driver.check(&rig.ctx()).await.unwrap().warnings, Vec::<String>::new());
    let artifact = rig.copied().await;
    assert!(artifact.protected && artifact.bytes > 0);
    assert_eq!((artifact.consistency, artifact.cut_at.is_some()), (Consistency::Application, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_the_cut_is_not_in_the_copy() {
    let rig = Rig::new("dump_cut").await;
    rig.sql("CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 1000)").await;
    let ctx = rig.ctx();
    let cut = done(rig.driver.cut(&ctx).await);
    rig.sql("INSERT INTO t SELECT 0 FROM generate_series(1, 5000)").await;
    let artifact = done(rig.driver.copy(&ctx, cut).await);
    assert!(artifact.bytes < 20_000, "{}", artifact.bytes);
    rig.sql("DROP TABLE t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_step_again_leaves_one_entry() {
    let rig = Rig::new("dump_twice").await;
    rig.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) n").await;
    let ctx = rig.ctx();
    let (first, second) = (done(rig.driver.cut(&ctx).await), done(rig.driver.cut(&ctx).await));
    done(rig.driver.copy(&ctx, first).await);
    let artifact = done(rig.driver.copy(&ctx, second).await);
    assert_eq!(rig.stored(&ctx).await, 1);
    assert!(done(rig.driver.verify(&rig.ctx(), &artifact).await).ok);
    for _ in 0..2 {
        done(rig.driver.discard(&rig.ctx(), ctx.step, Some(&artifact)).await);
        assert_eq!(rig.stored(&ctx).await, 0);
    }
    // What no record tells of is found by the step.
    done(rig.driver.copy(&ctx, Cut::None).await);
    done(rig.driver.discard(&rig.ctx(), ctx.step, None).await);
    assert_eq!(rig.stored(&ctx).await, 0);
    assert!(!done(rig.driver.verify(&rig.ctx(), &artifact).await).ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_snapshot_adds_only_what_has_changed() {
    let rig = Rig::new("dump_dedup").await;
    rig.sql("CREATE TABLE t AS SELECT n, md5(n::text) || md5((n * 7)::text) AS t FROM generate_series(1, 600000) n")
        .await;
    let first = rig.copied().await;
    rig.sql("UPDATE t SET t = 'changed' WHERE n = 300000").await;
    let second = rig.copied().await;
    assert!(first.bytes > 40_000_000 && first.bytes_added > 8_000_000, "{} {}", first.bytes, first.bytes_added);
    // Two places changed; each is at most a few chunks of up to 8 MiB, cut where the repository's own polynomial says.
    assert!(second.bytes_added * 2 < first.bytes_added, "{} of {}", second.bytes_added, first.bytes_added);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_in_the_artifact() {
    let rig = Rig::new("dump_secret").await;
    let artifact = rig.copied().await;
    let (_, _, password) = server_login(&rig.connection);
    assert!(!serde_json::to_string(&artifact).unwrap().contains(&password));
    assert!(!format!("{:?}", rig.connection).contains(&password));
}

/// Damages every pack of the vault in its middle.
fn damage(vault: &Path) {
    let mut damaged = 0;
    let mut dirs = vec![vault.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.components().any(|part| part.as_os_str() == "data") {
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, bytes).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_vault_is_found_and_nothing_is_restored_from_it() {
    let mut rig = Rig::new("dump_damaged").await;
    let dir = tempfile::tempdir().unwrap();
    rig.vault = Arc::new(Storage::new(dir.path()));
    rig.sql("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 50000) n").await;
    let artifact = rig.copied().await;
    assert!(done(rig.driver.verify(&rig.ctx(), &artifact).await).ok);
    damage(dir.path());
    let verdict = done(rig.driver.verify(&rig.ctx(), &artifact).await);
    assert!(!verdict.ok && verdict.problems[0].contains("damaged"), "{verdict:?}");
    let before = rig.script();
    let ctx = rig.ctx();
    let refused = rig.driver.restore(&ctx, &artifact).await;
    assert!(matches!(&refused, Err(Error::Permanent(reason)) if reason.contains("damaged")), "{refused:?}");
    assert_eq!(rig.leftovers(ctx.step).await, "");
    assert_eq!(rig.script(), before);
}
