//! A cut is a Cinder snapshot, where the mode has one, or where the volume's server was stopped for it: of the volume, or of
//! the whole group that it is in (`group/`).

use serde::{Deserialize, Serialize};
use serde_json::json;
use stacksnap_common::types::{ServerMode, VolumeMode};
use stacksnap_openstack::cinder::Volume;
use stacksnap_openstack::nova::Server;

use super::Settings;
use super::group::{self, Now, Way};
use super::kept::{Facts, GroupCut, Grouped};
use super::things::{ASnapshot, target};
use crate::driver::{Cut, Error, Outcome};
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::later;

/// A cut, and the checkpoint of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Snapped {
    pub(super) mode: VolumeMode,
    pub(super) facts: Facts,
    /// Of one that is to be cut with its group: which, and how far that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    together: Option<(String, group::Cutting)>,
    #[serde(default)]
    making: Making,
    /// Once it is there.
    #[serde(default)]
    pub(super) snapshot: Option<String>,
}

pub(super) async fn cut(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<Cut>, Error> {
    let mut cutting = match Snapped::deserialize(&calls.ctx.checkpoint) {
        Ok(cutting) => cutting,
        Err(_) => match begin(settings, calls).await? {
            Some(cutting) => cutting,
            None => return Ok(Outcome::Done(Cut::None)),
        },
    };
    if let Some((group, so_far)) = cutting.together.take() {
        let run = group::Run { settings, calls, group: &group, volume: &cutting.facts.volume };
        match run.cut(so_far).await? {
            Now::Cut { group_snapshot, part } => {
                cutting.facts.group = Some(Grouped { id: group, cut: GroupCut::Together(group_snapshot) });
                return is_cut(cutting, part);
            }
            Now::Later(after, so_far) => return later(after, &Snapped { together: Some((group, so_far)), ..cutting }),
            Now::Alone(why) => {
                tracing::info!(step = %calls.ctx.step, group, why, "the volume is cut by itself");
                cutting.facts.group = alone(&group, why);
            }
        }
    }
    let thing = ASnapshot { ctx: calls.ctx, cinder: &calls.cinder, volume: &cutting.facts.volume };
    match make(&settings.patience, calls.ctx, &thing, cutting.making.clone()).await? {
        Step::There(found) => is_cut(cutting, found.id),
        Step::Later(after, making) => later(after, &Snapped { making, ..cutting }),
    }
}

fn is_cut(cutting: Snapped, snapshot: String) -> Result<Outcome<Cut>, Error> {
    Ok(Outcome::Done(Cut::Durable(json!(Snapped { snapshot: Some(snapshot), ..cutting }))))
}

/// `None`: there is nothing to cut. A backup alone is begun when servers run again: a volume that is quiet because its
/// server was stopped is cut by a snapshot in that mode too.
async fn begin(settings: &Settings, calls: &Calls<'_>) -> Result<Option<Snapped>, Error> {
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
    let mut together = None;
    let mode = match mode {
        VolumeMode::Backup if facts.stopped.is_empty() => return Ok(None),
        // Not all of its group need have a server that was stopped.
        VolumeMode::Backup => VolumeMode::SnapshotAndBackup,
        mode => {
            if let Some(group) = &volume.group_id {
                match group::way(calls, group).await? {
                    Way::Together(cutting) => together = Some((group.clone(), cutting)),
                    Way::Alone(why) => facts.group = alone(group, why),
                }
            }
            mode
        }
    };
    Ok(Some(Snapped { mode, facts, together, making: Making::default(), snapshot: None }))
}

fn alone(group: &str, why: String) -> Option<Grouped> {
    Some(Grouped { id: group.to_owned(), cut: GroupCut::Alone(why) })
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
