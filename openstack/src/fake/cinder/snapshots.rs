//! `/snapshots`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, not_found, over_quota, text};
use super::faults::Ends;
use super::routes::page;
use super::state::{Next, Snapshot, State};
use super::volumes::changed;

impl State {
    pub(super) fn serve_snapshots(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", ["detail"]) => {
                let own = self.snapshots.values().filter(|snapshot| given.lists(&snapshot.project));
                page(
                    "snapshots",
                    "Snapshot",
                    own.map(|snapshot| (snapshot.created.clone() + &snapshot.id, snapshot.detail())).collect(),
                    given.query,
                )
            }
            ("POST", []) => self.create_snapshot(given),
            ("GET", [id]) => {
                self.snapshot_of(id, given).map(|snapshot| (StatusCode::OK, json!({"snapshot": snapshot.detail()})))
            }
            ("PUT", [id]) => self.snapshot_of(id, given).map(|snapshot| {
                let new = &given.body["snapshot"];
                snapshot.name = text(&new["name"]).or(snapshot.name.take());
                snapshot.description = text(&new["description"]).or(snapshot.description.take());
                (StatusCode::OK, json!({"snapshot": snapshot.view()}))
            }),
            ("PUT", [id, "metadata"]) => self.snapshot_of(id, given).map(|snapshot| {
                snapshot.metadata = Given::metadata(&given.body["metadata"]);
                (StatusCode::OK, json!({"metadata": snapshot.metadata}))
            }),
            ("DELETE", [id]) => self.delete_snapshot(id, given),
            _ => return None,
        })
    }

    pub(super) fn snapshot_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Snapshot, Refusal> {
        let found = self.snapshots.get_mut(id).filter(|snapshot| given.may(&snapshot.project));
        found.ok_or_else(|| not_found("Snapshot", id))
    }

    fn create_snapshot(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["snapshot"];
        let of = new["volume_id"].as_str().unwrap_or_default();
        let volume = self.volume_of(of, given)?.clone();
        let free = if new["force"] == true { &["available", "in-use"][..] } else { &["available"] };
        if !free.contains(&volume.status.as_str()) {
            let (free, status) = (free.join(", "), &volume.status);
            return Err(bad_request(format!(
                "Invalid volume: Volume {of} status must be {free}, but current status is: {status}."
            )));
        }
        let used = self.snapshots.values().filter(|snapshot| snapshot.project == given.project).count();
        if used >= self.quota.snapshots {
            let allowed = self.quota.snapshots;
            return Err(over_quota(format!(
                "SnapshotLimitExceeded: Maximum number of snapshots allowed ({allowed}) exceeded"
            )));
        }
        let id = self.id();
        let due = self.due(self.delays.snapshot, Ends::SnapshotInError, Next::Made, Next::Failed(String::new()));
        let snapshot = Snapshot {
            id: id.clone(),
            project: given.project.to_owned(),
            name: text(&new["name"]),
            description: text(&new["description"]),
            status: "creating".to_owned(),
            volume: of.to_owned(),
            size: volume.size,
            metadata: Given::metadata(&new["metadata"]),
            group_snapshot: None,
            created: Self::now(),
            content: volume.content,
            due,
        };
        let view = snapshot.view();
        self.snapshots.insert(id, snapshot);
        Ok((StatusCode::ACCEPTED, json!({ "snapshot": view })))
    }

    fn delete_snapshot(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let snapshot = self.snapshot_of(id, given)?;
        let deletable = ["available", "error", "error_deleting"].contains(&snapshot.status.as_str());
        if !deletable || snapshot.group_snapshot.is_some() {
            return Err(bad_request(
                "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.",
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
    /// What is shown of it where it is asked for, and not where it is made.
    fn detail(&self) -> Value {
        let mut view = self.view();
        view["os-extended-snapshot-attributes:project_id"] = self.project.as_str().into();
        let progress = if self.status == "creating" { "0%" } else { "100%" };
        view["os-extended-snapshot-attributes:progress"] = progress.into();
        view
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id, "created_at": self.created, "updated_at": changed(&self.status, &self.created), "name": self.name,
            "description": self.description, "volume_id": self.volume, "status": self.status, "size": self.size,
            "metadata": self.metadata, "group_snapshot_id": self.group_snapshot, "user_id": "u",
        })
    }
}
