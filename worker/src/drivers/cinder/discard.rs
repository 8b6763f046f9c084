//! What a step left is taken away, and waited for until it is gone.
//!
//! Cinder deletes no backup that others are built on. Such a one is *condemned*: it is marked so, is out of our sight, and
//! goes with the last of those others: whoever deletes a backup looks afterwards for condemned ones of the same volume
//! that nothing is built on any more. The mark is made before dependents are looked at once more, so that of two discards
//! at the same time one sees the other's.
//!
//! A snapshot that is a part of a group's goes with the whole, whichever of its volumes is first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::cinder::{Backup, Snapshot};

use super::Settings;
use super::group::{self, Over};
use super::kept::Kept;
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, gone_or_later};

/// The checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Discarding {
    #[serde(default)]
    wait: Wait,
    /// Volumes of which backups were deleted: what is condemned of them may go.
    #[serde(default)]
    volumes: BTreeSet<String>,
}

/// What became of one thing in one run.
enum Now {
    Gone,
    Going(String),
}

pub(super) async fn discard(
    settings: &Settings,
    calls: &Calls<'_>,
    made_by: StepId,
    artifact: Option<&Artifact>,
) -> Result<Outcome<()>, Error> {
    let mut state = Discarding::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let kept = artifact.and_then(|artifact| Kept::of(artifact).ok());
    let mut going = Vec::new();
    for backup in backups(calls, made_by, kept.as_ref()).await? {
        state.volumes.extend(backup.volume_id.clone());
        match self::backup(calls, backup).await? {
            Now::Gone => {}
            Now::Going(what) => going.push(what),
        }
    }
    let mut groups: BTreeSet<_> = group::made_by(calls, made_by).await?.into_iter().map(|it| it.id).collect();
    for found in snapshots(calls, made_by, kept.as_ref()).await? {
        match found.group_snapshot_id {
            // It goes with the whole.
            Some(whole) => drop(groups.insert(whole)),
            None => match snapshot(calls, &found.id, &found.status).await? {
                Now::Gone => {}
                Now::Going(what) => going.push(what),
            },
        }
    }
    for whole in groups {
        match group::remove_whole(calls, &whole).await? {
            Over::Yes => {}
            Over::NotYet => going.push(format!("group snapshot {whole}")),
            Over::Stays(why) => {
                return Err(Error::permanent(format!(
                    "group snapshot {whole}: {why}. An administrator has to set its state (cinder group-snapshot-reset-status \
                     --state error {whole}); then delete again"
                )));
            }
        }
    }
    if going.is_empty() {
        for volume in &state.volumes {
            going.extend(sweep(calls, volume).await?);
        }
    }
    gone_or_later(&settings.patience, calls.ctx.now, state.wait, &going, |wait| Discarding { wait, ..state })
}

/// Those of the step's name, and the recorded one; not those that are condemned already.
async fn backups(calls: &Calls<'_>, made_by: StepId, kept: Option<&Kept>) -> Result<Vec<Backup>, Error> {
    let mut found = calls.ask(calls.cinder.backups_named(&marks::name(made_by))).await?;
    if let Some(id) = kept.and_then(|kept| kept.backup.as_deref())
        && !found.iter().any(|backup| backup.id == id)
    {
        found.extend(calls.find(calls.cinder.backup(id)).await?);
    }
    found.retain(|backup| marks::is_ours(&backup.metadata) && !backup.metadata.contains_key(marks::CONDEMNED));
    Ok(found)
}

async fn snapshots(calls: &Calls<'_>, made_by: StepId, kept: Option<&Kept>) -> Result<Vec<Snapshot>, Error> {
    let mut found = calls.ask(calls.cinder.snapshots_named(&marks::name(made_by))).await?;
    if let Some(id) = kept.and_then(|kept| kept.snapshot.as_deref())
        && !found.iter().any(|snapshot| snapshot.id == id)
    {
        found.extend(calls.find(calls.cinder.snapshot(id)).await?);
    }
    found.retain(|snapshot| marks::is_ours(&snapshot.metadata));
    Ok(found)
}

async fn backup(calls: &Calls<'_>, backup: Backup) -> Result<Now, Error> {
    let id = &backup.id;
    match backup.status.as_str() {
        "available" | "error" if backup.has_dependent_backups => condemn(calls, backup).await,
        "available" | "error" => {
            let deleted = calls.act(calls.cinder.delete_backup(id)).await?;
            match deleted {
                Ok(()) => Ok(Now::Going(format!("backup {id}"))),
                // One was built on it just now, or somebody restores it: looked at again.
                Err(error) if error.status() == Some(StatusCode::BAD_REQUEST) => {
                    Ok(Now::Going(format!("backup {id}: {error}")))
                }
                Err(error) => Err(call::error(error)),
            }
        }
        "error_deleting" => {
            let why = if backup.fail_reason.is_empty() { "it gives no reason" } else { &backup.fail_reason };
            Err(Error::permanent(format!(
                "Cinder could not delete backup {id} (error_deleting): {why}. An administrator has to set its state \
                 (openstack volume backup set --state error {id}); then delete again"
            )))
        }
        status => Ok(Now::Going(format!("backup {id} ({status})"))),
    }
}

async fn condemn(calls: &Calls<'_>, backup: Backup) -> Result<Now, Error> {
    let mut metadata = backup.metadata.clone();
    metadata.insert(marks::CONDEMNED.to_owned(), calls.ctx.step.to_string());
    calls.act(calls.cinder.mark_backup(&backup.id, &metadata)).await?.map_err(call::error)?;
    tracing::info!(backup = backup.id, "others are built on this backup; it is removed with the last of them");
    Ok(Now::Gone)
}

/// Removes what is condemned of a volume and has nothing built on it any more.
async fn sweep(calls: &Calls<'_>, volume: &str) -> Result<Vec<String>, Error> {
    let mut going = Vec::new();
    for backup in calls.ask(calls.cinder.backups_of(volume)).await? {
        if !marks::is_ours(&backup.metadata) || !backup.metadata.contains_key(marks::CONDEMNED) {
            continue;
        }
        match backup.status.as_str() {
            _ if backup.has_dependent_backups => {}
            "available" | "error" => match calls.act(calls.cinder.delete_backup(&backup.id)).await? {
                Err(error) if error.status() != Some(StatusCode::BAD_REQUEST) => return Err(call::error(error)),
                _ => going.push(format!("backup {}", backup.id)),
            },
            "error_deleting" => tracing::warn!(backup = backup.id, "a condemned backup could not be deleted"),
            status => going.push(format!("backup {} ({status})", backup.id)),
        }
    }
    Ok(going)
}

async fn snapshot(calls: &Calls<'_>, id: &str, status: &str) -> Result<Now, Error> {
    let first = calls.ctx.checkpoint.is_null();
    match status {
        "available" | "error" => {}
        // Cinder takes another try.
        "error_deleting" if first => {}
        "error_deleting" => {
            return Err(Error::permanent(format!(
                "Cinder could not delete snapshot {id} (error_deleting): something may be built on it. See to that; then \
                 delete again"
            )));
        }
        status => return Ok(Now::Going(format!("snapshot {id} ({status})"))),
    }
    match calls.act(calls.cinder.delete_snapshot(id)).await? {
        Ok(()) => Ok(Now::Going(format!("snapshot {id}"))),
        Err(error) if error.status() == Some(StatusCode::BAD_REQUEST) => {
            Ok(Now::Going(format!("snapshot {id}: {error}")))
        }
        Err(error) => Err(call::error(error)),
    }
}
