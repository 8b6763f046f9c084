//! `/shares`: `manila/api/v2/shares.py`, and `create` and `delete` of `manila/share/api.py`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, forbidden, missing, over_quota, text};
use super::faults::Ends;
use super::routes::{FROM_SNAPSHOT, RECYCLE_BIN, page};
use super::state::{Next, Share, State};

/// `BUSY_TASK_STATES` of `manila/common/constants.py`
const BUSY: [&str; 10] = [
    "migration_starting",
    "migration_in_progress",
    "migration_completing",
    "migration_driver_starting",
    "migration_driver_in_progress",
    "migration_driver_phase1_done",
    "data_copying_starting",
    "data_copying_in_progress",
    "data_copying_completing",
    "data_copying_completed",
];
pub(super) const OVER_SIZE: &str = "Requested share exceeds allowed project/user or share type gigabytes quota.";

impl State {
    pub(super) fn serve_shares(
        &mut self,
        method: &str,
        path: &[&str],
        given: &Given<'_>,
        version: (u32, u32),
    ) -> Option<Answer> {
        let shown = |share: &mut Share| (StatusCode::OK, json!({"share": share.view(version)}));
        // What the controller looks up by itself: it says no more.
        let nothing = |_: Refusal| missing("The resource could not be found.");
        Some(match (method, path) {
            ("GET", ["detail"]) => {
                let own = self.shares.values().filter(|share| given.lists(&share.project) && !share.soft_deleted);
                page("shares", own.map(|it| (it.created.clone() + &it.id, it.view(version))).collect(), given.query)
            }
            ("POST", []) => self.create_share(given, version),
            ("GET", [id]) => self.share_of(id, given).map(shown).map_err(nothing),
            ("PUT", [id]) => {
                let changed = |share: &mut Share| {
                    let new = &given.body["share"];
                    share.name = text(&new["display_name"]).or(share.name.take());
                    share.description = text(&new["display_description"]).or(share.description.take());
                    shown(share)
                };
                self.share_of(id, given).map(changed).map_err(nothing)
            }
            ("PUT", [id, "metadata"]) => self.share_of(id, given).map(|share| {
                share.metadata = Given::metadata(&given.body["metadata"]);
                (StatusCode::OK, json!({"metadata": share.metadata}))
            }),
            ("DELETE", [id]) => self.delete_share(id, given),
            ("POST", [id, "action"]) => return self.act(id, given),
            _ => return None,
        })
    }

    pub(super) fn share_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Share, Refusal> {
        let found = self.shares.get_mut(id).filter(|share| given.may(&share.project));
        found.ok_or_else(|| missing(format!("ShareNotFound: Share {id} could not be found.")))
    }

    /// In all of a project's shares, GiB.
    pub(super) fn used(&self, project: &str) -> u64 {
        self.shares.values().filter(|share| share.project == project).map(|share| share.size).sum()
    }

    fn create_share(&mut self, given: &Given<'_>, version: (u32, u32)) -> Answer {
        let new = &given.body["share"];
        let size = new["size"].as_u64().ok_or_else(|| bad_request("Invalid input for field/attribute size."))?;
        let from = match new["snapshot_id"].as_str() {
            Some(id) => Some(self.snapshot_of(id, given)?.clone()),
            None => None,
        };
        let parent = match &from {
            Some(snapshot) => Some(self.share_of(&snapshot.share, given)?.clone()),
            None => None,
        };
        if let (Some(snapshot), Some(parent)) = (&from, &parent) {
            comes_from(new, size, &snapshot.id, &snapshot.status, snapshot.size, parent)?;
        }
        if self.used(given.project) + size > self.quota.gigabytes {
            return Err(over_quota(format!("ShareSizeExceedsAvailableQuota: {OVER_SIZE}")));
        }
        let count = self.shares.values().filter(|share| share.project == given.project).count();
        if count >= self.quota.shares {
            let allowed = self.quota.shares;
            return Err(over_quota(format!(
                "ShareLimitExceeded: Maximum number of shares allowed ({allowed}) either per project/user or share type quota \
                 is exceeded."
            )));
        }
        let due = self.due(self.delays.share, Ends::ShareInError, Next::Made, Next::Failed);
        let content = from.as_ref().map(|snapshot| snapshot.content.clone()).unwrap_or_default();
        let id = self.put_share(given.project, &content);
        let share = self.shares.get_mut(&id).unwrap();
        share.name = text(&new["name"]);
        share.description = text(&new["description"]);
        share.size = size;
        share.proto = text(&new["share_proto"]).unwrap_or_default().to_uppercase();
        share.network = text(&new["share_network_id"]);
        share.kind = text(&new["share_type"]).unwrap_or_else(|| share.kind.clone());
        share.metadata = Given::metadata(&new["metadata"]);
        share.snapshot = text(&new["snapshot_id"]);
        share.status = if from.is_some() { "creating_from_snapshot" } else { "creating" }.to_owned();
        share.due = due;
        if let Some(parent) = parent {
            share.network = parent.network;
            share.kind = parent.kind;
            share.can = parent.can;
        }
        Ok((StatusCode::ACCEPTED, json!({"share": share.view(version)})))
    }

    fn delete_share(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let snapshots = self.snapshots.values().filter(|snapshot| snapshot.share == id).count();
        let share = self.share_of(id, given).map_err(|_| missing("The resource could not be found."))?;
        if !["available", "error", "inactive"].contains(&share.status.as_str()) {
            return Err(forbidden("Invalid share: Share status must be one of ('available', 'error', 'inactive')."));
        }
        if snapshots > 0 {
            return Err(forbidden(format!("Invalid share: Share still has {snapshots} dependent snapshots..")));
        }
        let due = self.due(self.delays.delete, Ends::DeleteInError, Next::Deleted, Next::NotDeleted);
        let share = self.share_of(id, given)?;
        share.status = "deleting".to_owned();
        share.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}

/// Whether a share of this kind may be made from a snapshot: `_create` of the controller, then `create` of `share/api.py`.
fn comes_from(new: &Value, size: u64, id: &str, status: &str, of: u64, parent: &Share) -> Result<(), Refusal> {
    if new["share_network_id"].as_str().is_some_and(|network| parent.network.as_deref() != Some(network)) {
        return Err(bad_request("Share network ID should be the same as snapshot's parent share's or empty"));
    }
    if !parent.can.create {
        return Err(bad_request(format!(
            "A new share may not be created from snapshot '{id}', because the snapshot's parent share does not have that \
             capability."
        )));
    }
    if status != "available" {
        return Err(bad_request("Invalid share snapshot: status must be 'available'."));
    }
    if size < of {
        return Err(bad_request(format!(
            "Invalid input received: Share size '{size}' must be equal or greater than snapshot size."
        )));
    }
    if new["share_type"].as_str().is_some_and(|kind| kind != parent.kind) {
        return Err(bad_request(
            "Invalid input received: Invalid share type specified: the requested share type must match the type of the source \
             share. If a share type is not specified when requesting a new share from a snapshot, the share type of the source \
             share will be applied to the new share..",
        ));
    }
    Ok(())
}

impl Share {
    /// `_check_is_share_busy`
    pub(super) fn is_free(&self) -> Result<(), Refusal> {
        match &self.task {
            Some(task) if BUSY.contains(&task.as_str()) => Err(bad_request(format!(
                "Share is busy with an active task: Share {} is busy as part of an active task: {task}..",
                self.id
            ))),
            _ => Ok(()),
        }
    }

    /// `manila/api/views/shares.py`
    fn view(&self, version: (u32, u32)) -> Value {
        let status = match self.status.as_str() {
            "creating_from_snapshot" if version < FROM_SNAPSHOT => "creating",
            status => status,
        };
        let mut view = json!({
            "id": self.id, "size": self.size, "availability_zone": "nova", "created_at": self.created, "status": status,
            "name": self.name, "description": self.description, "project_id": self.project,
            "snapshot_id": self.snapshot, "share_network_id": self.network, "share_proto": self.proto,
            "metadata": self.metadata, "share_type": self.kind, "share_type_name": "default", "volume_type": "default",
            "links": [], "is_public": self.public, "snapshot_support": self.can.snapshot, "task_state": self.task,
            "access_rules_status": self.rules_status(), "replication_type": null, "has_replicas": false, "user_id": "u",
            "create_share_from_snapshot_support": self.can.create, "revert_to_snapshot_support": self.can.revert,
            "share_group_id": null, "source_share_group_snapshot_member_id": null, "mount_snapshot_support": false,
        });
        if version >= FROM_SNAPSHOT {
            view["progress"] = if self.status == "available" { "100%".into() } else { Value::Null };
        }
        if version >= RECYCLE_BIN {
            view["is_soft_deleted"] = self.soft_deleted.into();
            view["scheduled_to_be_deleted_at"] = Value::Null;
        }
        view
    }
}
