//! Databases that a restore of ours made and that nobody will come back to: of a step that was cancelled or failed while
//! the server was away. Their names say which step made them; whether that one is over is for the caller to know.

use std::sync::Arc;

use async_trait::async_trait;
use stacksnap_common::ids::StepId;

use super::Postgresql;
use super::connect::Session;
use super::names::{self, PREFIX};
use super::swap;
use crate::driver::Error;
use crate::orphans::{self, Finder, Listed, Mark, Thing};

/// A database of a restore, on the server of the operator's connection `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub server: String,
    pub database: String,
    pub made_by: StepId,
}

/// The server of one of the operator's connections.
pub struct OfServer {
    pub postgresql: Arc<Postgresql>,
    pub server: String,
}

#[async_trait]
impl Finder for OfServer {
    fn place(&self) -> &'static str {
        "PostgreSQL"
    }

    async fn list(&self) -> Result<Listed, orphans::Error> {
        let found = self.postgresql.leftovers(&self.server).await.map_err(|error| self.service(&error))?;
        Ok(Listed { things: found.into_iter().map(Leftover::thing).collect(), notes: Vec::new() })
    }

    async fn remove(&self, thing: &Thing) -> Result<(), orphans::Error> {
        let leftover = Leftover::parse(&thing.id)
            .ok_or_else(|| orphans::Error::Service(format!("{} is no database of a restore", thing.id)))?;
        self.postgresql.remove(&leftover).await.map_err(|error| self.service(&error))
    }
}

impl OfServer {
    fn service(&self, error: &Error) -> orphans::Error {
        orphans::Error::Service(format!("connection {:?}: {error}", self.server))
    }
}

impl Leftover {
    /// `server/database`.
    fn parse(id: &str) -> Option<Self> {
        let (server, database) = id.split_once('/')?;
        let made_by = names::made_by(database)?;
        Some(Self { server: server.to_owned(), database: database.to_owned(), made_by })
    }

    fn thing(self) -> (Thing, Mark) {
        let thing = Thing {
            what: "database".to_owned(),
            id: format!("{}/{}", self.server, self.database),
            project: String::new(),
            stack: None,
            snapshot: None,
            resource: None,
            made_at: None,
            bytes: 0,
        };
        (thing, Mark::Running { step: self.made_by })
    }
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
