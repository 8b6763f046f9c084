//! `/volumes`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, not_found, over_quota, text};
use super::faults::Ends;
use super::routes::page;
use super::state::{Next, State, Volume};

pub(super) const IN_THE_WAY: &str = "Invalid volume: Volume status must be available or error or error_restoring or error_extending \
     or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be \
     disassociated from snapshots after volume transfer.";
const MALFORMED: &str =
    "The server could not comply with the request since it is either malformed or otherwise incorrect.";
const DELETABLE: [&str; 5] = ["available", "error", "error_restoring", "error_extending", "error_managing"];

impl State {
    pub(super) fn serve_volumes(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", ["detail"]) => {
                let own = self.volumes.values().filter(|volume| given.lists(&volume.project));
                page(
                    "volumes",
                    "Volume",
                    own.map(|volume| (volume.created.clone() + &volume.id, volume.detail())).collect(),
                    given.query,
                )
            }
            ("POST", []) => self.create_volume(given),
            ("GET", [id]) => {
                self.volume_of(id, given).map(|volume| (StatusCode::OK, json!({"volume": volume.detail()})))
            }
            ("PUT", [id]) => self.volume_of(id, given).map(|volume| {
                let new = &given.body["volume"];
                volume.name = text(&new["name"]).or(volume.name.take());
                volume.description = text(&new["description"]).or(volume.description.take());
                (StatusCode::OK, json!({"volume": volume.view()}))
            }),
            ("PUT", [id, "metadata"]) => self.volume_of(id, given).map(|volume| {
                volume.metadata = Given::metadata(&given.body["metadata"]);
                (StatusCode::OK, json!({"metadata": volume.metadata}))
            }),
            ("DELETE", [id]) => self.delete_volume(id, given),
            ("POST", [id, "action"]) => self.volume_action(id, given),
            _ => return None,
        })
    }

    pub(super) fn volume_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Volume, Refusal> {
        let found = self.volumes.get_mut(id).filter(|volume| given.may(&volume.project));
        found.ok_or_else(|| not_found("Volume", id))
    }

    /// One that is there, and not by a request.
    pub(super) fn put_volume(&mut self, project: &str, content: &[u8]) -> String {
        let id = self.id();
        let volume = Volume {
            id: id.clone(),
            project: project.to_owned(),
            name: None,
            description: None,
            status: "available".to_owned(),
            size: 1,
            kind: "__DEFAULT__".to_owned(),
            bootable: false,
            metadata: Default::default(),
            attached: Default::default(),
            created: Self::now(),
            snapshot: None,
            group: None,
            content: content.to_vec(),
            due: None,
        };
        self.volumes.insert(id.clone(), volume);
        id
    }

    fn create_volume(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["volume"];
        let used = self.volumes.values().filter(|volume| volume.project == given.project).count();
        if used >= self.quota.volumes {
            let allowed = self.quota.volumes;
            return Err(over_quota(format!(
                "VolumeLimitExceeded: Maximum number of volumes allowed ({allowed}) exceeded for quota 'volumes'."
            )));
        }
        let size = new["size"].as_u64().ok_or_else(|| bad_request(MALFORMED))?;
        let (mut content, mut bootable) = (Vec::new(), false);
        if let Some(from) = new["snapshot_id"].as_str() {
            let snapshot = self.snapshot_of(from, given)?;
            if snapshot.status != "available" {
                return Err(bad_request(
                    "Invalid snapshot: Originating snapshot status must be one of 'available' values",
                ));
            }
            content.clone_from(&snapshot.content);
            let of = snapshot.volume.clone();
            bootable = self.volumes.get(&of).is_some_and(|volume| volume.bootable);
        }
        let id = self.put_volume(given.project, &content);
        let due = self.due(self.delays.volume, Ends::VolumeInError, Next::Made, Next::Failed(String::new()));
        let volume = self.volume_of(&id, given)?;
        volume.name = text(&new["name"]);
        volume.description = text(&new["description"]);
        volume.size = size;
        volume.bootable = bootable;
        volume.kind = text(&new["volume_type"]).unwrap_or_else(|| volume.kind.clone());
        volume.metadata = Given::metadata(&new["metadata"]);
        volume.snapshot = text(&new["snapshot_id"]);
        volume.group = text(&new["group_id"]);
        volume.status = "creating".to_owned();
        volume.due = due;
        Ok((StatusCode::ACCEPTED, json!({"volume": volume.view()})))
    }

    fn delete_volume(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let snapshots = self.snapshots.values().any(|snapshot| snapshot.volume == id);
        let volume = self.volume_of(id, given)?;
        let bound = snapshots || volume.group.is_some() || !volume.attached.is_empty();
        if bound || !DELETABLE.contains(&volume.status.as_str()) {
            return Err(bad_request(IN_THE_WAY));
        }
        let due = self.due(self.delays.delete, Ends::DeleteInError, Next::Deleted, Next::NotDeleted);
        let volume = self.volume_of(id, given)?;
        volume.status = "deleting".to_owned();
        volume.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn volume_action(&mut self, id: &str, given: &Given<'_>) -> Answer {
        if let Some(bootable) = given.body["os-set_bootable"]["bootable"].as_bool() {
            self.volume_of(id, given)?.bootable = bootable;
            return Ok((StatusCode::OK, Value::Null));
        }
        let Some(snapshot) = given.body["revert"]["snapshot_id"].as_str() else {
            return Err(bad_request("There is no such action"));
        };
        self.revert(id, snapshot, given)
    }

    fn revert(&mut self, id: &str, snapshot: &str, given: &Given<'_>) -> Answer {
        let newest =
            self.snapshots.values().filter(|snapshot| snapshot.volume == id).map(|it| (&it.created, &it.id)).max();
        if newest.is_none_or(|(_, newest)| newest != snapshot) {
            self.volume_of(id, given)?;
            return Err(bad_request(format!(
                "Specified snapshot {snapshot} is None or not the latest one of volume {id}."
            )));
        }
        let taken = self.snapshot_of(snapshot, given)?.size;
        let volume = self.volume_of(id, given)?;
        if taken != volume.size {
            let now = volume.size;
            return Err(bad_request(format!(
                "Can't revert volume {id} to its latest snapshot {snapshot}. The volume size is changed from {taken} to {now}."
            )));
        }
        if volume.status != "available" {
            let status = &volume.status;
            return Err(bad_request(format!(
                "Can't revert volume {id} to its latest snapshot. Volume status must be available, but current status is {status}."
            )));
        }
        let next = |well| Next::Reverted { snapshot: snapshot.to_owned(), well };
        let due = self.due(self.delays.restore, Ends::RevertInError, next(true), next(false));
        let volume = self.volume_of(id, given)?;
        volume.status = "reverting".to_owned();
        volume.due = due;
        self.snapshot_of(snapshot, given)?.status = "restoring".to_owned();
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}

impl Volume {
    /// What is shown of it where it is asked for, and not where it is changed.
    fn detail(&self) -> Value {
        let mut view = self.view();
        view["os-vol-tenant-attr:tenant_id"] = self.project.as_str().into();
        view
    }

    fn view(&self) -> Value {
        let attachments: Vec<_> = self
            .attached
            .iter()
            .map(|(server, device)| {
                json!({"id": self.id, "attachment_id": format!("{server}-{}", self.id), "volume_id": self.id,
                "server_id": server, "host_name": null, "device": device, "attached_at": self.created})
            })
            .collect();
        json!({
            "id": self.id, "status": self.status, "size": self.size, "availability_zone": "nova",
            "created_at": self.created, "updated_at": changed(&self.status, &self.created), "name": self.name, "description": self.description,
            "volume_type": self.kind, "snapshot_id": self.snapshot, "source_volid": null, "metadata": self.metadata,
            "links": [], "user_id": "u", "bootable": self.bootable.to_string(), "encrypted": false,
            "replication_status": null, "consistencygroup_id": null, "multiattach": false,
            "attachments": attachments, "group_id": self.group,
        })
    }
}

/// When something was changed last: what is still being made was not.
pub(super) fn changed<'a>(status: &str, created: &'a str) -> Option<&'a str> {
    (status != "creating").then_some(created)
}
