//! Verify: the archive is read from the vault to its last byte, through `pg_restore`, which turns it into a script that
//! goes nowhere. What the vault holds is then whole (the vault compares every byte's hash), and so is the archive's own
//! structure: its table of contents, and the data of every table in it. No server is needed.

use std::process::Stdio;

use stacksnap_common::types::{Artifact, Verdict};

use super::bytes::{self, Poured};
use super::facts::Facts;
use super::program::{Child, Tools};
use super::settings::Connection;
use crate::driver::{Ctx, Error};

pub(super) async fn verify(ctx: &Ctx, connection: &Connection, artifact: &Artifact) -> Result<Verdict, Error> {
    let facts = Facts::from_data(&artifact.data)?;
    let tools = Tools::find(connection, facts.tools.max(facts.major)).await?;
    let (read, write) = std::io::pipe().map_err(|error| Error::transient(format!("no pipe: {error}")))?;
    let mut command = tools.offline("pg_restore");
    command.args(["--format=custom", "--file=-"]).stdin(Stdio::from(read)).stdout(Stdio::null());
    let child = Child::start("pg_restore", command)?;
    let poured = tokio::select! {
        poured = bytes::get(ctx, artifact, write) => poured,
        () = ctx.cancel.cancelled() => return Err(ctx.go_on().err().unwrap_or(Error::Cancelled)),
    };
    let ended = child.ended().await;
    ctx.go_on()?;
    let mut verdict = Verdict { ok: true, bytes: artifact.bytes, problems: Vec::new() };
    match poured {
        Ok(()) | Err(Poured::Broken(_)) => {}
        Err(Poured::Damaged(problem)) => {
            // A stream ends where it can't be read on. The vault looks at all of it, and says what is lost and what to do.
            verdict.problems.push(problem);
            verdict.problems.splice(0..0, bytes::verify(ctx, artifact).await?.problems);
        }
        Err(other) => return Err(other.into()),
    }
    if let Err(error) = ended {
        verdict.problems.push(format!("the archive can't be read: {error}"));
    }
    verdict.ok = verdict.problems.is_empty();
    Ok(verdict)
}
