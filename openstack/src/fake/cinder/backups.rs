//! `/backups`.
//!
//! What an incremental backup is built on Cinder chooses itself: of all backups of the volume the one with the newest
//! data, which must be available (`cinder/backup/api.py`, `create`). From a snapshot it must be older than that.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, not_found, over_quota, text};
use super::faults::Ends;
use super::routes::page;
use super::state::{Backup, Next, State};
use super::volumes::changed;

const NO_PARENT: &str = "Invalid backup: No backups available to do an incremental backup.";

impl State {
    pub(super) fn serve_backups(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", ["detail"]) => {
                let own = self.backups.values().filter(|backup| given.lists(&backup.project));
                page(
                    "backups",
                    "Backup",
                    own.map(|backup| (backup.created.clone() + &backup.id, self.view(backup, given))).collect(),
                    given.query,
                )
            }
            ("POST", []) => self.create_backup(given),
            ("GET", [id]) => self
                .backup_of(id, given)
                .map(|backup| backup.id.clone())
                .map(|id| (StatusCode::OK, json!({"backup": self.view(&self.backups[&id], given)}))),
            ("PUT", [id]) => self.backup_of(id, given).map(|backup| {
                let new = &given.body["backup"];
                backup.name = text(&new["name"]).or(backup.name.take());
                if new["metadata"].is_object() {
                    backup.metadata = Given::metadata(&new["metadata"]);
                }
                (StatusCode::OK, json!({"backup": {"id": backup.id, "name": backup.name, "links": []}}))
            }),
            ("DELETE", [id]) => self.delete_backup(id, given),
            ("POST", [id, "restore"]) => self.restore_backup(id, given),
            _ => return None,
        })
    }

    fn backup_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Backup, Refusal> {
        let found = self.backups.get_mut(id).filter(|backup| given.may(&backup.project));
        found.ok_or_else(|| not_found("Backup", id))
    }

    /// What an incremental backup of the volume is built on; `before`: the moment of the snapshot that it is made from.
    fn parent(&self, volume: &str, before: Option<&str>) -> Result<String, Refusal> {
        let all = self.backups.values().filter(|backup| backup.volume == volume);
        let older = all.filter(|backup| before.is_none_or(|before| backup.data_timestamp.as_str() < before));
        let newest = older.max_by_key(|backup| (&backup.data_timestamp, &backup.created, &backup.id));
        let newest = newest.filter(|backup| backup.status == "available");
        newest.map(|backup| backup.id.clone()).ok_or_else(|| bad_request(NO_PARENT))
    }

    fn create_backup(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["backup"];
        let of = new["volume_id"].as_str().unwrap_or_default();
        let volume = self.volume_of(of, given)?.clone();
        let mut data = (Self::now(), volume.content.clone(), volume.size);
        match new["snapshot_id"].as_str() {
            Some(id) => {
                let snapshot = self.snapshot_of(id, given)?;
                if snapshot.status != "available" {
                    let status = &snapshot.status;
                    return Err(bad_request(format!(
                        "Invalid snapshot: Snapshot to be backed up must be available, but the current status is \"{status}\"."
                    )));
                }
                data = (snapshot.created.clone(), snapshot.content.clone(), snapshot.size);
            }
            None if !["available", "in-use"].contains(&volume.status.as_str()) => {
                let status = &volume.status;
                return Err(bad_request(format!(
                    "Invalid volume: Volume to be backed up must be available or in-use, but the current status is \"{status}\"."
                )));
            }
            None if volume.status == "in-use" && new["force"] != true => {
                return Err(bad_request("Invalid volume: Backing up an in-use volume must use the force flag."));
            }
            None => {}
        }
        let used = self.backups.values().filter(|backup| backup.project == given.project).count();
        if used >= self.quota.backups {
            let allowed = self.quota.backups;
            return Err(over_quota(format!(
                "BackupLimitExceeded: Maximum number of backups allowed ({allowed}) exceeded"
            )));
        }
        let snapshot = text(&new["snapshot_id"]);
        let parent = match new["incremental"] == true {
            true => Some(self.parent(of, snapshot.as_ref().map(|_| data.0.as_str()))?),
            false => None,
        };
        let id = self.id();
        let failed = Next::Failed("Error: the backup's place is full".to_owned());
        let due = self.due(self.delays.backup, Ends::BackupInError, Next::Made, failed);
        match &snapshot {
            Some(snapshot) => self.snapshot_of(snapshot, given)?.status = "backing-up".to_owned(),
            None => self.volume_of(of, given)?.status = "backing-up".to_owned(),
        }
        let backup = Backup {
            id: id.clone(),
            project: given.project.to_owned(),
            name: text(&new["name"]),
            description: text(&new["description"]),
            status: "creating".to_owned(),
            volume: of.to_owned(),
            snapshot,
            size: data.2,
            parent,
            metadata: Given::metadata(&new["metadata"]),
            fail_reason: None,
            created: Self::now(),
            data_timestamp: data.0,
            content: data.1,
            into: None,
            due,
        };
        let name = backup.name.clone();
        self.backups.insert(id.clone(), backup);
        Ok((StatusCode::ACCEPTED, json!({"backup": {"id": id, "name": name, "links": []}})))
    }

    /// One that is there, and not by a request.
    pub(super) fn put_backup(&mut self, volume: &str, incremental: bool) -> String {
        let of = self.volumes[volume].clone();
        let parent = incremental.then(|| self.parent(volume, None).unwrap());
        let (id, now) = (self.id(), Self::now());
        let backup = Backup {
            id: id.clone(),
            project: of.project,
            name: Some("mine".to_owned()),
            description: None,
            status: "available".to_owned(),
            volume: volume.to_owned(),
            snapshot: None,
            size: of.size,
            parent,
            metadata: Default::default(),
            fail_reason: None,
            created: now.clone(),
            data_timestamp: now,
            content: of.content,
            into: None,
            due: None,
        };
        self.backups.insert(id.clone(), backup);
        id
    }

    fn delete_backup(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let dependents = self.dependents(id);
        let backup = self.backup_of(id, given)?;
        if !["available", "error"].contains(&backup.status.as_str()) {
            return Err(bad_request("Invalid backup: Backup status must be available or error"));
        }
        if dependents {
            return Err(bad_request("Invalid backup: Incremental backups exist for this backup."));
        }
        let due = self.due(self.delays.delete, Ends::DeleteInError, Next::Deleted, Next::NotDeleted);
        let backup = self.backup_of(id, given)?;
        backup.status = "deleting".to_owned();
        backup.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn restore_backup(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let backup = self.backup_of(id, given)?;
        if backup.status != "available" {
            return Err(bad_request("Invalid backup: Backup status must be available"));
        }
        let size = backup.size;
        let Some(into) = given.body["restore"]["volume_id"].as_str() else {
            return Err(bad_request("this cloud restores into volumes that are there"));
        };
        let volume = self.volume_of(into, given)?;
        if volume.status != "available" {
            return Err(bad_request("Invalid volume: Volume to be restored to must be available"));
        }
        if volume.size < size {
            let now = volume.size;
            return Err(bad_request(format!(
                "Invalid volume: volume size {now} is too small to restore backup of size {size}."
            )));
        }
        let name = volume.name.clone();
        let due = self.due(self.delays.restore, Ends::RestoreInError, Next::Restored(true), Next::Restored(false));
        self.volume_of(into, given)?.status = "restoring-backup".to_owned();
        let backup = self.backup_of(id, given)?;
        backup.status = "restoring".to_owned();
        backup.into = Some(into.to_owned());
        backup.due = due;
        Ok((StatusCode::ACCEPTED, json!({"restore": {"backup_id": id, "volume_id": into, "volume_name": name}})))
    }

    fn view(&self, backup: &Backup, given: &Given<'_>) -> Value {
        let mut view = json!({
            "id": backup.id, "status": backup.status, "size": backup.size,
            "object_count": u8::from(backup.status == "available"), "availability_zone": null, "container": changed(&backup.status, "volumes"),
            "created_at": backup.created, "updated_at": changed(&backup.status, &backup.created), "name": backup.name, "description": backup.description,
            "fail_reason": backup.fail_reason, "volume_id": backup.volume, "links": [],
            "is_incremental": backup.parent.is_some(), "has_dependent_backups": self.dependents(&backup.id),
            "snapshot_id": backup.snapshot, "data_timestamp": backup.data_timestamp, "metadata": backup.metadata,
        });
        if given.admin {
            view["os-backup-project-attr:project_id"] = backup.project.as_str().into();
        }
        view
    }
}
