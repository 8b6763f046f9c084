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

/// A server that crashes while it drops a database calls it invalid from then on: `datconnlimit` is -2
/// (`DATCONNLIMIT_INVALID_DB` in `src/include/catalog/pg_database.h`).
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_server_while_it_drops_one_of_ours_is_made_good() {
    let rig = Rig::new("swap_invalid").await;
    rig.sql("CREATE TABLE t AS SELECT generate_series(1, 100) n").await;
    let (before, artifact) = (rig.script(), rig.copied().await);
    // The half-made side database, which is made anew; and the old one, which is all that is left to be dropped.
    for (stages, ours) in [(1, "_new"), (5, "_old")] {
        rig.sql("DELETE FROM t").await;
        let ctx = rig.ctx();
        let first = Restore::begin(&ctx, &rig.connection, &artifact, "swap_invalid").await.unwrap();
        for stage in &ALL[..stages] {
            first.stage(*stage).await.unwrap();
        }
        drop(first);
        let left = rig.leftovers(ctx.step).await;
        assert!(left.ends_with(ours) && !left.contains(','), "{left}");
        rig.admin(&format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{left}'")).await;
        done(rig.driver.restore(&ctx, &artifact).await);
        assert_eq!(rig.script(), before);
        assert_eq!(rig.leftovers(ctx.step).await, "");
    }
}

/// Of a restore that nobody comes back to.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_left_is_found_and_removed_by_its_name() {
    use crate::drivers::postgresql::OfServer;
    use crate::orphans::{Finder, Mark, Thing};
    let rig = Rig::new("swap_orphan").await;
    rig.sql("CREATE TABLE t AS SELECT generate_series(1, 100) n").await;
    let (ctx, artifact) = (rig.ctx(), rig.copied().await);
    let restore = Restore::begin(&ctx, &rig.connection, &artifact, "swap_orphan").await.unwrap();
    restore.stage(Stage::Create).await.unwrap();
    drop(restore);
    let connections = [(rig.connection.name.clone(), rig.connection.set.clone())].into();
    let postgresql = Arc::new(Postgresql::new(Connections::new(connections)));
    let finder = |server: &str| OfServer { postgresql: Arc::clone(&postgresql), server: server.to_owned() };
    let (nowhere, finder) = (finder("nowhere"), finder(&rig.connection.name));
    assert!(nowhere.list().await.unwrap_err().to_string().contains("\"nowhere\""));
    let ours = async || {
        let listed = finder.list().await.unwrap();
        // The safety snapshot that the same operation made may be there for days, and none of these is any of it.
        let of_step = |(_, mark): &(Thing, Mark)| *mark == Mark::Running { step: ctx.step };
        listed.things.into_iter().filter(of_step).map(|(thing, _)| thing).collect::<Vec<_>>()
    };
    let found = ours().await;
    assert!(found.len() == 1 && found[0].what == "database" && found[0].id.ends_with("_new"), "{found:?}");
    let wrong = Thing { id: found[0].id.replace("_new", ""), ..found[0].clone() };
    finder.remove(&wrong).await.unwrap_err();
    assert_eq!(ours().await.len(), 1);
    finder.remove(&found[0]).await.unwrap();
    assert_eq!(ours().await, []);
    assert_eq!(rig.ask("swap_orphan", "SELECT count(*)::text FROM t").await, "100");
}
