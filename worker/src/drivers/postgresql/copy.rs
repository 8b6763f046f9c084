//! The copy: the dump that the cut began goes into the vault, to its end.
//!
//! An artifact is made only if `pg_dump` ended well: the reader that the vault reads from fails otherwise
//! ([`super::cut::Archive`]), and the vault keeps nothing of a reader that failed.

use stacksnap_common::types::{Artifact, Consistency};

use super::bytes;
use super::cut::Dump;
use super::facts::Facts;
use crate::driver::{Ctx, Error};

/// An artifact keeps so many warnings at most.
const WARNINGS: usize = 1000;

pub(super) async fn copy(ctx: &Ctx, dump: Dump) -> Result<Artifact, Error> {
    let Dump { facts, cut_at, child, archive } = dump;
    let stored = match bytes::put(ctx, &facts.database, archive).await {
        Ok(stored) => stored,
        // Its end of the pipe is closed, so that it has ended, or does now.
        Err(bytes::Poured::Broken(reason)) => {
            return Err(child.ended().await.err().unwrap_or_else(|| Error::transient(reason)));
        }
        Err(other) => return Err(other.into()),
    };
    let mut warnings = child.ended().await?;
    warnings.truncate(WARNINGS);
    warnings.extend(noted(&facts));
    Ok(Artifact {
        consistency: Consistency::Application,
        cut_at: Some(cut_at),
        entry: Some(stored.entry.into()),
        bytes: stored.bytes,
        bytes_added: stored.bytes_added,
        files: 1,
        digest: Some(stored.digest),
        warnings,
        data: serde_json::to_value(&facts).map_err(|error| Error::permanent(error.to_string()))?,
        ..ctx.made()
    })
}

/// What the archive doesn't bring back.
fn noted(facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    if facts.foreign_tables > 0 {
        notes.push(format!("the data of {} foreign tables is elsewhere and was not copied", facts.foreign_tables));
    }
    if !facts.subscriptions.is_empty() {
        notes.push(format!("a restore does not make these subscriptions again: {}", facts.subscriptions.join(", ")));
    }
    notes
}
