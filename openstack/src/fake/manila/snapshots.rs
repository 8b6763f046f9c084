//! `/snapshots`: `manila/api/v2/share_snapshots.py`, and `create_snapshot` and `delete_snapshot` of `manila/share/api.py`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, forbidden, missing, over_quota, text};
use super::faults::Ends;
use super::routes::{SNAPSHOT_METADATA, page};
use super::state::{Next, Snapshot, State};

impl State {
    pub(super) fn serve_snapshots(
        &mut self,
        method: &str,
        path: &[&str],
        given: &Given<'_>,
        version: (u32, u32),
    ) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", ["detail"]) => {
                let own = self.snapshots.values().filter(|snapshot| given.lists(&snapshot.project));
                let shown = own.map(|it| (it.created.clone() + &it.id, it.view(version))).collect();
                page("snapshots", shown, given.query)
            }
            ("POST", []) => self.create_snapshot(given, version),
            ("GET", [id]) => match self.snapshot_of(id, given) {
                Ok(snapshot) => Ok((StatusCode::OK, json!({"snapshot": snapshot.view(version)}))),
                // `show` of the controller says no more.
                Err(_) => Err(missing("The resource could not be found.")),
            },
            ("DELETE", [id]) => self.delete_snapshot(id, given),
            _ => return None,
        })
    }

    pub(super) fn snapshot_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Snapshot, Refusal> {
        let found = self.snapshots.get_mut(id).filter(|snapshot| given.may(&snapshot.project));
        found.ok_or_else(|| missing(format!("ShareSnapshotNotFound: Snapshot {id} could not be found.")))
    }

    fn create_snapshot(&mut self, given: &Given<'_>, version: (u32, u32)) -> Answer {
        let new = &given.body["snapshot"];
        let of = new["share_id"].as_str().unwrap_or_default();
        let share = self.share_of(of, given)?.clone();
        if !share.can.snapshot {
            return Err(Refusal {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                kind: "computeFault",
                message: format!(
                    "Snapshots cannot be created for share '{of}' since it does not have that capability."
                ),
            });
        }
        if share.soft_deleted {
            return Err(forbidden(format!(
                "Snapshots cannot be created for share '{of}' since it has been soft deleted."
            )));
        }
        if share.status != "available" {
            return Err(bad_request("Invalid share: Source share status must be available."));
        }
        share.is_free()?;
        let used: Vec<_> = self.snapshots.values().filter(|it| it.project == given.project).map(|it| it.size).collect();
        if used.iter().sum::<u64>() + share.size > self.quota.snapshot_gigabytes {
            return Err(over_quota(
                "SnapshotSizeExceedsAvailableQuota: Requested snapshot exceeds allowed project/user or share type gigabytes \
                 quota."
                    .to_owned(),
            ));
        }
        if used.len() >= self.quota.snapshots {
            let allowed = self.quota.snapshots;
            return Err(over_quota(format!(
                "SnapshotLimitExceeded: Maximum number of snapshots allowed ({allowed}) either per project/user or share type \
                 quota is exceeded."
            )));
        }
        let due = self.due(self.delays.snapshot, Ends::SnapshotInError, Next::Made, Next::Failed);
        let id = self.put_snapshot(of, "");
        let snapshot = self.snapshots.get_mut(&id).unwrap();
        snapshot.name = text(&new["name"]);
        snapshot.description = text(&new["description"]);
        snapshot.status = "creating".to_owned();
        snapshot.due = due;
        if version >= SNAPSHOT_METADATA {
            snapshot.metadata = Given::metadata(&new["metadata"]);
        }
        Ok((StatusCode::ACCEPTED, json!({"snapshot": snapshot.view(version)})))
    }

    fn delete_snapshot(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let snapshot = self.snapshot_of(id, given).map_err(|_| missing("The resource could not be found."))?;
        if !["available", "error"].contains(&snapshot.status.as_str()) {
            return Err(bad_request(
                "Invalid share snapshot: Share Snapshot status must be one of ('available', 'error')..",
            ));
        }
        let due = self.due(self.delays.delete, Ends::DeleteInError, Next::Deleted, Next::NotDeleted);
        let snapshot = self.snapshot_of(id, given)?;
        snapshot.status = "deleting".to_owned();
        snapshot.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}

impl Snapshot {
    /// `manila/api/views/share_snapshots.py`
    fn view(&self, version: (u32, u32)) -> Value {
        let mut view = json!({
            "id": self.id, "share_id": self.share, "share_size": self.size, "created_at": self.created,
            "status": self.status, "name": self.name, "description": self.description, "size": self.size,
            "share_proto": self.proto, "links": [], "user_id": "u", "project_id": self.project,
        });
        if version >= SNAPSHOT_METADATA {
            view["metadata"] = json!(self.metadata);
        }
        view
    }
}
