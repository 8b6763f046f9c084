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
