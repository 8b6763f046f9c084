//! `Stacksnap::PostgreSQL`: one database of a server. `external_id` is the database's name, the property `server` the
//! name of one of the operator's connections.
//!
//! - [`settings`]: the operator's connections, and which project may use which ([`pgpass`]: libpq's password files).
//! - [`connect`]: sessions, and what a server's errors mean. [`tls`]: what `sslmode` asks for. [`quote`]: names in SQL. [`program`]: `pg_dump` and
//!   `pg_restore` as child processes.
//! - [`check`]: is it there, can all of it be read?
//! - [`cut`]: an exported snapshot, real when `pg_dump` has imported it. [`facts`]: what a dump doesn't say.
//!   [`copy`]: the dump into the vault.
//! - [`restore`]: into a side database, which then takes the database's name. [`lock`] keeps a second self out, [`side`]
//!   makes and fills it, [`swap`] swaps, [`names`] says how everything is called, [`obstacles`] and [`preview`] say
//!   beforehand what would happen.
//! - [`verify`]: the archive is read to its end. [`bytes`]: all calls of the vault. [`orphans`]: what restores left.
//! - [`server`]: a throw-away server, for the demo and the tests.
//!
//! What keeps a second self out: for the copy the vault's fence; for a restore the advisory lock, whose session makes
//! the swap, and the lease, asked right before it is committed. Every session of ours is called `stacksnap <step>`.

mod bytes;
mod check;
mod connect;
mod copy;
mod cut;
mod facts;
mod lock;
mod names;
mod obstacles;
mod orphans;
mod pgpass;
mod preview;
mod program;
mod quote;
mod restore;
pub mod server;
pub mod settings;
mod side;
mod swap;
#[cfg(test)]
mod tests;
mod tls;
mod verify;

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Resource, Verdict};

use self::connect::{Session, application_name};
use self::facts::Facts;
use self::settings::{Connection, Connections};
use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};

/// The type, as templates name it.
pub const TYPE: &str = "Stacksnap::PostgreSQL";

pub use self::orphans::{Leftover, OfServer};

pub struct Postgresql {
    connections: Connections,
}

impl Postgresql {
    pub fn new(connections: Connections) -> Self {
        Self { connections }
    }

    /// The connection and the database that the resource means, if the project may use them.
    fn target<'a>(&'a self, ctx: &'a Ctx) -> Result<(&'a Connection, &'a str), Error> {
        let resource: &Resource = &ctx.resource;
        let server = resource.properties.get("server").and_then(serde_json::Value::as_str).ok_or_else(|| {
            Error::Permanent("property server is needed: the name of one of the operator's connections".to_owned())
        })?;
        let connection = self.connections.find(&ctx.project, server)?;
        let database = resource
            .external_id
            .as_deref()
            .ok_or_else(|| Error::Permanent("external_id is needed: the name of a database".to_owned()))?;
        if let Some(reason) = names::refused(database, &connection.set.maintenance_database) {
            return Err(Error::Permanent(reason));
        }
        let allowed = &connection.set.databases;
        if !allowed.is_empty() && !allowed.iter().any(|name| name == database) {
            return Err(Error::Permanent(format!(
                "database {database:?} is not among those that the operator allows on server {server:?}"
            )));
        }
        Ok((connection, database))
    }
}

/// Runs `work` until it is done or the step must end. Dropping `work` ends its sessions and children.
async fn until_cancelled<T>(ctx: &Ctx, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    ctx.go_on()?;
    tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => Err(ctx.go_on().err().unwrap_or(Error::Cancelled)),
        () = ctx.lease.lost() => Err(Error::LeaseLost),
        done = work => done,
    }
}

#[async_trait]
impl Driver for Postgresql {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::Application, local: true }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let (connection, database) = self.target(ctx)?;
        until_cancelled(ctx, check::check(ctx, connection, database)).await
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        let (connection, database) = self.target(ctx)?;
        let dump = until_cancelled(ctx, cut::Dump::begin(ctx, connection, database)).await?;
        Ok(Outcome::Done(Cut::Held(Box::new(dump))))
    }

    async fn copy(&self, ctx: &Ctx, cut: Cut) -> Result<Outcome<Artifact>, Error> {
        let (connection, database) = self.target(ctx)?;
        let dump = match cut {
            Cut::Held(held) => *held
                .downcast::<cut::Dump>()
                .map_err(|_| Error::permanent("the cut that was handed over is not one of a PostgreSQL database"))?,
            // A dump is one point in time by itself; whether it is near enough to the others is not for here to say.
            Cut::None => until_cancelled(ctx, cut::Dump::begin(ctx, connection, database)).await?,
            Cut::Durable(_) => return Err(Error::permanent("a PostgreSQL database has no durable cut")),
        };
        Ok(Outcome::Done(until_cancelled(ctx, copy::copy(ctx, dump)).await?))
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let (connection, database) = self.target(ctx)?;
        let facts = Facts::from_data(&artifact.data)?;
        let preview = until_cancelled(ctx, async {
            let session =
                Session::open(connection, &connection.set.maintenance_database, &application_name(ctx.step)).await?;
            preview::preview(ctx, &session, connection, database, &facts, artifact).await
        });
        Ok(Outcome::Done(preview.await?))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let (connection, database) = self.target(ctx)?;
        let restore = until_cancelled(ctx, restore::Restore::begin(ctx, connection, artifact, database)).await?;
        Ok(Outcome::Done(restore.run().await?))
    }

    async fn discard(&self, ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        until_cancelled(ctx, bytes::forget(ctx, made_by, artifact)).await?;
        Ok(Outcome::Done(()))
    }

    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        let (connection, _) = self.target(ctx)?;
        Ok(Outcome::Done(verify::verify(ctx, connection, artifact).await?))
    }
}
