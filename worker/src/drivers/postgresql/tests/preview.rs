//! What a restore would do, and what stands in its way.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_made_and_overwritten_is_named() {
    let rig = Rig::new("preview_names").await;
    rig.sql("CREATE TABLE kept (n int); CREATE TABLE lost (n int)").await;
    let artifact = rig.copied().await;
    rig.sql("DROP TABLE lost; CREATE TABLE \"New one\" (n int)").await;
    let busy = rig.session("preview_names").await;
    let preview = done(rig.driver.preview(&rig.ctx(), &artifact).await);
    drop(busy);
    assert_eq!((preview.creates, preview.overwrites, preview.removes, preview.bytes), (1, 1, 1, artifact.bytes));
    let names = ["remove table public.\"New one\"", "create table public.lost", "overwrite table public.kept"];
    assert_eq!(preview.sample, names);
    assert_eq!(preview.blockers, Vec::<String>::new());
    assert!(preview.notes.iter().any(|note| note.contains("1 sessions connected")), "{:?}", preview.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_would_be_made() {
    let rig = Rig::new("preview_gone").await;
    let artifact = rig.copied().await;
    rig.admin("DROP DATABASE preview_gone").await;
    let preview = done(rig.driver.preview(&rig.ctx(), &artifact).await);
    assert_eq!((preview.creates, preview.sample[0].as_str()), (1, "create database \"preview_gone\""));
}

/// Preview names `wanted`, and a restore refuses for the same reason, touching nothing.
async fn blocked(rig: &Rig, artifact: &Artifact, wanted: &str) {
    let before = rig.script();
    let preview = done(rig.driver.preview(&rig.ctx(), artifact).await);
    assert!(preview.blockers.iter().any(|blocker| blocker.contains(wanted)), "{:?}", preview.blockers);
    let ctx = rig.ctx();
    let refused = rig.driver.restore(&ctx, artifact).await.unwrap_err();
    assert!(matches!(&refused, Error::Permanent(reason) if reason.contains(wanted)), "{refused}");
    assert_eq!(rig.leftovers(ctx.step).await, "");
    assert_eq!(rig.script(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_lacks_blocks() {
    let rig = Rig::new("preview_lacks").await;
    rig.admin("CREATE ROLE departed").await;
    rig.sql("CREATE TABLE t (n int); ALTER TABLE t OWNER TO departed; CREATE EXTENSION hstore").await;
    let artifact = rig.copied().await;
    rig.sql("DROP TABLE t").await;
    rig.admin("DROP ROLE departed").await;
    blocked(&rig, &artifact, "role \"departed\" is missing").await;
    assert_eq!(rig.ask("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'departed'").await, "0");

    let mut elsewhere = artifact.clone();
    elsewhere.data["extensions"].as_array_mut().unwrap().push(json!({"name": "postgis", "version": "3.3"}));
    elsewhere.data["tablespaces"] = json!(["fast"]);
    elsewhere.data["major"] = json!(99);
    blocked(&rig, &elsewhere, "extension \"postgis\" is not installed").await;
    blocked(&rig, &elsewhere, "tablespace \"fast\" is missing").await;
    blocked(&rig, &elsewhere, "PostgreSQL 99").await;
    elsewhere.data["form"] = json!(2);
    assert!(matches!(rig.driver.preview(&rig.ctx(), &elsewhere).await, Err(Error::Unsupported(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_extension_is_compared_with_itself() {
    let rig = Rig::new("preview_versions").await;
    rig.sql("CREATE EXTENSION pg_trgm; CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree").await;
    let mut artifact = rig.copied().await;
    let notes = async |artifact: &Artifact| {
        let notes = done(rig.driver.preview(&rig.ctx(), artifact).await).notes;
        notes.into_iter().filter(|note| note.starts_with("extension")).collect::<Vec<_>>()
    };
    assert_eq!(notes(&artifact).await, Vec::<String>::new());
    let extensions = artifact.data["extensions"].as_array_mut().unwrap();
    let hstore = extensions.iter_mut().find(|extension| extension["name"] == "hstore").unwrap();
    hstore["version"] = json!("0.9");
    let found = notes(&artifact).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("extension \"hstore\": version 0.9 in the snapshot, 1."), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_the_database_blocks() {
    let rig = Rig::new("preview_held").await;
    rig.sql("CREATE TABLE t (n int)").await;
    let artifact = rig.copied().await;

    rig.sql("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'two-phase'").await;
    blocked(&rig, &artifact, "prepared transaction 'two-phase'").await;
    rig.sql("ROLLBACK PREPARED 'two-phase'").await;

    rig.sql("SELECT pg_create_logical_replication_slot('held_slot', 'pgoutput')").await;
    assert!(rig.driver.check(&rig.ctx()).await.unwrap().warnings[0].contains("replication slots"));
    blocked(&rig, &artifact, "logical replication slot held_slot").await;
    rig.sql("SELECT pg_drop_replication_slot('held_slot')").await;

    rig.sql("CREATE SUBSCRIPTION sub CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)").await;
    let with_subscription = rig.copied().await;
    assert!(with_subscription.warnings.iter().any(|warning| warning.contains("sub")));
    blocked(&rig, &artifact, "subscription sub").await;
    rig.sql("ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub").await;

    done(rig.driver.restore(&rig.ctx(), &artifact).await);
    // The snapshot's subscription is not made again, or the side database could not be dropped.
    done(rig.driver.restore(&rig.ctx(), &with_subscription).await);
    assert_eq!(rig.ask("preview_held", "SELECT count(*) FROM pg_subscription").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_is_told_so() {
    let rig = Rig::new("preview_rights").await;
    rig.admin("CREATE ROLE preview_owner; ALTER DATABASE preview_rights OWNER TO preview_owner").await;
    rig.admin("CREATE ROLE preview_reader LOGIN PASSWORD 'r' IN ROLE pg_read_all_data").await;
    let artifact = rig.copied().await;
    let mut connection = connection(server());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "r").unwrap();
    (connection.set.user, connection.set.password_file) = ("preview_reader".to_owned(), Some(file.path().to_owned()));
    let reader = Rig::of(connection, "preview_rights");
    let _busy = rig.session("preview_rights").await;
    assert!(reader.driver.check(&reader.ctx()).await.unwrap().warnings[0].contains("not restore"));
    let blockers = done(reader.driver.preview(&reader.ctx(), &artifact).await).blockers;
    for wanted in ["may not create databases", "no member of the role that owns", "may not end them"] {
        assert!(blockers.iter().any(|blocker| blocker.contains(wanted)), "{wanted}: {blockers:?}");
    }
}
