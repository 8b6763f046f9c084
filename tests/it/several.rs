//! A stack of several resources: databases and a tree, snapshotted and restored as one.

use std::path::PathBuf;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use stacksnap_worker::drivers::directory::sample;

use crate::support::app::App;
use crate::support::postgres::Postgres;

const SIZE: sample::Size = sample::Size { entries: 300, largest: 200_000 };

const FILL: &str = "
    CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL UNIQUE, notes jsonb);
    CREATE TABLE item (id bigserial PRIMARY KEY, customer int REFERENCES customer, picture bytea, tags text[]);
    CREATE SEQUENCE invoice START 1000 INCREMENT 7;
    CREATE VIEW names AS SELECT name FROM customer;
    INSERT INTO customer (name, notes) SELECT 'customer ' || n, jsonb_build_object('n', n) FROM generate_series(1, 500) n;
    INSERT INTO item (customer, picture, tags)
        SELECT 1 + n % 500, decode(md5(n::text), 'hex'), ARRAY['t' || n % 7, NULL, ''] FROM generate_series(1, 5000) n;
    SELECT nextval('invoice'); SELECT lo_from_bytea(4711, 'a large object')";

const DAMAGE: &str = "
    DELETE FROM item WHERE id % 3 = 0; UPDATE customer SET notes = NULL WHERE id % 2 = 0; DROP VIEW names;
    ALTER TABLE item DROP COLUMN tags; CREATE TABLE intruder (n int); SELECT setval('invoice', 1); SELECT lo_unlink(4711)";

fn database(name: &str) -> Value {
    json!({ "type": "Stacksnap::PostgreSQL", "external_id": name, "properties": { "server": "main" } })
}

fn directory(tree: &PathBuf) -> Value {
    json!({ "type": "Stacksnap::Directory", "external_id": tree })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_and_a_tree_come_back_from_two_snapshots() {
    let postgres = Postgres::start();
    postgres.sql("postgres", "CREATE DATABASE orders");
    postgres.sql("orders", FILL);
    let app = App::embedded_with(&postgres.config()).await;
    let tree = app.root().join("tree");
    std::fs::create_dir(&tree).unwrap();
    sample::build(&tree, 1, SIZE).unwrap();
    let stack = app.stack_of("shop", json!({ "files": directory(&tree), "orders": database("orders") })).await;
    let now = || (sample::manifest(&tree).unwrap(), postgres.dump("orders"));

    let first = now();
    let one = app.snapshot(&stack, "one").await;
    sample::damage(&tree, 2).unwrap();
    postgres.sql("orders", DAMAGE);
    let second = now();
    let two = app.snapshot(&stack, "two").await;
    sample::damage(&tree, 3).unwrap();
    postgres.sql("orders", "DROP TABLE customer CASCADE; INSERT INTO intruder VALUES (7)");

    for (snapshot, was) in [(&one, &first), (&two, &second), (&one, &first)] {
        app.restore(&stack, snapshot).await;
        assert_eq!(sample::compare(&was.0, &tree).unwrap(), []);
        assert!(was.1 == postgres.dump("orders"), "the database is not what it was");
    }
    assert_eq!(postgres.leftovers(), "");
    let shown = app.get(&format!("{stack}/snapshots/{one}")).await;
    assert_eq!(shown["snapshot"]["status"], "COMPLETE", "{shown}");
}

/// One database's cut is held and being copied, another's is still taken, when their worker is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_a_cut_is_followed_by_another_that_cuts_again() {
    let postgres = Postgres::start();
    let big = "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 30) AS t FROM generate_series(1, 60000) n";
    for (name, fill) in [("held", big), ("locked", "CREATE TABLE t AS SELECT generate_series(1, 1000) n")] {
        postgres.sql("postgres", &format!("CREATE DATABASE {name}"));
        postgres.sql(name, fill);
    }
    let mut app = App::distributed_with(1, &[], &postgres.config()).await;
    super::workers::warm(&app).await;
    let stack = app.stack_of("s", json!({ "held": database("held"), "locked": database("locked") })).await;
    let before = [postgres.dump("held"), postgres.dump("locked")];

    // Somebody changes the shape of a table in one of them, and takes his time: its cut waits.
    let lock = Lock::take(&postgres, "locked");
    let (made, operation) = app.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({}))).await;
    let first = app.running(&operation, "copy").await;
    app.workers[0].signal(Signal::STOP);
    let steps = steps(&app, &operation).await;
    let step = |resource: &str| steps.iter().find(|step| step["resource"] == resource).unwrap();
    assert_eq!((&step("held")["verb"], &step("held")["state"]), (&json!("copy"), &json!("running")), "{steps:?}");
    assert_eq!((&step("locked")["verb"], &step("locked")["state"]), (&json!("cut"), &json!("running")), "{steps:?}");
    app.workers[0].kill();

    app.add_worker(&[]);
    app.until("another worker takes both again", async |app| {
        let steps = self::steps(app, &operation).await;
        let other = |name: &str| {
            let step = steps.iter().find(|step| step["resource"] == name).unwrap();
            step["state"] == "done" || step["worker"].as_str().is_some_and(|worker| worker != first)
        };
        other("held") && other("locked")
    })
    .await;
    drop(lock);
    app.completes(&operation).await;

    let id = made["id"].as_str().unwrap();
    let shown = app.get(&format!("{stack}/snapshots/{id}")).await["snapshot"].clone();
    assert_eq!(shown["status"], "COMPLETE", "{shown}");
    for name in ["held", "locked"] {
        let resource = &shown["data"]["resources"][name];
        assert!(resource.is_object(), "{shown:#}");
    }
    postgres.sql("held", "DELETE FROM big WHERE n % 2 = 0");
    postgres.sql("locked", "DROP TABLE t");
    app.restore(&stack, id).await;
    assert!(before == [postgres.dump("held"), postgres.dump("locked")], "not what they were");
    assert_eq!(postgres.leftovers(), "");
}

async fn steps(app: &App, operation: &str) -> Vec<Value> {
    let op = app.get(&format!("/operations/{operation}")).await;
    op["operation"]["steps"].as_array().unwrap().clone()
}

/// A session that holds a table against everybody, until it is dropped.
struct Lock(std::process::Child);

impl Lock {
    fn take(postgres: &Postgres, database: &str) -> Self {
        let lock =
            Self(postgres.session(database, "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)"));
        let held =
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 't'::regclass";
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while postgres.sql(database, held) != "1" {
            assert!(std::time::Instant::now() < until, "the table could not be locked");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        lock
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
