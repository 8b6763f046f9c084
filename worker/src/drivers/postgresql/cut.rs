//! The cut: a `pg_dump` that has begun.
//!
//! One session opens a read-only transaction, exports its snapshot and reads the database's facts in it. `pg_dump` is
//! then told to dump that snapshot. The cut is real when the first bytes of the archive arrive: `pg_dump` writes nothing
//! before it has imported the snapshot, read the whole catalogue and locked every table against changes of its shape, so
//! from then on neither writers nor `ALTER TABLE` can spoil the dump. What it writes beyond that waits in the pipe until
//! the copy reads on.
//!
//! The archive is in the custom format, uncompressed: the vault finds what it has already only in plain bytes, and
//! `pg_restore` reads it from a pipe.

use std::io::{self, Read};
use std::process::Stdio;
use std::time::Instant;

use stacksnap_common::store::Millis;
use tokio::net::unix::pipe;

use super::connect::{Session, application_name};
use super::facts::Facts;
use super::program::{Child, End, Tools};
use super::settings::Connection;
use crate::driver::{Ctx, Error};

/// How long `pg_dump` waits for a table that somebody has locked.
const LOCK_WAIT: &str = "--lock-wait-timeout=30s";

/// A dump that has begun and waits to be read. Dropping it ends it.
pub(super) struct Dump {
    pub(super) facts: Facts,
    /// By the store's clock.
    pub(super) cut_at: Millis,
    pub(super) child: Child,
    pub(super) archive: Archive,
}

impl Dump {
    /// Takes the cut of `database`.
    pub(super) async fn begin(ctx: &Ctx, connection: &Connection, database: &str) -> Result<Self, Error> {
        let began = Instant::now();
        let exporter = Session::open(connection, database, &application_name(ctx.step)).await?;
        let recovery = exporter.one("asking for the server's role", "SELECT pg_is_in_recovery()", &[]).await?;
        if recovery.get(0) {
            return Err(Error::Permanent(format!(
                "{} is a standby: it can't export a snapshot; name the primary in the connection",
                connection.set.address()
            )));
        }
        exporter.run("beginning the cut", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let row = exporter.one("exporting the snapshot", "SELECT pg_export_snapshot()", &[]).await?;
        let snapshot: String = row.get(0);
        let cut_at = Millis(ctx.now.0 + u64::try_from(began.elapsed().as_millis()).unwrap_or(0));
        let mut facts = Facts::read(&exporter, &connection.name).await?;
        let tools = Tools::find(connection, exporter.major).await?;
        facts.tools = tools.major;

        let (read, write) = io::pipe().map_err(|error| Error::transient(format!("no pipe: {error}")))?;
        let mut command = tools.command("pg_dump", connection, database, ctx.step)?;
        command.args(["--format=custom", "--compress=0", LOCK_WAIT]).arg(format!("--snapshot={snapshot}"));
        command.stdin(Stdio::null()).stdout(Stdio::from(write));
        let child = Child::start("pg_dump", command)?;
        let archive = Archive::open(read.into(), child.end()).await?;
        if archive.is_empty() {
            // It ended without a byte: no archive at all is a failure whatever its status says.
            return Err(child.ended().await.err().unwrap_or_else(|| Error::permanent("pg_dump wrote nothing")));
        }
        // Only now may the exporter's transaction end: pg_dump has the snapshot.
        drop(exporter);
        Ok(Self { facts, cut_at, child, archive })
    }
}

/// What `pg_dump` writes. The end of the pipe is the end of the archive only if `pg_dump` ended well; otherwise reading
/// fails, so that half an archive is never taken for a whole one.
pub(super) struct Archive {
    /// What was read to see that it began.
    first: io::Cursor<Vec<u8>>,
    rest: std::fs::File,
    end: End,
}

impl Archive {
    /// Waits for the first bytes.
    async fn open(read: std::os::fd::OwnedFd, end: End) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::transient(format!("the pipe from pg_dump: {error}"));
        let pipe = pipe::Receiver::from_owned_fd(read).map_err(failed)?;
        let mut first = vec![0; 4096];
        let count = loop {
            pipe.readable().await.map_err(failed)?;
            match pipe.try_read(&mut first) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
        };
        first.truncate(count);
        let rest = pipe.into_blocking_fd().map_err(failed)?.into();
        Ok(Self { first: io::Cursor::new(first), rest, end })
    }

    fn is_empty(&self) -> bool {
        self.first.get_ref().is_empty()
    }
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.first.read(buffer)? {
            0 => self.rest.read(buffer)?,
            count => count,
        };
        if count == 0 && !buffer.is_empty() {
            self.end.wait().map_err(io::Error::other)?;
        }
        Ok(count)
    }
}
