//! The database of the demo: on a throw-away server, with tables, a view, a function, sequences, large objects.
//!
//! What it was is kept as the text that `pg_dump` makes of it: every row, sequence value, definition, owner and grant is
//! in there.

use std::path::PathBuf;
use std::process::Stdio;

use stacksnap_common::config::{Connection, Projects};
use stacksnap_common::ids::ProjectId;
use stacksnap_worker::drivers::postgresql::server::{self, Server};
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::client::output;
use crate::exit::Failure;

const NAME: &str = "orders";

const FILL: &str = "
    CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL UNIQUE, born date, notes jsonb);
    CREATE TABLE item (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customer ON DELETE CASCADE,
        amount numeric(12,2) CHECK (amount >= 0), bought timestamptz NOT NULL, picture bytea, tags text[]);
    CREATE INDEX item_bought ON item (bought);
    CREATE TABLE empty (\"a \"\"quoted\"\" name\" text DEFAULT E'line\\nbreak');
    CREATE SEQUENCE invoice START 1000 INCREMENT 7;
    CREATE FUNCTION total(who int) RETURNS numeric LANGUAGE sql STABLE
        AS 'SELECT coalesce(sum(amount), 0) FROM public.item WHERE customer = who';
    CREATE VIEW spending AS SELECT c.name, total(c.id) AS spent FROM customer c;
    CREATE MATERIALIZED VIEW best AS SELECT * FROM spending ORDER BY spent DESC LIMIT 10;
    INSERT INTO customer (name, born, notes)
        SELECT 'customer ' || n, date '1950-01-01' + n, jsonb_build_object('n', n, 'text', E'tab\\t ü \\u20ac')
        FROM generate_series(1, 2000) n;
    INSERT INTO item (customer, amount, bought, picture, tags)
        SELECT 1 + n % 2000, (n * 37 % 100000) / 100.0, timestamptz '2020-01-01 00:00Z' + n * interval '1 hour',
            CASE WHEN n % 10 = 0 THEN decode(repeat(md5(n::text), 16), 'hex') END, ARRAY['t' || n % 7, NULL, '']
        FROM generate_series(1, 40000) n;
    SELECT nextval('invoice') FROM generate_series(1, 5);
    SELECT lo_from_bytea(0, decode(repeat(md5(n::text), 4096), 'hex')) FROM generate_series(1, 3) n;
    REFRESH MATERIALIZED VIEW best;
    COMMENT ON TABLE item IS 'what was bought';
    ALTER DATABASE orders SET work_mem = '8MB';
";

/// Each is a way in which a database is lost or spoilt; together they leave little as it was.
const DAMAGE: [(&str, &str); 9] = [
    ("rows deleted", "DELETE FROM customer WHERE id % 3 = 0"),
    ("rows changed", "UPDATE item SET amount = amount + 1, picture = NULL WHERE id % 2 = 0"),
    ("rows added", "INSERT INTO customer (name) SELECT 'intruder ' || n FROM generate_series(1, 500) n"),
    ("a column dropped", "ALTER TABLE customer DROP COLUMN notes"),
    ("a table dropped", "DROP TABLE empty"),
    ("a function and what needs it dropped", "DROP FUNCTION total(int) CASCADE"),
    ("a table added", "CREATE TABLE junk AS SELECT n, repeat('x', 1000) AS t FROM generate_series(1, 1000) n"),
    ("a sequence reset", "SELECT setval('invoice', 1)"),
    ("large objects removed", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata"),
];

pub struct Database {
    server: Server,
    was: Vec<String>,
}

impl Database {
    /// None where no PostgreSQL is installed.
    pub async fn start() -> Result<Option<Self>, Failure> {
        let started = tokio::task::spawn_blocking(|| Server::start(&[])).await;
        let server = match started {
            Ok(Ok(server)) => server,
            Ok(Err(server::Error::NotInstalled)) => return Ok(None),
            Ok(Err(error)) => return Err(failure(error)),
            Err(error) => return Err(failure(error)),
        };
        let mut database = Self { server, was: Vec::new() };
        database.execute("postgres", &format!("CREATE DATABASE {NAME}")).await?;
        database.execute(NAME, FILL).await?;
        database.was = database.dump().await?;
        Ok(Some(database))
    }

    pub fn name(&self) -> &'static str {
        NAME
    }

    /// As an operator would configure it.
    pub fn connection(&self, project: ProjectId) -> Connection {
        let mut connection = self.server.connection(Projects::Some(vec![project]));
        connection.databases = vec![NAME.to_owned()];
        connection
    }

    pub fn size(&self) -> String {
        let bytes: usize = self.was.iter().map(|line| line.len() + 1).sum();
        format!("{} lines of SQL, {}", self.was.len(), output::bytes(bytes as u64))
    }

    /// Says what was done to it.
    pub async fn damage(&self) -> Result<String, Failure> {
        for (_, statement) in DAMAGE {
            self.execute(NAME, statement).await?;
        }
        Ok(DAMAGE.map(|(what, _)| what).join(", "))
    }

    /// Lines of the dump that are not what they were.
    pub async fn differences(&self) -> Result<Vec<String>, Failure> {
        let is = self.dump().await?;
        let mut found: Vec<String> = Vec::new();
        let longest = self.was.len().max(is.len());
        for line in 0..longest {
            match (self.was.get(line), is.get(line)) {
                (was, is) if was == is => {}
                (Some(was), Some(is)) => found.push(format!("dump line {}: was {was:.80}, is {is:.80}", line + 1)),
                (Some(was), None) => found.push(format!("dump line {}: {was:.80} is missing", line + 1)),
                (None, is) => {
                    found.push(format!("dump line {}: {:.80} is new", line + 1, is.map_or("", String::as_str)))
                }
            }
        }
        Ok(found)
    }

    async fn execute(&self, database: &str, statements: &str) -> Result<(), Failure> {
        let (socket, port, password) = self.server.login();
        let mut options = tokio_postgres::Config::new();
        options.host_path(socket).port(port).user("postgres").password(password).dbname(database);
        let (client, connection) = options.connect(NoTls).await.map_err(failure)?;
        let connection = tokio::spawn(connection);
        let done = client.batch_execute(statements).await;
        drop(client);
        // How it ended is also what `done` says.
        let _ = connection.await;
        done.map_err(failure)
    }

    async fn dump(&self) -> Result<Vec<String>, Failure> {
        let (socket, port, password) = self.server.login();
        let program: PathBuf = self.server.bin().join("pg_dump");
        let mut command = Command::new(program);
        command.args(["--create", "--username=postgres", "--host"]).arg(socket);
        command.args(["--port", &port.to_string(), NAME]).env("PGPASSWORD", password);
        let output = command.stdin(Stdio::null()).output().await.map_err(failure)?;
        if !output.status.success() {
            return Err(Failure::failed(format!("pg_dump: {}", String::from_utf8_lossy(&output.stderr).trim())));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // A random word that pg_dump makes anew each time stands in `\restrict` and `\unrestrict`.
        let same = text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        Ok(same.map(str::to_owned).collect())
    }
}

fn failure(error: impl std::error::Error) -> Failure {
    let mut message = format!("the demo's PostgreSQL: {error}");
    if let Some(source) = error.source() {
        message.push_str(&format!(": {source}"));
    }
    Failure::failed(message)
}
