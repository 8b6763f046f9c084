//! temporary
use std::io::{Read, Write};

use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;

use crate::driver::{Ctx, Error};

pub(super) enum Poured {
    Broken(String),
    Damaged(String),
    Other(Error),
}
impl From<Poured> for Error {
    fn from(p: Poured) -> Self {
        match p {
            Poured::Broken(s) => Error::transient(s),
            Poured::Damaged(s) => Error::Permanent(s),
            Poured::Other(e) => e,
        }
    }
}
pub(super) struct Stored {
    pub(super) entry: String,
    pub(super) bytes: u64,
    pub(super) bytes_added: u64,
    pub(super) digest: String,
}
fn path(e: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("pgstub-{}-{e}", std::process::id()))
}
pub(super) async fn put(ctx: &Ctx, _name: &str, mut r: impl Read + Send + 'static) -> Result<Stored, Poured> {
    let entry = ctx.step.to_string();
    let p = path(&entry);
    let done = tokio::task::spawn_blocking(move || -> std::io::Result<u64> {
        let mut f = std::fs::File::create(&p)?;
        std::io::copy(&mut r, &mut f)
    })
    .await
    .map_err(|e| Poured::Other(Error::transient(e.to_string())))?;
    match done {
        Ok(n) => Ok(Stored { entry, bytes: n, bytes_added: n, digest: String::new() }),
        Err(e) => {
            let _ = std::fs::remove_file(path(&entry));
            Err(Poured::Broken(e.to_string()))
        }
    }
}
pub(super) async fn get(_ctx: &Ctx, a: &Artifact, mut w: impl Write + Send + 'static) -> Result<(), Poured> {
    let p = path(a.entry.as_deref().unwrap_or_default());
    let done = tokio::task::spawn_blocking(move || -> std::io::Result<u64> {
        let mut f = std::fs::File::open(&p)?;
        std::io::copy(&mut f, &mut w)
    })
    .await
    .map_err(|e| Poured::Other(Error::transient(e.to_string())))?;
    done.map(|_| ()).map_err(|e| Poured::Broken(e.to_string()))
}
pub(super) async fn forget(_ctx: &Ctx, made_by: StepId, _a: Option<&Artifact>) -> Result<(), Error> {
    let _ = std::fs::remove_file(path(&made_by.to_string()));
    Ok(())
}
#[cfg(test)]
pub(super) async fn find(ctx: &Ctx) -> Result<Option<String>, Error> {
    let e = ctx.step.to_string();
    Ok(path(&e).exists().then_some(e))
}
