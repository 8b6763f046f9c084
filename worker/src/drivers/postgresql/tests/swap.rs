//! A restore that ends at any point is finished, or begun again, by the next claim of its step.

use super::super::restore::{Restore, Stage};
use super::*;

const ALL: [Stage; 6] = [Stage::Create, Stage::Fill, Stage::Check, Stage::Adorn, Stage::Swap, Stage::Finish];

async fn killed_after(database: &str, gone: bool) {
    let rig = Rig::new(database).await;
    rig.sql("CREATE TABLE t AS SELECT generate_series(1, 100) n").await;
    rig.admin(&format!("COMMENT ON DATABASE {database} IS 'mine'; ALTER DATABASE {database} IS_TEMPLATE true")).await;
    let before = rig.script();
    let artifact = rig.copied().await;
    for stages in 0..=ALL.len() {
        if gone {
            rig.admin(&format!("ALTER DATABASE {database} IS_TEMPLATE false")).await;
            rig.admin(&format!("DROP DATABASE {database}")).await;
        } else {
            rig.sql("DELETE FROM t").await;
        }
        let ctx = rig.ctx();
        let first = Restore::begin(&ctx, &rig.connection, &artifact, database).await.unwrap();
        for stage in &ALL[..stages] {
            first.stage(*stage).await.unwrap();
        }
        // Killed here: its session closes, and nothing is undone.
        drop(first);
        done(rig.driver.restore(&ctx, &artifact).await);
        assert_eq!(rig.script(), before, "killed after {stages} stages");
        assert_eq!(rig.leftovers(ctx.step).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_each_stage_is_made_good() {
    killed_after("swap_killed", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_each_stage_is_made_good_where_the_database_was_gone() {
    killed_after("swap_killed_gone", true).await;
}
