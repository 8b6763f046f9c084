//! What goes wrong: servers, sessions, rights, limits, workers.

use super::super::restore::{Restore, Stage};
use super::*;

/// More than a pipe and its buffers hold, so that a dump of it can't end unread.
pub(super) const BIG: &str =
    "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 30) AS t FROM generate_series(1, 20000) n";

fn transient<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Transient { reason, .. }) => reason,
        Err(other) => panic!("not transient: {other:?}"),
        Ok(_) => panic!("it should have failed"),
    }
}

fn permanent<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Permanent(reason)) => reason,
        Err(other) => panic!("not permanent: {other:?}"),
        Ok(_) => panic!("it should have failed"),
    }
}

fn unreadable<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unreadable(reason)) => reason,
        Err(other) => panic!("not unreadable: {other:?}"),
        Ok(_) => panic!("it should have failed"),
    }
}

/// How soon a cancelled step has to be back. The contract says a second; the rest is for busy machines. What is
/// cancelled here would go on for minutes.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Sessions that the server still has for `step`.
pub(super) fn sessions_of(step: StepId) -> String {
    format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stacksnap {step}'")
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_go_on_and_the_copy_is_of_one_moment() {
    let rig = Rig::new("fault_writers").await;
    rig.sql(
        "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE z (id int PRIMARY KEY, n int);
         INSERT INTO a SELECT n, 100 FROM generate_series(1, 50) n; INSERT INTO z SELECT n, 100 FROM generate_series(1, 50) n",
    )
    .await;
    rig.sql(BIG).await;
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..4)
        .map(|seed| {
            let (stop, connection) = (stop.clone(), rig.connection.clone());
            let step = rig.ctx().step;
            tokio::spawn(async move {
                let session = Session::open(&connection, "fault_writers", &application_name(step)).await.unwrap();
                let mut moved = 0;
                while !stop.is_cancelled() {
                    // From one table to the other: the sum of both never changes.
                    let id = 1 + (moved * 7 + seed) % 50;
                    session
                        .run("test", &format!("BEGIN; UPDATE public.a SET n = n - 1 WHERE id = {id}; UPDATE public.z SET n = n + 1 WHERE id = {id}; COMMIT"))
                        .await
                        .unwrap();
                    moved += 1;
                }
                moved
            })
        })
        .collect();
    until(&rig, "fault_writers", "SELECT sum(n) < 4950 FROM a").await;
    let artifact = rig.copied().await;
    until(&rig, "fault_writers", "SELECT sum(n) < 4900 FROM a").await;
    stop.cancel();
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    assert_eq!(rig.ask("fault_writers", "SELECT (SELECT sum(n) FROM a) + (SELECT sum(n) FROM z)").await, "10000");
    assert_eq!(rig.ask("fault_writers", "SELECT sum(n) < 5000 FROM a").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_half_way_leaves_no_artifact() {
    let mut server = start(&[]);
    let rig = Rig::of(connection(&server), "fault_crash");
    rig.admin("CREATE DATABASE fault_crash").await;
    rig.sql(BIG).await;
    let ctx = rig.ctx();
    let cut = done(rig.driver.cut(&ctx).await);
    server.halt();
    transient(rig.driver.copy(&ctx, cut).await);
    assert_eq!(rig.stored(&ctx).await, 0);
    transient(rig.driver.check(&ctx).await);
    transient(rig.driver.cut(&ctx).await);
    server.resume().unwrap();
    // The same step again, without the cut that was lost.
    let artifact = done(rig.driver.copy(&ctx, Cut::None).await);

    // And half-way through a restore: the database is as it was, and the next claim makes the restore.
    rig.sql("DELETE FROM big WHERE n < 10000").await;
    let restoring = rig.ctx();
    let first = Restore::begin(&restoring, &rig.connection, &artifact, "fault_crash").await.unwrap();
    first.stage(Stage::Create).await.unwrap();
    server.halt();
    assert!(first.stage(Stage::Fill).await.is_err());
    transient(first.run().await);
    server.resume().unwrap();
    assert_eq!(rig.ask("fault_crash", "SELECT count(*) FROM big").await, "10001");
    done(rig.driver.restore(&restoring, &artifact).await);
    assert_eq!(rig.ask("fault_crash", "SELECT count(*) FROM big").await, "20000");
    assert_eq!(rig.leftovers(restoring.step).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_whose_session_is_ended_leaves_no_artifact() {
    let rig = Rig::new("fault_ended").await;
    rig.sql(BIG).await;
    let ctx = rig.ctx();
    let cut = done(rig.driver.cut(&ctx).await);
    let step = ctx.step;
    rig.admin(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stacksnap {step}'"
    ))
    .await;
    transient(rig.driver.copy(&ctx, cut).await);
    assert_eq!(rig.stored(&ctx).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_limits_meant_for_applications_do_not_hit_a_dump_or_a_restore() {
    let rig = Rig::new("fault_limits").await;
    rig.sql(BIG).await;
    for limit in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"] {
        rig.admin(&format!("ALTER DATABASE fault_limits SET {limit} TO '50ms'")).await;
    }
    rig.admin("ALTER DATABASE fault_limits SET default_transaction_read_only TO on").await;
    rig.admin("ALTER DATABASE fault_limits SET default_transaction_isolation TO serializable").await;
    let before = rig.script();
    let ctx = rig.ctx();
    let cut = done(rig.driver.cut(&ctx).await);
    // Several times the limits, with the dump held.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let artifact = done(rig.driver.copy(&ctx, cut).await);
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    assert_eq!(rig.script(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cut_is_not_reported_before_the_dump_has_its_locks() {
    let rig = Rig::new("fault_locked").await;
    rig.sql("CREATE TABLE t (n int)").await;
    let holder = rig.session("fault_locked").await;
    holder.run("test", "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let ctx = rig.ctx();
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock')";
    let cancel = async {
        until(&rig, "fault_locked", waiting).await;
        ctx.cancel.cancel();
        Instant::now()
    };
    let (cut, cancelled) = tokio::join!(rig.driver.cut(&ctx), cancel);
    assert!(matches!(cut, Err(Error::Cancelled)));
    assert!(cancelled.elapsed() < AT_ONCE);
    holder.run("test", "ROLLBACK").await.unwrap();
    until(&rig, "postgres", &format!("({}) = 0", sessions_of(ctx.step))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_cancelled_at_once_and_leaves_nothing() {
    let rig = Rig::new("fault_cancel_copy").await;
    rig.sql(BIG).await;
    let ctx = rig.ctx();
    let cut = done(rig.driver.cut(&ctx).await);
    // The server's process stops in the middle of the table, so that the dump does not end by itself.
    let backend = format!("SELECT pid FROM pg_stat_activity WHERE application_name = 'stacksnap {}'", ctx.step);
    let backend = rustix::process::Pid::from_raw(rig.ask("postgres", &backend).await.parse().unwrap()).unwrap();
    rustix::process::kill_process(backend, rustix::process::Signal::STOP).unwrap();
    let cancel = async {
        while ctx.progress.sample().bytes == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        ctx.cancel.cancel();
        Instant::now()
    };
    let (copied, began) = tokio::join!(rig.driver.copy(&ctx, cut), cancel);
    rustix::process::kill_process(backend, rustix::process::Signal::CONT).unwrap();
    assert!(matches!(copied, Err(Error::Cancelled)), "{copied:?}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(rig.stored(&ctx).await, 0);
    until(&rig, "postgres", &format!("({}) = 0", sessions_of(ctx.step))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_cancelled_at_once_and_leaves_the_database_alone() {
    let rig = Rig::new("fault_cancel_restore").await;
    rig.sql(BIG).await;
    // An index that takes its time: its function sleeps.
    rig.sql(
        "CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
             BEGIN PERFORM pg_sleep(CASE WHEN current_database() LIKE 'stacksnap%' THEN 600 ELSE 0 END); RETURN n; END$$;
         CREATE TABLE s AS SELECT 1 AS n; CREATE INDEX ON s (slow(n))",
    )
    .await;
    let artifact = rig.copied().await;
    rig.sql("DELETE FROM big").await;
    let before = rig.script();
    let ctx = rig.ctx();
    let asleep =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname LIKE 'stacksnap%')";
    let cancel = async {
        until(&rig, "postgres", asleep).await;
        ctx.cancel.cancel();
        Instant::now()
    };
    let (restored, cancelled) = tokio::join!(rig.driver.restore(&ctx, &artifact), cancel);
    assert!(matches!(restored, Err(Error::Cancelled)), "{restored:?}");
    assert!(cancelled.elapsed() < AT_ONCE, "{:?}", cancelled.elapsed());
    assert_eq!(rig.leftovers(ctx.step).await, "");
    assert_eq!(rig.script(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_what_was_dumped_is_not_swapped_in() {
    let rig = Rig::new("fault_counts").await;
    rig.sql("CREATE TABLE t (n int)").await;
    let mut artifact = rig.copied().await;
    artifact.data["counts"]["table"] = json!(2);
    let before = rig.script();
    let ctx = rig.ctx();
    let reason = permanent(rig.driver.restore(&ctx, &artifact).await);
    assert!(reason.contains("table: 2 in the snapshot, 1 restored"), "{reason}");
    assert_eq!(rig.leftovers(ctx.step).await, "");
    assert_eq!(rig.script(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_reconnect_at_once_do_not_stop_the_swap() {
    let rig = Rig::new("fault_pool").await;
    rig.sql("CREATE TABLE t AS SELECT 1 AS n").await;
    let artifact = rig.copied().await;
    rig.sql("UPDATE t SET n = 2").await;
    let stop = CancellationToken::new();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, connection, step) = (stop.clone(), rig.connection.clone(), rig.ctx().step);
            tokio::spawn(async move {
                let mut missing = 0;
                while !stop.is_cancelled() {
                    match Session::open(&connection, "fault_pool", &application_name(step)).await {
                        // Held until it is ended from the other side.
                        Ok(session) => while session.run("test", "SELECT 1").await.is_ok() && !stop.is_cancelled() {},
                        Err(Error::Gone(_)) => missing += 1,
                        Err(_) => {}
                    }
                }
                missing
            })
        })
        .collect();
    let sessions = "SELECT count(*) >= 8 FROM pg_stat_activity WHERE datname = 'fault_pool'";
    until(&rig, "postgres", sessions).await;
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    until(&rig, "postgres", sessions).await;
    stop.cancel();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(rig.ask("fault_pool", "SELECT n FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lease_nothing_is_swapped() {
    let rig = Rig::new("fault_lease").await;
    rig.sql("CREATE TABLE t AS SELECT 1 AS n").await;
    let artifact = rig.copied().await;
    rig.sql("UPDATE t SET n = 2").await;
    let ctx = rig.ctx();
    let late = Restore::begin(&ctx, &rig.connection, &artifact, "fault_lease").await.unwrap();
    for stage in [Stage::Create, Stage::Fill, Stage::Check, Stage::Adorn] {
        late.stage(stage).await.unwrap();
    }
    ctx.lease.lose();
    assert_eq!(late.stage(Stage::Swap).await, Err(Error::LeaseLost));
    assert_eq!(rig.ask("fault_lease", "SELECT n FROM t").await, "2");
    assert_eq!(late.run().await.unwrap_err(), Error::LeaseLost);

    // Its successor finds a whole side database, takes the lock from the sleeping session, and swaps.
    let successor = rig.ctx_of(ctx.step);
    done(rig.driver.restore(&successor, &artifact).await);
    assert_eq!(rig.ask("fault_lease", "SELECT n FROM t").await, "1");
    // Even if it believed to hold the lease, the first one could do nothing without its session.
    assert!(late.stage(Stage::Finish).await.is_err());
    assert_eq!(rig.leftovers(ctx.step).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_restore_of_the_same_database_is_waited_for() {
    let rig = Rig::new("fault_exclusion").await;
    let artifact = rig.copied().await;
    let (one, two) = (rig.ctx(), rig.ctx());
    let first = Restore::begin(&one, &rig.connection, &artifact, "fault_exclusion").await.unwrap();
    assert!(transient(rig.driver.restore(&two, &artifact).await).contains("another restore"));
    first.run().await.unwrap();
    drop(first);
    done(rig.driver.restore(&two, &artifact).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_tables_for_the_servers_lock_table() {
    let server = start(&["max_locks_per_transaction=10", "max_connections=12", "max_prepared_transactions=0"]);
    let rig = Rig::of(connection(&server), "fault_locks");
    rig.admin("CREATE DATABASE fault_locks").await;
    for from in (0..2000).step_by(50) {
        let tables = (from..from + 50).map(|n| format!("CREATE TABLE t{n} (n int);")).collect::<String>();
        rig.sql(&tables).await;
    }
    let warnings = rig.driver.check(&rig.ctx()).await.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("max_locks_per_transaction")), "{warnings:?}");
    let reason = permanent(rig.driver.cut(&rig.ctx()).await.map(|_| ()));
    assert!(reason.contains("raise max_locks_per_transaction"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_and_what_is_not_there() {
    let rig = Rig::new("fault_rights").await;
    rig.sql("CREATE TABLE t (n int); SELECT lo_create(0)").await;
    let none = Rig::of(rig.connection.clone(), "fault_no_such");
    assert!(matches!(none.driver.check(&none.ctx()).await, Err(Error::Gone(_))));
    assert!(matches!(none.driver.cut(&none.ctx()).await.map(|_| ()), Err(Error::Gone(_))));

    let mut connection = rig.connection.clone();
    connection.set.port = 1;
    transient(Rig::of(connection, "fault_rights").driver.check(&rig.ctx()).await);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2").unwrap();
    let mut connection = rig.connection.clone();
    connection.set.password_file = Some(file.path().to_owned());
    let wrong = Rig::of(connection.clone(), "fault_rights");
    let reason = permanent(wrong.driver.check(&wrong.ctx()).await);
    assert!(reason.contains("password authentication failed") && !reason.contains("hunter2"), "{reason}");
    connection.set.password_file = None;
    let wrong = Rig::of(connection.clone(), "fault_rights");
    assert!(permanent(wrong.driver.check(&wrong.ctx()).await).contains("wants a password"));

    rig.admin("CREATE ROLE fault_poor LOGIN PASSWORD 'hunter2'").await;
    connection.set.password_file = Some(file.path().to_owned());
    connection.set.user = "fault_poor".to_owned();
    let poor = Rig::of(connection.clone(), "fault_rights");
    let reason = unreadable(poor.driver.check(&poor.ctx()).await);
    assert!(reason.contains("table public.t") && reason.contains("large object"), "{reason}");
    assert!(unreadable(poor.driver.cut(&poor.ctx()).await.map(|_| ())).contains("permission denied"));

    connection.set.projects = Default::default();
    let denied = Rig::of(connection.clone(), "fault_rights");
    assert!(permanent(denied.driver.check(&denied.ctx()).await).contains("project p may"));
    connection.set.projects = Projects::All;
    connection.set.databases = vec!["other".to_owned()];
    let denied = Rig::of(connection, "fault_rights");
    assert!(permanent(denied.driver.cut(&denied.ctx()).await.map(|_| ())).contains("operator allows"));
    for own in ["postgres", "template1", "template0"] {
        let own = Rig::of(rig.connection.clone(), own);
        assert!(permanent(own.driver.check(&own.ctx()).await).contains("server's own"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_programs_are_named() {
    let rig = Rig::new("fault_programs").await;
    let mut connection = rig.connection.clone();
    connection.set.bin_dir = Some("/does/not/exist".into());
    let none = Rig::of(connection, "fault_programs");
    let reason = permanent(none.driver.check(&none.ctx()).await);
    assert!(reason.contains("postgresql-client-") && reason.contains("bin_dir"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pg_restore_refuses_leaves_the_database_alone() {
    let rig = Rig::new("fault_refused").await;
    // A constraint that holds in this database only.
    rig.sql(
        "CREATE FUNCTION here() RETURNS boolean LANGUAGE sql AS $$SELECT current_database() = 'fault_refused'$$;
         CREATE TABLE t (n int CHECK (here())); INSERT INTO t VALUES (1)",
    )
    .await;
    let artifact = rig.copied().await;
    rig.sql("CREATE TABLE later (n int)").await;
    let before = rig.script();
    let ctx = rig.ctx();
    let reason = permanent(rig.driver.restore(&ctx, &artifact).await);
    assert!(reason.contains("pg_restore") && reason.contains("violates check constraint"), "{reason}");
    assert_eq!(rig.leftovers(ctx.step).await, "");
    assert_eq!(rig.script(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_left_behind_is_listed_and_removed() {
    let rig = Rig::new("fault_orphans").await;
    let artifact = rig.copied().await;
    let ctx = rig.ctx();
    let first = Restore::begin(&ctx, &rig.connection, &artifact, "fault_orphans").await.unwrap();
    first.stage(Stage::Create).await.unwrap();
    drop(first);
    let left = rig.driver.leftovers("main").await.unwrap();
    let ours: Vec<_> = left.into_iter().filter(|left| left.made_by == ctx.step).collect();
    assert_eq!(ours.len(), 1);
    let mut wrong = ours[0].clone();
    wrong.database = "fault_orphans".to_owned();
    assert!(rig.driver.remove(&wrong).await.is_err());
    for _ in 0..2 {
        rig.driver.remove(&ours[0]).await.unwrap();
        assert_eq!(rig.leftovers(ctx.step).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_unreadable_and_can_be_restored() {
    let mut server = start(&[]);
    let rig = Rig::of(connection(&server), "fault_damaged");
    rig.admin("CREATE DATABASE fault_damaged").await;
    rig.sql(BIG).await;
    let artifact = rig.copied().await;
    rig.sql("CHECKPOINT").await;
    let file = rig.ask("fault_damaged", "SELECT pg_relation_filepath('big')").await;
    server.halt();
    let file = server.login().0.join("data").join(file);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[3 * 8192..4 * 8192].fill(0xaa);
    std::fs::write(&file, bytes).unwrap();
    server.resume().unwrap();

    let ctx = rig.ctx();
    let cut = done(rig.driver.cut(&ctx).await);
    assert!(unreadable(rig.driver.copy(&ctx, cut).await).contains("invalid page"));
    assert_eq!(rig.stored(&ctx).await, 0);
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    assert_eq!(rig.ask("fault_damaged", "SELECT count(*) FROM big").await, "20000");

    // A database that lets nobody in can't be read either, and can be replaced.
    rig.admin("ALTER DATABASE fault_damaged ALLOW_CONNECTIONS false").await;
    unreadable(rig.driver.check(&rig.ctx()).await);
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    assert_eq!(rig.ask("fault_damaged", "SELECT count(*) FROM big").await, "20000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ran_out_stops_a_restore_only_at_its_swap() {
    let rig = Rig::new("fault_away").await;
    rig.sql("CREATE TABLE t AS SELECT 1 AS n").await;
    let artifact = rig.copied().await;
    rig.sql("UPDATE t SET n = 2").await;
    let mut ctx = rig.ctx();
    // The store is away: nobody renews, and nobody says that the lease is lost.
    ctx.lease = Lease::new(1, Instant::now(), Duration::ZERO);
    let restore = Restore::begin(&ctx, &rig.connection, &artifact, "fault_away").await.unwrap();
    assert_eq!(restore.run().await, Err(Error::LeaseLost));
    drop(restore);
    assert_eq!(rig.ask("fault_away", "SELECT n FROM t").await, "2");
    assert!(rig.leftovers(ctx.step).await.ends_with("_new"));
    let again = rig.ctx_of(ctx.step);
    let preview = done(rig.driver.restore(&again, &artifact).await);
    // The work is not done again: nothing more was poured.
    assert_eq!((again.progress.sample().bytes, preview.overwrites), (0, 1));
    assert_eq!(rig.ask("fault_away", "SELECT n FROM t").await, "1");
    assert_eq!(rig.leftovers(ctx.step).await, "");
}
