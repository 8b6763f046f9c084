//! A copy makes the backup, where the mode has one: of the cut's snapshot, or of the volume as it is; then the snapshot has
//! done its work and goes. What the volume is besides its bytes was noted when it was first looked at, and goes through the
//! checkpoints into the artifact.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, VolumeMode};

use super::Settings;
use super::cut::Snapped;
use super::group::Over;
use super::kept::{Facts, Kept};
use super::things::{ABackup, target};
use super::{chain, group};
use crate::driver::{Cut, Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::{Wait, later};

/// The checkpoint of a copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Copying {
    mode: VolumeMode,
    facts: Facts,
    snapshot: Option<String>,
    incremental: bool,
    #[serde(default)]
    making: Making,
    /// Once there is a backup: how long its snapshot has been waited for to go.
    #[serde(default)]
    backup: Option<String>,
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn copy(settings: &Settings, calls: &Calls<'_>, cut: Cut) -> Result<Outcome<Artifact>, Error> {
    let ctx = calls.ctx;
    let snapped = match &cut {
        Cut::Durable(value) => Some(
            Snapped::deserialize(value)
                .map_err(|error| Error::permanent(format!("what was noted of the cut can't be read: {error}")))?,
        ),
        _ => None,
    };
    let copying = match Copying::deserialize(&ctx.checkpoint) {
        Ok(copying) => copying,
        Err(_) => begin(settings, calls, snapped).await?,
    };
    ctx.progress.expect(copying.facts.size * super::GIB, 0);
    match (&copying.snapshot, &copying.backup) {
        (Some(_), _) if copying.mode == VolumeMode::Snapshot => done(calls, copying, Vec::new()).await,
        (_, None) => back_up(settings, calls, copying).await,
        (Some(_), Some(_)) => drop_snapshot(settings, calls, copying).await,
        (None, Some(_)) => done(calls, copying, Vec::new()).await,
    }
}

/// Whether the backup is full is settled once: a second try is no more incremental than the first.
async fn begin(settings: &Settings, calls: &Calls<'_>, snapped: Option<Snapped>) -> Result<Copying, Error> {
    let (mode, facts, snapshot) = match snapped {
        Some(Snapped { mode, facts, snapshot, .. }) => (mode, facts, snapshot),
        None => (VolumeMode::Backup, Facts::from(&target(calls).await?), None),
    };
    let mut incremental = false;
    if mode != VolumeMode::Snapshot {
        let backups = calls.ask(calls.cinder.backups_of(&facts.volume)).await?;
        incremental = !chain::is_full(&backups, settings.full_every);
    }
    let making = Making::default();
    Ok(Copying { mode, facts, snapshot, incremental, making, backup: None, wait: Wait::default() })
}

async fn back_up(settings: &Settings, calls: &Calls<'_>, copying: Copying) -> Result<Outcome<Artifact>, Error> {
    let thing = ABackup {
        ctx: calls.ctx,
        cinder: &calls.cinder,
        volume: &copying.facts.volume,
        snapshot: copying.snapshot.as_deref(),
        incremental: copying.incremental,
    };
    match make(&settings.patience, calls.ctx, &thing, copying.making.clone()).await? {
        Step::Later(after, making) => later(after, &Copying { making, ..copying }),
        Step::There(found) if copying.snapshot.is_some() => {
            later(Duration::ZERO, &Copying { backup: Some(found.id), ..copying })
        }
        Step::There(found) => done(calls, Copying { backup: Some(found.id), ..copying }, Vec::new()).await,
    }
}

/// The backup is there: its snapshot goes. One that Cinder can't delete does not make the backup worth less.
async fn drop_snapshot(settings: &Settings, calls: &Calls<'_>, copying: Copying) -> Result<Outcome<Artifact>, Error> {
    let Some(id) = copying.snapshot.clone() else { return done(calls, copying, Vec::new()).await };
    let Some(found) = calls.find(calls.cinder.snapshot(&id)).await? else {
        return done(calls, Copying { snapshot: None, ..copying }, Vec::new()).await;
    };
    if let Some(whole) = copying.facts.group_snapshot() {
        match group::is_done_with(calls, whole, &found).await? {
            Over::Yes => return done(calls, Copying { snapshot: None, ..copying }, Vec::new()).await,
            Over::NotYet => return going(settings, calls, copying, &id).await,
            Over::Stays(why) => {
                let why = format!("the group's snapshot {whole} is not needed any more: {why}");
                return done(calls, copying, vec![why]).await;
            }
        }
    }
    match found.status.as_str() {
        "available" | "error" => {
            calls.act(calls.cinder.delete_snapshot(&id)).await?.map_err(call::error)?;
        }
        "error_deleting" => {
            let why = format!("its snapshot {id} is not needed any more and could not be deleted (error_deleting)");
            return done(calls, copying, vec![why]).await;
        }
        _ => {}
    }
    going(settings, calls, copying, &id).await
}

/// The snapshot is on its way out.
async fn going(settings: &Settings, calls: &Calls<'_>, copying: Copying, id: &str) -> Result<Outcome<Artifact>, Error> {
    match copying.wait.on(&settings.patience, calls.ctx.now) {
        Some((wait, after)) => later(after, &Copying { wait, ..copying }),
        None => done(calls, copying, vec![format!("its snapshot {id} is not needed any more and did not go")]).await,
    }
}

async fn done(calls: &Calls<'_>, copying: Copying, warnings: Vec<String>) -> Result<Outcome<Artifact>, Error> {
    let Copying { facts, snapshot, backup, .. } = copying;
    let mut parent = None;
    if let Some(id) = &backup {
        let backups = calls.ask(calls.cinder.backups_of(&facts.volume)).await?;
        let ours = backups.iter().find(|backup| backup.id == *id);
        parent = ours.and_then(|ours| chain::parent(&backups, ours));
    }
    let kept = Kept { facts, backup, parent, snapshot };
    calls.ctx.progress.add_bytes(kept.bytes());
    Ok(Outcome::Done(kept.artifact(calls.ctx, warnings)?))
}
