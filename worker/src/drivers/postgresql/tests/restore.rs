//! A restore makes the database what it was: `pg_dump` says the same before and after.

use super::*;

/// Copies, has `damage` done, restores, compares.
async fn there_and_back(rig: &Rig, damage: &str) {
    let before = rig.script();
    let artifact = rig.copied().await;
    rig.sql(damage).await;
    assert!(rig.script() != before, "the damage does nothing");
    let ctx = rig.ctx();
    done(rig.driver.restore(&ctx, &artifact).await);
    same(&before, &rig.script());
    assert_eq!(rig.leftovers(ctx.step).await, "");
}

fn same(before: &str, after: &str) {
    if before != after {
        let line = before.lines().zip(after.lines()).find(|(a, b)| a != b);
        panic!("the restored database differs, first here: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back() {
    let rig = Rig::new("we\"ird name'; --").await;
    rich::fill(&rig).await;
    let size = rig.ask(&rig.database, "SELECT count(*) FROM orders").await;
    let damage = r#"
        DROP SCHEMA "we ird; --" CASCADE; DROP EXTENSION hstore CASCADE; DELETE FROM orders; SELECT lo_unlink(70001);
        CREATE TABLE intruder (n int); DROP VIEW IF EXISTS glad; ALTER TABLE secrets DISABLE ROW LEVEL SECURITY;
        SELECT setval('backwards', 1)"#;
    there_and_back(&rig, damage).await;
    assert_eq!(rig.ask(&rig.database, "SELECT count(*) FROM orders").await, size);
    assert_eq!(rig.ask(&rig.database, "SELECT md5(lo_get(70001))").await.len(), 32);
    // Once more: the artifact is still good.
    let artifact = rig.copied().await;
    let before = rig.script();
    rig.sql("DROP TABLE people CASCADE").await;
    for _ in 0..2 {
        done(rig.driver.restore(&rig.ctx(), &artifact).await);
        same(&before, &rig.script());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_itself_had_comes_back_too() {
    let rig = Rig::new("properties").await;
    rich::fill(&rig).await;
    let before = rig.script();
    let artifact = rig.copied().await;
    rig.admin(
        "ALTER DATABASE properties OWNER TO postgres; ALTER DATABASE properties RESET ALL;
         ALTER DATABASE properties CONNECTION LIMIT 3; COMMENT ON DATABASE properties IS NULL;
         GRANT ALL ON DATABASE properties TO rich_other",
    )
    .await;
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    same(&before, &rig.script());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_empty_again() {
    let rig = Rig::new("restore_empty").await;
    there_and_back(&rig, "CREATE TABLE t (n int)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_database_has_may_be_missing() {
    let rig = Rig::new("restore_bare").await;
    rig.sql("DROP SCHEMA public; DROP EXTENSION plpgsql").await;
    let artifact = rig.copied().await;
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    let left =
        "SELECT (SELECT count(*) FROM pg_extension) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'public')";
    assert_eq!(rig.ask(&rig.database, left).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_made_anew() {
    let rig = Rig::new("restore_gone").await;
    rig.sql("CREATE TABLE t AS SELECT generate_series(1, 10) n").await;
    let before = rig.script();
    let artifact = rig.copied().await;
    rig.admin("DROP DATABASE restore_gone").await;
    let preview = done(rig.driver.restore(&rig.ctx(), &artifact).await);
    assert_eq!((preview.creates, preview.overwrites), (2, 0));
    same(&before, &rig.script());
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_and_locales_come_back() {
    let latin = Rig::of(connection(server()), "restore_latin1");
    latin.admin("CREATE DATABASE restore_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'").await;
    latin.sql("CREATE TABLE \"tüte\" (t text); INSERT INTO \"tüte\" VALUES ('ÄÖÜ'), (chr(255))").await;
    there_and_back(&latin, "DELETE FROM \"tüte\"").await;
    assert_eq!(latin.ask("restore_latin1", "current_setting('server_encoding')").await, "LATIN1");

    let icu = Rig::of(connection(server()), "restore_icu");
    icu.admin(
        "CREATE DATABASE restore_icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn-true' LOCALE 'C'",
    )
    .await;
    icu.sql("CREATE TABLE t (w text); INSERT INTO t VALUES ('a10'), ('a9')").await;
    there_and_back(&icu, "DELETE FROM t").await;
    assert_eq!(icu.ask("restore_icu", "SELECT string_agg(w, ',' ORDER BY w) FROM t").await, "a9,a10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_superuser_can_do_it() {
    let rig = Rig::new("restore_plain").await;
    rig.admin(
        "CREATE ROLE plain_owner; CREATE ROLE plain LOGIN CREATEDB PASSWORD 'plain' IN ROLE plain_owner,
               pg_read_all_data, pg_signal_backend; ALTER DATABASE restore_plain OWNER TO plain_owner",
    )
    .await;
    rig.sql("CREATE EXTENSION pg_trgm; CREATE TABLE t AS SELECT generate_series(1, 10) n; ALTER TABLE t OWNER TO plain_owner").await;
    let before = rig.script();
    let mut connection = connection(server());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "plain").unwrap();
    connection.set.user = "plain".to_owned();
    connection.set.password_file = Some(file.path().to_owned());
    let plain = Rig::of(connection, "restore_plain");
    assert_eq!(plain.driver.check(&plain.ctx()).await.unwrap().warnings, Vec::<String>::new());
    let artifact = plain.copied().await;
    rig.sql("DELETE FROM t").await;
    // The administrator's session, which this role may not end, lasts a moment longer than its psql.
    let gone = "SELECT (count(*) = 0)::text FROM pg_stat_activity WHERE datname = 'restore_plain'";
    until(&rig, "postgres", gone).await;
    done(plain.driver.restore(&plain.ctx(), &artifact).await);
    same(&before, &rig.script());
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_tables() {
    let rig = Rig::new("restore_many").await;
    // In portions: one transaction can't lock that many.
    for from in (0..3000).step_by(500) {
        rig.sql(&format!(
            "DO $$BEGIN FOR n IN {from} .. {from} + 499 LOOP
                 EXECUTE format('CREATE TABLE t%s (n int); INSERT INTO t%s VALUES (%s)', n, n, n);
             END LOOP; END$$"
        ))
        .await;
    }
    let artifact = rig.copied().await;
    rig.sql("DROP TABLE t17; INSERT INTO t2999 VALUES (0)").await;
    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    assert_eq!(rig.ask("restore_many", "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'").await, "3000");
    assert_eq!(rig.ask("restore_many", "SELECT (SELECT sum(n) FROM t17) + (SELECT sum(n) FROM t2999)").await, "3016");
}
