//! The copy: the container's tree goes into the vault, and then the container is compared with it. If nothing has changed
//! since it was read, the copy is of one moment. If something has, what changed is read again; a container that does not
//! come to rest is copied as it was met, and what changed is named.

use std::sync::Arc;

use stacksnap_common::types::{Artifact, Consistency};

use super::call::Calls;
use super::compare::{Which, compare};
use super::kept;
use super::source::Source;
use super::summary::Summary;
use crate::driver::{Error, Outcome};
use crate::vault::{EntryId, Label, Vault, Work};

/// How often it is read.
const PASSES: usize = 3;

pub(super) async fn copy(calls: &Calls) -> Result<Outcome<Artifact>, Error> {
    let ctx = &calls.ctx;
    let name = calls.name()?.to_owned();
    let mut own = calls.target().await?;
    let Some(snapshot) = ctx.snapshot else {
        return Err(Error::permanent("a copy belongs to a snapshot, and this step has none"));
    };
    let label = Label {
        project: ctx.project.clone(),
        stack: ctx.stack,
        snapshot,
        resource: Some(ctx.resource.name.clone()),
        step: ctx.step,
        fence: ctx.lease.fence(),
    };
    let vault = ctx.vault.vault(&ctx.project).await?;
    let (mut passes, mut added) = (0, 0);
    loop {
        passes += 1;
        let before = match vault.newest_tree(&label).await? {
            Some(entry) => Some(vault.open_tree(&entry).await?),
            None => None,
        };
        let source = Arc::new(Source::new(calls, &name, own.clone(), before));
        let mut stored = vault.put_tree(&label, Arc::clone(&source) as _, work(calls)).await.map_err(|error| {
            // What came through the vault as text is known here with its kind.
            source.fault().unwrap_or_else(|| error.into())
        })?;
        added += stored.bytes_added;
        stored.bytes_added = added;
        let now = calls.target().await?;
        let (mut changed, notes) = changes(calls, &vault, &stored.entry, &name).await?;
        let differ = own.headers.differ(&now.headers);
        if !differ.is_empty() {
            changed.push(format!("the container's headers ({})", differ.join(", ")));
        }
        own = now;
        if changed.is_empty() || passes == PASSES {
            only(&vault, calls, &stored.entry).await?;
            let level = if changed.is_empty() { Consistency::Crash } else { Consistency::None };
            let mut warnings: Vec<_> =
                changed.iter().map(|what| format!("it changed while it was copied: {what}")).collect();
            warnings.extend(notes);
            warnings.extend(older_versions(&own.headers));
            return Ok(Outcome::Done(kept::artifact(ctx, &name, stored, level, warnings)?));
        }
        tracing::debug!(
            container = name,
            changes = changed.len(),
            "the container changed while it was copied; once more"
        );
    }
}

/// What is not as it was copied: what a restore would do now.
async fn changes(
    calls: &Calls,
    vault: &Vault,
    entry: &EntryId,
    name: &str,
) -> Result<(Vec<String>, Vec<String>), Error> {
    let (tree, name) = (vault.open_tree(entry).await?, name.to_owned());
    calls
        .on_thread(move |calls| {
            let mut summary = Summary::new(&name);
            compare(calls, &tree, &name, Which::All, &mut |compared| {
                summary.add(&compared);
                Ok(())
            })?;
            Ok(summary.into_lines())
        })
        .await
}

/// What earlier runs and passes of this step left is not needed any more.
async fn only(vault: &Vault, calls: &Calls, entry: &EntryId) -> Result<(), Error> {
    for other in vault.find(calls.ctx.step).await? {
        let ours = other.label.as_ref().is_some_and(|label| label.fence <= calls.ctx.lease.fence());
        if ours && other.id != *entry {
            vault.forget(&other.id).await?;
        }
    }
    Ok(())
}

pub(super) fn older_versions(headers: &stacksnap_openstack::swift::Headers) -> Option<String> {
    let place = headers.get("x-versions-location").or_else(|| headers.get("x-history-location"));
    match place {
        Some(place) => Some(format!("older versions of objects, in container {place}, are not copied")),
        None => headers
            .get("x-versions-enabled")
            .filter(|on| on.eq_ignore_ascii_case("true"))
            .map(|_| "older versions of objects are not copied".to_owned()),
    }
}

pub(super) fn work(calls: &Calls) -> Work {
    let ctx = &calls.ctx;
    Work { progress: ctx.progress.clone(), cancel: ctx.cancel.clone(), lease: ctx.lease.clone() }
}
