//! A restore, as a row of stages, each of which the next claim can find done, half done or not begun:
//!
//! 1. `Create`: a side database, from `template0`, with the snapshot's encoding and locale.
//! 2. `Fill`: the archive goes from the vault through `pg_restore` into it.
//! 3. `Check`: objects are counted and compared with the snapshot's, and the planner's statistics are made.
//! 4. `Adorn`: owner, privileges, settings; then it is marked as whole.
//! 5. `Swap`: it takes the database's name, in one transaction.
//! 6. `Finish`: the old database is dropped, and the mark goes.
//!
//! All of it happens under the lock of [`super::lock`]. A claim that finds less than a whole side database drops it and
//! begins again; one that finds it whole goes on with the swap; one that finds the swap made finishes. Up to the swap
//! the database itself is not touched, and an error removes the side database.

use std::time::Duration;

use stacksnap_common::types::{Artifact, Preview};

use super::connect::{Session, application_name};
use super::facts::Facts;
use super::lock::Lock;
use super::names::Names;
use super::preview;
use super::settings::Connection;
use super::swap::{self, State};
use super::{bytes, side};
use crate::driver::{Ctx, Error};

/// How long undoing may take. What is left then is found by the step's next claim, or as an orphan.
const UNDO: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Create,
    Fill,
    Check,
    Adorn,
    Swap,
    Finish,
}

impl Stage {
    /// What is left to be done, in order.
    fn after(state: State) -> &'static [Self] {
        let all = &[Self::Create, Self::Fill, Self::Check, Self::Adorn, Self::Swap, Self::Finish];
        match state {
            State::Nothing | State::Partial => all,
            State::Whole => &all[4..],
            State::Swapped => &all[5..],
        }
    }
}

/// A restore at work; it holds the lock.
pub(super) struct Restore<'a> {
    ctx: &'a Ctx,
    connection: &'a Connection,
    artifact: &'a Artifact,
    database: &'a str,
    facts: Facts,
    names: Names,
    lock: Lock,
}

impl<'a> Restore<'a> {
    pub(super) async fn begin(
        ctx: &'a Ctx,
        connection: &'a Connection,
        artifact: &'a Artifact,
        database: &'a str,
    ) -> Result<Self, Error> {
        let facts = Facts::from_data(&artifact.data)?;
        let lock = Lock::take(ctx, connection, database).await?;
        Ok(Self { ctx, connection, artifact, database, facts, names: Names::of(ctx.step), lock })
    }

    /// Brings it to its end, or leaves things as they were.
    pub(super) async fn run(&self) -> Result<Preview, Error> {
        let result = tokio::select! {
            biased;
            () = self.ctx.cancel.cancelled() => Err(self.ctx.go_on().err().unwrap_or(Error::Cancelled)),
            () = self.ctx.lease.lost() => Err(Error::LeaseLost),
            result = self.stages() => result,
        };
        match result {
            // Another may be at work by now, on databases of the same names.
            Err(error) if error == Error::LeaseLost || !self.ctx.lease.held() => Err(Error::LeaseLost),
            Err(error) => match tokio::time::timeout(UNDO, self.undo()).await {
                // The swap had been made, and is finished now: it is restored.
                Ok(Ok(State::Swapped)) => Ok(self.replaced()),
                _ => Err(error),
            },
            done => done,
        }
    }

    async fn stages(&self) -> Result<Preview, Error> {
        let state = swap::look(&self.lock.session, self.database, &self.names).await?;
        let preview = match state {
            State::Nothing | State::Partial => self.plan().await?,
            State::Whole | State::Swapped => self.replaced(),
        };
        // What is made before the swap is ours alone, and the lock keeps a second self away from it: a store that is away
        // for a while, and with it the lease, stops nothing here. The swap asks for the lease.
        for stage in Stage::after(state) {
            self.stage(*stage).await?;
        }
        Ok(preview)
    }

    async fn plan(&self) -> Result<Preview, Error> {
        let (ctx, session) = (self.ctx, &self.lock.session);
        let preview =
            preview::preview(ctx, session, self.connection, self.database, &self.facts, self.artifact).await?;
        if preview.blockers.is_empty() {
            return Ok(preview);
        }
        Err(Error::Permanent(format!("nothing was touched: {}", preview.blockers.join("; "))))
    }

    /// What is known to have been done where an earlier claim has done most of it.
    fn replaced(&self) -> Preview {
        Preview {
            overwrites: 1,
            bytes: self.artifact.bytes,
            sample: vec![format!("overwrite database {:?}", self.database)],
            ..Preview::default()
        }
    }

    pub(super) async fn stage(&self, stage: Stage) -> Result<(), Error> {
        let (session, side) = (&self.lock.session, self.names.side.as_str());
        match stage {
            Stage::Create => {
                swap::drop_database(session, side).await?;
                side::create(session, side, &self.facts).await?;
                side::clear(&self.inside().await?, &self.facts).await
            }
            Stage::Fill => self.fill().await,
            Stage::Check => {
                let inside = self.inside().await?;
                side::check(&inside, &self.facts).await?;
                inside.run("making the planner's statistics", "ANALYZE").await
            }
            Stage::Adorn => side::adorn(session, side, &self.facts, &self.names.mark).await,
            Stage::Swap => {
                let maintenance = &self.connection.set.maintenance_database;
                let ender = Session::open(self.connection, maintenance, &application_name(self.ctx.step)).await?;
                swap::swap(self.ctx, session, &ender, self.database, &self.names, &self.facts).await
            }
            Stage::Finish => swap::finish(session, self.database, &self.names, &self.facts).await,
        }
    }

    async fn fill(&self) -> Result<(), Error> {
        let (ctx, side) = (self.ctx, self.names.side.as_str());
        let major = self.lock.session.major;
        let (child, pipe) = side::filler(ctx, self.connection, side, &self.facts, major).await?;
        let poured = bytes::get(ctx, self.artifact, pipe).await;
        // The pipe is closed: pg_restore ends. If it failed, then that is why the pipe broke.
        match (child.ended().await, poured) {
            (Err(error), Err(bytes::Poured::Broken(_)) | Ok(())) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Ok(_), Ok(())) => Ok(()),
        }
    }

    /// A session in the side database.
    async fn inside(&self) -> Result<Session, Error> {
        Session::open(self.connection, &self.names.side, &application_name(self.ctx.step)).await
    }

    /// Takes back what was done before the swap; after it, goes on to the end. Says what was found.
    ///
    /// The session may be in the middle of a statement, or gone. A new one ends it, as it would end a predecessor's.
    async fn undo(&self) -> Result<State, Error> {
        let Lock { session } = &Lock::take(self.ctx, self.connection, self.database).await?;
        let state = swap::look(session, self.database, &self.names).await?;
        match state {
            State::Nothing => {}
            State::Partial | State::Whole => swap::drop_database(session, &self.names.side).await?,
            State::Swapped => swap::finish(session, self.database, &self.names, &self.facts).await?,
        }
        Ok(state)
    }
}
