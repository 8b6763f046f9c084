//! The backup. What the instance is besides its databases is noted when it is first looked at, and goes through the
//! checkpoints into the artifact.
//!
//! An incremental one is built on our own last backup, which must be there as long as it is. A snapshot may be deleted while
//! another is made, and Trove does not show what it is deleting; so the parent is asked for again in the records when the
//! backup is whole: one that is not wanted any more may be on its way out, and what was built on it is made again, full.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::Artifact;
use stacksnap_openstack::trove::Backup;

use super::calls::{self, Calls};
use super::kept::{Facts, Kept};
use super::marks::Mark;
use super::things::ABackup;
use super::{Settings, chain};
use crate::driver::{Error, Outcome, Standing};
use crate::drivers::openstack::make::{Making, Step, Thing, make};
use crate::drivers::openstack::wait::{Wait, later};

/// The checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Copying {
    facts: Facts,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    making: Making,
    /// One whose parent is gone: it goes first.
    #[serde(default)]
    dropped: Option<String>,
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn copy(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<Artifact>, Error> {
    let copying = match Copying::deserialize(&calls.ctx.checkpoint) {
        Ok(copying) => copying,
        Err(_) => {
            let instance = calls.target().await?;
            if let Some(cluster) = &instance.cluster_id {
                let why =
                    format!("instance {} is a part of cluster {cluster}: Trove makes no backup of one", instance.id);
                let ctx = calls.ctx;
                return Ok(Outcome::Done(ctx.unprotected(why)));
            }
            begin(settings, calls, Facts::new(&instance, &calls.ctx.resource)).await?
        }
    };
    if let Some(id) = copying.dropped.clone() {
        return dropped(settings, calls, copying, &id).await;
    }
    // What could not be made on top of another is made by itself.
    let parent = copying.parent.as_deref().filter(|_| !copying.making.was_again());
    let thing = ABackup { ctx: calls.ctx, trove: &calls.trove, instance: &copying.facts.instance, parent };
    match make(&settings.patience, calls.ctx, &thing, copying.making.clone()).await? {
        Step::Later(after, making) => later(after, &Copying { making, ..copying }),
        Step::There(found) => {
            let Some(backup) = calls.find(calls.trove.backup(&found.id)).await? else {
                return Err(Error::permanent(format!("backup {} was deleted when it was just there", found.id)));
            };
            if !stands(calls, &backup).await? {
                tracing::warn!(
                    backup = backup.id,
                    "what this backup is built on may be on its way out; it is made again"
                );
                calls.act(thing.delete(&backup.id)).await?.map_err(calls::refused)?;
                let dropped = Copying { parent: None, dropped: Some(backup.id), ..copying };
                return later(settings.patience.pace.0, &dropped);
            }
            done(calls, copying.facts, backup)
        }
    }
}

/// Whether the backup is full is settled once: a second try is no more incremental than the first.
async fn begin(settings: &Settings, calls: &Calls<'_>, facts: Facts) -> Result<Copying, Error> {
    let backups = calls.ask(calls.trove.backups_of(&facts.instance)).await?;
    let mut parent = None;
    if let Some((newest, mark)) = chain::parent(&backups, settings.full_every)
        && standing(calls, &mark).await? == Standing::Kept
    {
        parent = Some(newest.id.clone());
    }
    Ok(Copying { facts, parent, making: Making::default(), dropped: None, wait: Wait::default() })
}

pub(super) async fn standing(calls: &Calls<'_>, mark: &Mark) -> Result<Standing, Error> {
    calls.ctx.records.standing(&mark.project, mark.snapshot, mark.step).await
}

/// Whether what it is built on is there to stay.
async fn stands(calls: &Calls<'_>, backup: &Backup) -> Result<bool, Error> {
    let Some(parent) = &backup.parent_id else { return Ok(true) };
    let Some(parent) = calls.find(calls.trove.backup(parent)).await? else { return Ok(false) };
    match Mark::of(&parent) {
        Some(mark) => Ok(standing(calls, &mark).await? == Standing::Kept),
        None => Ok(false),
    }
}

async fn dropped(
    settings: &Settings,
    calls: &Calls<'_>,
    copying: Copying,
    id: &str,
) -> Result<Outcome<Artifact>, Error> {
    if calls.find(calls.trove.backup(id)).await?.is_none() {
        let again = Copying { dropped: None, making: Making::default(), wait: Wait::default(), ..copying };
        return later(Duration::ZERO, &again);
    }
    match copying.wait.on(&settings.patience, calls.ctx.now) {
        Some((wait, after)) => later(after, &Copying { wait, ..copying }),
        None => Err(settings.patience.is_over(&format!("backup {id}, which is of no use, is still there"))),
    }
}

fn done(calls: &Calls<'_>, facts: Facts, backup: Backup) -> Result<Outcome<Artifact>, Error> {
    let size = backup.size.unwrap_or_default();
    let kept = Kept { facts, backup: backup.id, parent: backup.parent_id, size };
    let artifact = kept.artifact(calls.ctx)?;
    calls.ctx.progress.expect(artifact.bytes, 0);
    calls.ctx.progress.add_bytes(artifact.bytes);
    Ok(Outcome::Done(artifact))
}
