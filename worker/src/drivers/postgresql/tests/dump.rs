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
