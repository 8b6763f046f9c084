//! All calls of the vault: the archive of a database is one stream, labelled with the step that made it.

use std::io::{self, Read, Write};

use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Verdict};

use crate::driver::{Ctx, Error};
use crate::vault::{self, EntryId, Label, Stored, Vault, Work};

/// Why a stream did not get into the vault, or out of it.
#[derive(Debug)]
pub(super) enum Poured {
    /// The other end failed: the program that was to give the bytes, or to take them. It knows why.
    Broken(String),
    /// What the vault has is not what was put into it.
    Damaged(String),
    Other(Error),
}

impl From<vault::Error> for Poured {
    fn from(error: vault::Error) -> Self {
        match error {
            vault::Error::Source { reason, .. } => Self::Broken(reason),
            vault::Error::Sink { kind: io::ErrorKind::BrokenPipe, reason } => Self::Broken(reason),
            vault::Error::Damaged(_) | vault::Error::NotFound(_) => Self::Damaged(error.to_string()),
            other => Self::Other(other.into()),
        }
    }
}

impl From<Error> for Poured {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Poured> for Error {
    fn from(poured: Poured) -> Self {
        match poured {
            Poured::Broken(reason) => Self::transient(reason),
            Poured::Damaged(reason) => Self::Permanent(reason),
            Poured::Other(error) => error,
        }
    }
}

/// Stores an archive of `database`. What an earlier run of the step left is removed: the facts that belong to it are
/// lost, so that it could not be restored from.
pub(super) async fn put(ctx: &Ctx, database: &str, archive: impl Read + Send + 'static) -> Result<Stored, Poured> {
    let vault = open(ctx).await?;
    let snapshot = ctx.snapshot.ok_or_else(|| Error::permanent("a copy belongs to a snapshot, and there is none"))?;
    let label = Label {
        project: ctx.project.clone(),
        stack: ctx.stack,
        snapshot,
        resource: Some(ctx.resource.name.clone()),
        step: ctx.step,
        fence: ctx.lease.fence(),
    };
    let name = format!("{}.pgdump", database.replace('/', "_"));
    let stored = vault.put_stream(&label, &name, archive, work(ctx)).await?;
    for other in vault.find(ctx.step).await? {
        let ours = other.label.as_ref().is_some_and(|label| label.fence <= ctx.lease.fence());
        if ours && other.id != stored.entry {
            vault.forget(&other.id).await?;
        }
    }
    Ok(stored)
}

/// Writes the artifact's archive to `writer`, which is dropped at the end, and compares its digest.
pub(super) async fn get(ctx: &Ctx, artifact: &Artifact, writer: impl Write + Send + 'static) -> Result<(), Poured> {
    let entry = entry(artifact)?;
    let got = open(ctx).await?.get_stream(&entry, writer, work(ctx)).await?;
    match &artifact.digest {
        Some(digest) if *digest != got.digest => {
            Err(Poured::Damaged(format!("the archive's digest is {}, and was {digest} when it was stored", got.digest)))
        }
        _ => Ok(()),
    }
}

/// What the vault itself says of the archive.
pub(super) async fn verify(ctx: &Ctx, artifact: &Artifact) -> Result<Verdict, Error> {
    Ok(open(ctx).await?.verify(&entry(artifact)?, true, work(ctx)).await?)
}

/// Removes what `made_by` left.
pub(super) async fn forget(ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<(), Error> {
    let vault = open(ctx).await?;
    if let Some(artifact) = artifact.filter(|artifact| artifact.entry.is_some()) {
        vault.forget(&entry(artifact)?).await?;
    }
    for entry in vault.find(made_by).await? {
        vault.forget(&entry.id).await?;
    }
    Ok(())
}

async fn open(ctx: &Ctx) -> Result<Vault, Error> {
    ctx.vault.vault(&ctx.project).await
}

fn entry(artifact: &Artifact) -> Result<EntryId, Error> {
    let entry = artifact.entry.as_deref().unwrap_or_default();
    entry.parse().map_err(|error: vault::Error| error.into())
}

fn work(ctx: &Ctx) -> Work {
    Work { progress: ctx.progress.clone(), cancel: ctx.cancel.clone(), lease: ctx.lease.clone() }
}
