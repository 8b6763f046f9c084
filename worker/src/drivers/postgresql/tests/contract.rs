//! The laws of every driver, on a database that takes a moment to dump.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::drivers::contract::{Shelf, Subject, driver_contract};

driver_contract!(Database::new());

struct Database {
    rig: Rig,
    shelf: Shelf,
    /// While reads are broken, the file that the last table's data are really in.
    file: Mutex<String>,
}

impl Database {
    async fn new() -> Self {
        let rig = Rig::new(&format!("contract_{}", uuid::Uuid::new_v4().simple())).await;
        rig.sql(faults::BIG).await;
        rig.sql(
            "CREATE TABLE kept AS SELECT 1 AS n; CREATE SEQUENCE s; CREATE TABLE zz_last AS SELECT 'last' AS t;
             SELECT lo_from_bytea(70001, 'large'); CREATE VIEW v AS SELECT n FROM big WHERE n < 10",
        )
        .await;
        Self { rig, shelf: Shelf::new(), file: Mutex::default() }
    }

    /// Says which file the data of the table that is dumped last are in.
    async fn last_table_is_in(&self, file: &str) {
        self.rig.sql(&format!("UPDATE pg_class SET relfilenode = {file} WHERE relname = 'zz_last'")).await;
    }
}

#[async_trait]
impl Subject for Database {
    fn driver(&self) -> Arc<dyn Driver> {
        let Connection { name, set } = self.rig.connection.clone();
        Arc::new(Postgresql::new(Connections::new([(name, set)].into())))
    }

    fn project(&self) -> ProjectId {
        "p".parse().unwrap()
    }

    fn resource(&self) -> Resource {
        (*self.rig.ctx().resource).clone()
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.shelf.vault()
    }

    async fn change(&self, round: u64) {
        self.rig
            .sql(&format!(
                "DELETE FROM big WHERE n % 7 = {round} % 7; UPDATE kept SET n = {round} + 1000; SELECT nextval('s');
                 CREATE TABLE made_{round} (n int); DROP VIEW IF EXISTS v; SELECT lo_put(70001, 0, '{round}')"
            ))
            .await;
    }

    async fn remove(&self) {
        self.rig.admin(&format!("DROP DATABASE {}", self.rig.database)).await;
    }

    async fn state(&self) -> String {
        self.rig.script()
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        // The server sees a moment later that a session's other end has gone.
        until(&self.rig, "postgres", &format!("({}) = 0", faults::sessions_of(step))).await;
        let mut left = self.shelf.left_by(&self.project(), step).await;
        let databases = self.rig.leftovers(step).await;
        left.extend(databases.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
        left
    }

    async fn break_reads(&self) {
        let file = self.rig.ask(&self.rig.database, "SELECT pg_relation_filenode('zz_last')").await;
        *self.file.lock().unwrap() = file;
        self.last_table_is_in("4000000000").await;
    }

    async fn mend_reads(&self) {
        let file = std::mem::take(&mut *self.file.lock().unwrap());
        self.last_table_is_in(&file).await;
    }

    async fn damage(&self, _artifact: &Artifact) {
        self.shelf.damage();
    }
}
