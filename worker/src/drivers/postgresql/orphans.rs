//! Databases that a restore of ours made and that nobody will come back to: of a step that was cancelled or failed while
//! the server was away. Their names say which step made them; whether that one is over is for the caller to know.

use stacksnap_common::ids::StepId;

use super::Postgresql;
use super::connect::Session;
use super::names::{self, PREFIX};
use super::swap;
use crate::driver::Error;

/// A database of a restore, on the server of the operator's connection `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub server: String,
    pub database: String,
    pub made_by: StepId,
}

impl Postgresql {
    /// All databases that restores have left on the server of this connection, those of running steps among them.
    pub async fn leftovers(&self, server: &str) -> Result<Vec<Leftover>, Error> {
        let connection = self.connections.get(server)?;
        let session = Session::open(connection, &connection.set.maintenance_database, "stacksnap orphans").await?;
        let sql = "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1";
        let rows = session.query("looking for databases of restores", sql, &[&PREFIX]).await?;
        let named = rows.iter().map(|row| row.get::<_, String>(0));
        let leftover = |database: String| {
            let made_by = names::made_by(&database)?;
            Some(Leftover { server: server.to_owned(), database, made_by })
        };
        Ok(named.filter_map(leftover).collect())
    }

    /// Drops one. The caller has made sure that its step is over. What is not there is fine.
    pub async fn remove(&self, leftover: &Leftover) -> Result<(), Error> {
        let connection = self.connections.get(&leftover.server)?;
        let session = Session::open(connection, &connection.set.maintenance_database, "stacksnap orphans").await?;
        match names::made_by(&leftover.database) {
            Some(step) if step == leftover.made_by => swap::drop_database(&session, &leftover.database).await,
            _ => Err(Error::Permanent(format!("database {:?} is not one that a restore has made", leftover.database))),
        }
    }
}
