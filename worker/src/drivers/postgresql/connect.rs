//! Sessions: opened with what the operator set, free of time limits that were meant for applications, named after the
//! step they work for. Dropping a session closes it; the server then ends what it was doing.
//!
//! The rest of this file turns what a server says into what a step ends with: worth another try or not.

use std::time::Duration;

use secrecy::ExposeSecret;
use stacksnap_common::config;
use stacksnap_common::ids::StepId;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row};

use super::settings::Connection;
use super::tls::Tls;
use crate::driver::Error;

/// How long the server may take from the first packet to "ready for query".
const CONNECT: Duration = Duration::from_secs(10);

/// The oldest major version that the statements here are right for.
pub(super) const OLDEST: u32 = 14;

/// The same limits are lifted for `pg_dump` and `pg_restore`. The search path keeps a project's own functions and
/// operators from being taken for the system's.
pub(super) const OPTIONS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 \
     -c idle_session_timeout=0 -c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed \
     -c default_transaction_deferrable=off";

/// What a session calls itself: `stacksnap <step>`, 63 bytes at most, so that the server keeps all of it.
pub(super) fn application_name(step: StepId) -> String {
    format!("stacksnap {step}")
}

pub(super) struct Session {
    client: Client,
    /// Moves the bytes. Aborted with the session: the socket closes at once.
    wire: JoinHandle<()>,
    /// The server's major version.
    pub(super) major: u32,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.wire.abort();
    }
}

impl Session {
    /// Logs in to `database`; `name` is what the session calls itself.
    pub(super) async fn open(connection: &Connection, database: &str, name: &str) -> Result<Self, Error> {
        let mut config = Config::new();
        config
            .user(&connection.set.user)
            .dbname(database)
            .port(connection.set.port)
            .application_name(name)
            .options(format!("{OPTIONS} -c search_path=pg_catalog"))
            .connect_timeout(CONNECT)
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3);
        if connection.set.is_socket() {
            config.host_path(&connection.set.host).ssl_mode(SslMode::Disable);
        } else {
            config.host(&connection.set.host).ssl_mode(match connection.set.sslmode {
                config::SslMode::Disable => SslMode::Disable,
                config::SslMode::Prefer => SslMode::Prefer,
                _ => SslMode::Require,
            });
        }
        if let Some(password) = connection.password(database)? {
            config.password(password.expose_secret());
        }
        let doing = format!("PostgreSQL {:?} at {}, database {database:?}", connection.name, connection.set.address());
        let opened = tokio::time::timeout(CONNECT, config.connect(Tls::new(connection)?)).await;
        let (client, wire) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(explain(&doing, &error)),
            Err(_) => return Err(Error::away(format!("{doing}: no answer within {} s", CONNECT.as_secs()))),
        };
        let wire = tokio::spawn(async move {
            // How it ended is also the answer to whatever query was waiting.
            let _ = wire.await;
        });
        let mut session = Self { client, wire, major: 0 };
        let rows = session.query("asking for the version", "SELECT current_setting('server_version_num')::int4", &[]);
        let number: i32 = rows.await?.first().map_or(0, |row| row.get(0));
        session.major = u32::try_from(number / 10_000).unwrap_or(0);
        if session.major < OLDEST {
            let message = format!("{doing}: the server's version is {}, at least {OLDEST} is needed", session.major);
            return Err(Error::Unsupported(message));
        }
        if session.major >= 17 {
            session.run("lifting transaction_timeout", "SET transaction_timeout = 0").await?;
        }
        Ok(session)
    }

    pub(super) async fn query(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.client.query(sql, parameters).await.map_err(|error| explain(doing, &error))
    }

    /// The one row that `sql` always gives.
    pub(super) async fn one(&self, doing: &str, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.client.query_one(sql, parameters).await.map_err(|error| explain(doing, &error))
    }

    /// Statements without a result.
    pub(super) async fn run(&self, doing: &str, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(|error| explain(doing, &error))
    }

    /// Whether the server, or a successor, has ended it.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Ends the transaction, if there is one, so that the session can be used again.
    pub(super) async fn roll_back(&self) {
        // If this fails, then so does the next statement, which says why.
        let _ = self.client.batch_execute("ROLLBACK").await;
    }
}

/// The step's error for `error`, which came while `doing`. It has no data of the tables in it.
pub(super) fn explain(doing: &str, error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        // Not the server's word: it can't be reached, or has gone away.
        let mut reason = format!("{doing}: {error}");
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            let text = inner.to_string();
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            source = inner.source();
        }
        return if error.code().is_none() && reason.contains("password missing") {
            Error::Permanent(format!("{doing}: the server wants a password and the connection has none"))
        } else if reason.contains("invalid peer certificate") || reason.contains("does not support TLS") {
            Error::Permanent(reason)
        } else {
            Error::away(reason)
        };
    };
    let hint = db.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let reason = format!("{doing}: {}{hint}", db.message());
    let code = db.code();
    if *code == SqlState::INVALID_CATALOG_NAME {
        return Error::Gone(reason);
    }
    if *code == SqlState::OUT_OF_MEMORY && hint.contains("max_locks_per_transaction") {
        return Error::Permanent(reason);
    }
    // By class: connection, intervention (also: it starts or ends).
    if matches!(code.code().get(..2), Some("08" | "57")) {
        return Error::away(reason);
    }
    // By class: rollback, resources. Of the rest: in use, locked, an I/O error.
    let passing = matches!(code.code().get(..2), Some("40" | "53"))
        || [SqlState::OBJECT_IN_USE, SqlState::LOCK_NOT_AVAILABLE, SqlState::IO_ERROR].contains(code);
    // A database that takes no connections; damaged data or catalogues.
    let unreadable = *code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE || code.code().starts_with("XX");
    match (passing, unreadable) {
        (true, _) => Error::transient(reason),
        (_, true) => Error::Unreadable(reason),
        _ => Error::Permanent(reason),
    }
}
