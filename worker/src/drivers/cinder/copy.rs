//! Cut and copy.
//!
//! A cut is a Cinder snapshot, where the mode has one, or where the volume's server was stopped for it. A copy makes the
//! backup, where the mode has one: of that snapshot, or of the volume as it is; then the snapshot has done its work and goes.
//! What the volume is besides its bytes is noted when it is first looked at, and goes through the checkpoints into the
//! artifact.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use stacksnap_common::types::{Artifact, ServerMode, VolumeMode};
use stacksnap_openstack::cinder::Volume;
use stacksnap_openstack::nova::Server;

use super::Settings;
use super::chain;
use super::kept::{Facts, Kept};
use super::things::{ABackup, ASnapshot, target};
use crate::driver::{Cut, Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, later};

/// A cut, and the checkpoint of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Snapped {
    mode: VolumeMode,
    facts: Facts,
    #[serde(default)]
    making: Making,
    /// Once it is there.
    #[serde(default)]
    snapshot: Option<String>,
}

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

pub(super) async fn cut(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<Cut>, Error> {
    let cutting = match Snapped::deserialize(&calls.ctx.checkpoint) {
        Ok(cutting) => cutting,
        Err(_) => match begin_cut(settings, calls).await? {
            Some((mode, facts)) => Snapped { mode, facts, making: Making::default(), snapshot: None },
            None => return Ok(Outcome::Done(Cut::None)),
        },
    };
    let thing = ASnapshot { ctx: calls.ctx, cinder: &calls.cinder, volume: &cutting.facts.volume };
    match make(&settings.patience, calls.ctx, &thing, cutting.making.clone()).await? {
        Step::There(found) => Ok(Outcome::Done(Cut::Durable(json!(Snapped { snapshot: Some(found.id), ..cutting })))),
        Step::Later(after, making) => later(after, &Snapped { making, ..cutting }),
    }
}

/// `None`: there is nothing to cut. A backup alone is begun when servers run again: a volume that is quiet because its
/// server was stopped is cut by a snapshot in that mode too.
async fn begin_cut(settings: &Settings, calls: &Calls<'_>) -> Result<Option<(VolumeMode, Facts)>, Error> {
    let mode = match calls.ctx.volumes.unwrap_or(settings.mode) {
        // Cinder deletes no volume that has a snapshot.
        VolumeMode::Snapshot if calls.ctx.leaves => VolumeMode::Backup,
        mode => mode,
    };
    let stops = calls.ctx.servers == ServerMode::Stop;
    if mode == VolumeMode::Backup && !stops {
        return Ok(None);
    }
    let volume = target(calls).await?;
    let mut facts = Facts::from(&volume);
    if stops {
        facts.stopped = stopped(calls, &volume).await?;
    }
    Ok(match mode {
        VolumeMode::Backup if facts.stopped.is_empty() => None,
        VolumeMode::Backup => Some((VolumeMode::SnapshotAndBackup, facts)),
        mode => Some((mode, facts)),
    })
}

/// Servers that use the volume and are stopped by this operation.
async fn stopped(calls: &Calls<'_>, volume: &Volume) -> Result<Vec<String>, Error> {
    let mut stopped = Vec::new();
    for attachment in &volume.attachments {
        let server = calls.find(calls.nova.server(&attachment.server_id)).await?;
        let ours = |it: &Server| it.vm_state == "stopped" && marks::stopped_by(&it.metadata, calls.ctx);
        stopped.extend(server.filter(ours).map(|it| it.id));
    }
    Ok(stopped)
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
    let found = calls.find(calls.cinder.snapshot(&id)).await?;
    match found.map(|found| found.status).as_deref() {
        None => return done(calls, Copying { snapshot: None, ..copying }, Vec::new()).await,
        Some("available" | "error") => {
            calls.act(calls.cinder.delete_snapshot(&id)).await?.map_err(call::error)?;
        }
        Some("error_deleting") => {
            let why = format!("its snapshot {id} is not needed any more and could not be deleted (error_deleting)");
            return done(calls, copying, vec![why]).await;
        }
        Some(_) => {}
    }
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
