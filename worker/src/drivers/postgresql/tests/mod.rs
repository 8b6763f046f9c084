//! The driver against a real server, one for all tests of this binary. Each test has databases of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod contract;
mod dump;
mod faults;
mod preview;
mod restore;
mod rich;
mod swap;
mod tls;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::json;
use stacksnap_common::config::Projects;
use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Resource};
use tokio_util::sync::CancellationToken;

use super::connect::{Session, application_name};
use super::server::Server;
use super::settings::{Connection, Connections};
use super::{Postgresql, TYPE};
use crate::cloud::NoCloud;
use crate::driver::{Ctx, Cut, Driver, Error, Outcome, VaultSource};
use crate::drivers::contract::AllKept;
use crate::lease::Lease;
use crate::progress::Progress;
use crate::vault::{Location, MasterKey, Settings, Vaults};

/// The server that the tests share. Started with the first test, gone with the process.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start(&[]))
}

fn start(settings: &[&str]) -> Server {
    let usual = ["wal_level=logical", "max_prepared_transactions=10", "max_connections=100"];
    let settings: Vec<&str> = usual.iter().chain(settings).copied().collect();
    match Server::start(&settings) {
        Ok(server) => server,
        Err(error) => panic!("these tests need a PostgreSQL server (Debian: postgresql, with its contrib): {error}"),
    }
}

/// As the operator would have set it, under the name `main`, for project `p`.
fn connection(server: &Server) -> Connection {
    let projects = Projects::Some(vec!["p".parse().unwrap()]);
    Connection { name: "main".to_owned(), set: server.connection(projects) }
}

/// The vault that the tests share. It goes with the shared server.
fn vaults() -> Vaults {
    static SHARED: OnceLock<Vaults> = OnceLock::new();
    let key = || MasterKey::parse(&"ab".repeat(32), "test").unwrap();
    let place = || Location::Directory(server().login().0.join("vault"));
    SHARED.get_or_init(|| Vaults::new(Settings::new(place()), key()).unwrap()).clone()
}

/// One database under test, and a worker's view of it.
struct Rig {
    connection: Connection,
    database: String,
    driver: Postgresql,
    vaults: Vaults,
    stack: StackId,
    snapshot: SnapshotId,
}

impl Rig {
    fn of(connection: Connection, database: &str) -> Self {
        Self {
            driver: Postgresql::new(Connections::new([(connection.name.clone(), connection.set.clone())].into())),
            connection,
            database: database.to_owned(),
            vaults: vaults(),
            stack: StackId::random(),
            snapshot: SnapshotId::random(),
        }
    }

    /// A new database on the shared server.
    async fn new(database: &str) -> Self {
        let rig = Self::of(connection(server()), database);
        rig.admin(&format!("CREATE DATABASE {} TEMPLATE template0", super::quote::ident(database))).await;
        rig
    }

    fn ctx(&self) -> Ctx {
        self.ctx_of(StepId { operation: OperationId::next(), stage: 1, index: 0 })
    }

    fn ctx_of(&self, step: StepId) -> Ctx {
        Ctx {
            step,
            project: "p".parse().unwrap(),
            stack: self.stack,
            snapshot: Some(self.snapshot),
            resource: Arc::new(Resource {
                name: "db".parse().unwrap(),
                kind: TYPE.to_owned(),
                external_id: Some(self.database.clone()),
                properties: BTreeMap::from([("server".to_owned(), json!(self.connection.name))]),
                depends_on: Vec::new(),
                pool: Default::default(),
                data: Default::default(),
            }),
            current: None,
            checkpoint: serde_json::Value::Null,
            volumes: None,
            servers: Default::default(),
            leaves: false,
            may_move: true,
            safety: Default::default(),
            progress: Progress::default(),
            cancel: CancellationToken::new(),
            lease: Lease::new(1, Instant::now(), Duration::from_secs(3600)),
            vault: Arc::new(self.vaults.clone()),
            cloud: Arc::new(NoCloud),
            records: Arc::new(AllKept),
            now: Millis(1_000_000),
        }
    }

    /// In the maintenance database, statement by statement.
    async fn admin(&self, sql: &str) {
        self.in_database("postgres", sql).await;
    }

    /// In the database under test.
    async fn sql(&self, sql: &str) {
        self.in_database(&self.database, sql).await;
    }

    async fn in_database(&self, database: &str, sql: &str) {
        let session = self.session(database).await;
        session.run("test", "SET search_path = public").await.unwrap();
        session.run("test", sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    async fn session(&self, database: &str) -> Session {
        Session::open(&self.superuser(), database, &application_name(self.ctx().step)).await.unwrap()
    }

    /// As the server's superuser, whoever the rig's connection logs in as.
    fn superuser(&self) -> Connection {
        let mut connection = self.connection.clone();
        connection.set.user = "postgres".to_owned();
        connection.set.password = None;
        connection.set.password_file =
            Some(connection.set.host.clone().into()).map(|dir: std::path::PathBuf| dir.join("password"));
        connection
    }

    /// One text.
    async fn ask(&self, database: &str, sql: &str) -> String {
        let session = self.session(database).await;
        session.run("test", "SET search_path = public").await.unwrap();
        let row = session.one("test", &format!("SELECT ({sql})::text"), &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    async fn copied(&self) -> Artifact {
        let ctx = self.ctx();
        let cut = done(self.driver.cut(&ctx).await);
        assert!(matches!(cut, Cut::Held(_)));
        done(self.driver.copy(&ctx, cut).await)
    }

    /// How many entries the step of `ctx` left in the vault.
    async fn stored(&self, ctx: &Ctx) -> usize {
        self.vaults.project(&ctx.project).await.unwrap().find(ctx.step).await.unwrap().len()
    }

    /// All that `pg_dump` has to say, properties of the database included, as a script.
    fn script(&self) -> String {
        let (dir, port, password) = server_login(&self.connection);
        let mut command = Command::new(self.connection.set.bin_dir.as_ref().unwrap().join("pg_dump"));
        command.args(["--create", "--restrict-key=test", "-U", "postgres", "-h", &dir, "-p", &port]);
        command.env("PGDATABASE", &self.database).env("PGPASSWORD", password).env("LC_ALL", "C");
        command.env("PGOPTIONS", super::connect::OPTIONS);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Databases that a restore left behind.
    async fn leftovers(&self, step: StepId) -> String {
        let step = format!("stacksnap\\_{}%", step.operation.0.simple());
        self.ask("postgres", &format!("SELECT string_agg(datname, ',') FROM pg_database WHERE datname LIKE '{step}'"))
            .await
    }
}

fn server_login(connection: &Connection) -> (String, String, String) {
    let password = std::fs::read_to_string(format!("{}/password", connection.set.host)).unwrap();
    (connection.set.host.clone(), connection.set.port.to_string(), password)
}

fn done<T>(outcome: Result<Outcome<T>, Error>) -> T {
    match outcome {
        Ok(Outcome::Done(value)) => value,
        Ok(Outcome::Later { .. }) => panic!("put off"),
        Err(error) => panic!("{error:?}"),
    }
}

/// Waits until `condition` gives `t`; panics after half a minute.
async fn until(rig: &Rig, database: &str, condition: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while rig.ask(database, condition).await != "true" {
        assert!(Instant::now() < deadline, "never became true: {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
