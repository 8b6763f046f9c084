//! The swap: the database gets another name, the side database gets its name.
//!
//! Both renames are one transaction of the server, so that a crash leaves either all of it or nothing, and nobody meets
//! a moment without the database. From the first rename on new connections wait for the transaction's end; a rename
//! needs that nobody is connected, so a second session ends the others meanwhile. The lease is asked last, right before
//! the commit, on the session that holds the lock of the restore.
//!
//! What has happened is read from the catalogue alone ([`State`]).

use std::time::{Duration, Instant};

use super::connect::Session;
use super::facts::Facts;
use super::names::Names;
use super::quote::{ident, literal};
use crate::driver::{Ctx, Error};

/// How long sessions are ended and the rename is tried again. Pools reconnect at once; each try shuts them out anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is there of it.
    Nothing,
    /// There is a side database, and it is not whole.
    Partial,
    /// The side database is whole, and only the swap is to be made.
    Whole,
    /// The database is the restored one. The one that was there may still be there under its other name.
    Swapped,
}

pub(super) async fn look(session: &Session, database: &str, names: &Names) -> Result<State, Error> {
    let sql = "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = ANY($1)";
    let wanted = vec![database, &names.side, &names.old];
    let rows = session.query("looking how far the restore is", sql, &[&wanted]).await?;
    let find = |name: &str| rows.iter().find(|row| row.get::<_, String>(0) == name);
    let marked =
        |name: &str| find(name).and_then(|row| row.get(1)).is_some_and(|comment: String| comment == names.mark);
    Ok(if find(&names.old).is_some() || marked(database) {
        State::Swapped
    } else if marked(&names.side) {
        State::Whole
    } else if find(&names.side).is_some() {
        State::Partial
    } else {
        State::Nothing
    })
}

/// Makes the swap. `session` holds the lock; `ender` ends other sessions.
pub(super) async fn swap(
    ctx: &Ctx,
    session: &Session,
    ender: &Session,
    database: &str,
    names: &Names,
    facts: &Facts,
) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        ctx.go_on()?;
        let exists = exists(session, database).await?;
        let statements = statements(database, names, facts, exists);
        let renamed = session.run("renaming the databases", &statements);
        let renamed = while_ending(renamed, ender, database).await;
        match renamed {
            Ok(()) => break,
            Err(error) => {
                session.roll_back().await;
                let hopeless = session.is_closed() || Instant::now() > deadline;
                if hopeless || !matches!(error, Error::Transient { .. }) {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if let Err(over) = ctx.go_on() {
        session.roll_back().await;
        return Err(over);
    }
    session.run("committing the swap", "COMMIT").await
}

fn statements(database: &str, names: &Names, facts: &Facts, exists: bool) -> String {
    let (name, side, old) = (ident(database), ident(&names.side), ident(&names.old));
    // The rename itself waits 5 s for sessions to end; a lock that somebody holds on the database is waited for as long.
    let mut sql = "BEGIN; SET LOCAL lock_timeout = '5s';".to_owned();
    if exists {
        sql += &format!("ALTER DATABASE {name} RENAME TO {old}; ALTER DATABASE {old} ALLOW_CONNECTIONS false;");
    }
    let p = &facts.properties;
    let (allow, template) = (p.allow_connections, p.is_template);
    sql += &format!("ALTER DATABASE {side} RENAME TO {name};");
    sql += &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow} IS_TEMPLATE {template};");
    sql
}

/// Runs `work`, ending whoever is connected to `database` all the while.
async fn while_ending(
    work: impl Future<Output = Result<(), Error>>,
    ender: &Session,
    database: &str,
) -> Result<(), Error> {
    // Without a user there is only autovacuum, which a rename ends by itself.
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usesysid IS NOT NULL";
    let ending = async {
        loop {
            // The first look comes after the rename has shut the door.
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Err(error) = ender.query("ending the sessions of the database", sql, &[&database]).await {
                return error;
            }
        }
    };
    tokio::select! {
        done = work => done,
        error = ending => Err(error),
    }
}

/// After the swap: drops the database that was there, and gives the restored one its own comment, which ends the restore.
pub(super) async fn finish(session: &Session, database: &str, names: &Names, facts: &Facts) -> Result<(), Error> {
    drop_database(session, &names.old).await?;
    let comment = facts.properties.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let sql = format!("COMMENT ON DATABASE {} IS {comment}", ident(database));
    match session.run("setting the comment", &sql).await {
        // Somebody has dropped or renamed it since. It was restored.
        Err(Error::Gone(_)) => Ok(()),
        done => done,
    }
}

/// Drops one of our own databases, if it is there, with whoever is connected to it.
pub(super) async fn drop_database(session: &Session, name: &str) -> Result<(), Error> {
    let sql = "SELECT datistemplate FROM pg_database WHERE datname = $1";
    let rows = session.query("looking for the database", sql, &[&name]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let name = ident(name);
    // Only where it has to be: one that the server was dropping when it crashed takes nothing but a DROP DATABASE
    // (`database_is_invalid_form`, since 15.4, 14.9, 13.12, 12.16 and 11.21).
    if row.get(0) {
        session.run("dropping a database of ours", &format!("ALTER DATABASE {name} IS_TEMPLATE false")).await?;
    }
    session.run("dropping a database of ours", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

pub(super) async fn exists(session: &Session, name: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    Ok(session.one("looking for the database", sql, &[&name]).await?.get(0))
}
