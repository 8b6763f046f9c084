//! The exclusion of a restore: an advisory lock in the maintenance database, under the restored database's name.
//!
//! The session that holds it is also the one that creates, marks and swaps, so that who has lost the lock can do none
//! of that. A paused worker's session stays open while its process sleeps: the next claim of the same step, which knows
//! from its lease that it is the successor, ends that session and takes the lock. Another step's lock is respected.

use std::time::{Duration, Instant};

use super::connect::{Session, application_name};
use super::settings::Connection;
use crate::driver::{Ctx, Error};

/// How long another restore of the same database is waited for before the step is put back.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock's number. The text before the name keeps other users of advisory locks out of the way.
const KEY: &str = "hashtextextended('stacksnap restore ' || $1, 0)";

pub(super) struct Lock {
    pub(super) session: Session,
}

impl Lock {
    pub(super) async fn take(ctx: &Ctx, connection: &Connection, database: &str) -> Result<Self, Error> {
        let session =
            Session::open(connection, &connection.set.maintenance_database, &application_name(ctx.step)).await?;
        let deadline = Instant::now() + PATIENCE;
        let take = format!("SELECT pg_try_advisory_lock({KEY})");
        loop {
            let row = session.one("taking the lock of a restore", &take, &[&database]).await?;
            if row.get(0) {
                return Ok(Self { session });
            }
            // With the lease held, whoever else works for this step is a predecessor of ours.
            if !ctx.lease.held() {
                return Err(Error::LeaseLost);
            }
            end_predecessor(ctx, &session, database).await?;
            if Instant::now() > deadline {
                return Err(Error::transient(format!("another restore of database {database:?} is at work")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn end_predecessor(ctx: &Ctx, session: &Session, database: &str) -> Result<(), Error> {
    let sql = format!(
        "SELECT pg_terminate_backend(a.pid)
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid, (SELECT {KEY} AS key) k
         WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND l.classid::int8 = (k.key >> 32) & 4294967295 AND l.objid::int8 = k.key & 4294967295
           AND a.application_name = $2 AND a.pid <> pg_backend_pid()"
    );
    session.query("ending a predecessor", &sql, &[&database, &application_name(ctx.step)]).await?;
    Ok(())
}
