//! What a step left is taken away, and waited for until it is gone: its snapshot, or the share that is its copy, with what a
//! restore from that may have left of snapshots.

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::manila::{Share, Snapshot};

use super::Settings;
use super::kept::Kept;
use super::marks as ours;
use super::things::or_on_its_way;
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, gone_or_later};

/// The checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Discarding {
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn discard(
    settings: &Settings,
    calls: &Calls<'_>,
    made_by: StepId,
    artifact: Option<&Artifact>,
) -> Result<Outcome<()>, Error> {
    let state = Discarding::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let kept = artifact.and_then(|artifact| Kept::of(artifact).ok());
    let mut going = Vec::new();
    for found in snapshots(calls, made_by, kept.as_ref()).await? {
        going.extend(snapshot(calls, &found).await?);
    }
    for found in shares(calls, made_by, kept.as_ref()).await? {
        going.extend(share(calls, &found).await?);
    }
    gone_or_later(&settings.patience, calls.ctx.now, state.wait, &going, |wait| Discarding { wait })
}

/// Those of the step's name, and the recorded one.
async fn snapshots(calls: &Calls<'_>, made_by: StepId, kept: Option<&Kept>) -> Result<Vec<Snapshot>, Error> {
    let mut found = calls.ask(calls.manila.snapshots_named(&marks::name(made_by))).await?;
    if let Some(id) = kept.and_then(|kept| kept.snapshot.as_deref())
        && !found.iter().any(|snapshot| snapshot.id == id)
    {
        found.extend(calls.find(calls.manila.snapshot(id)).await?);
    }
    found.retain(|snapshot| ours::of_snapshot(snapshot).is_some());
    Ok(found)
}

/// The same. A share that a restore has finished has its own name and no mark any more.
async fn shares(calls: &Calls<'_>, made_by: StepId, kept: Option<&Kept>) -> Result<Vec<Share>, Error> {
    let mut found = calls.ask(calls.manila.shares_named(&marks::name(made_by))).await?;
    if let Some(id) = kept.and_then(|kept| kept.copy.as_deref())
        && !found.iter().any(|share| share.id == id)
    {
        found.extend(calls.find(calls.manila.share(id)).await?);
    }
    let step = made_by.to_string();
    found.retain(|share| ours::of_share(share).is_some_and(|metadata| metadata.get(marks::STEP) == Some(&step)));
    Ok(found)
}

/// What is left of it, in words; `None`: nothing.
pub(super) async fn snapshot(calls: &Calls<'_>, snapshot: &Snapshot) -> Result<Option<String>, Error> {
    let id = &snapshot.id;
    match snapshot.status.as_str() {
        "available" | "error" => match or_on_its_way(calls.act(calls.manila.delete_snapshot(id)).await?) {
            Ok(()) => Ok(Some(format!("snapshot {id}"))),
            Err(error) => Err(call::error(error)),
        },
        status @ ("error_deleting" | "error_deferred_deleting") => Err(Error::permanent(format!(
            "Manila could not delete snapshot {id} ({status}): a share that was made from it may still need it. An \
             administrator has to see to it (openstack share snapshot set --status error {id}); then delete again"
        ))),
        status => Ok(Some(format!("snapshot {id} ({status})"))),
    }
}

/// The same of a share, whose snapshots go first.
pub(super) async fn share(calls: &Calls<'_>, share: &Share) -> Result<Option<String>, Error> {
    let id = &share.id;
    match share.status.as_str() {
        "available" | "error" => {}
        status @ ("error_deleting" | "error_deferred_deleting") => {
            return Err(Error::permanent(format!(
                "Manila could not delete share {id} ({status}). An administrator has to see to it (openstack share set \
                 --status error {id}); then delete again"
            )));
        }
        status => return Ok(Some(format!("share {id} ({status})"))),
    }
    let mut going = Vec::new();
    for found in calls.ask(calls.manila.snapshots_of(id)).await? {
        if ours::of_snapshot(&found).is_some() {
            going.extend(snapshot(calls, &found).await?);
        }
    }
    if !going.is_empty() {
        return Ok(Some(going.join(", ")));
    }
    match or_on_its_way(calls.act(calls.manila.delete_share(id)).await?) {
        Ok(()) => Ok(Some(format!("share {id}"))),
        // It has snapshots of somebody else's, or a lock.
        Err(error) if error.status() == Some(StatusCode::FORBIDDEN) => Err(Error::permanent(format!(
            "Manila does not delete share {id}, a copy of this service's: {error}. Remove what it names, then delete again"
        ))),
        Err(error) => Err(call::error(error)),
    }
}
