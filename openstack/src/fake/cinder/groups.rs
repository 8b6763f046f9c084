//! `/groups` and `/group_snapshots` (`cinder/api/v3/groups.py`, `group_snapshots.py`; `cinder/group/api.py`).
//!
//! Snapshots of all volumes of a group come and go with the group's. A group is changed at once, where Cinder takes a
//! moment; its types are not kept: any is taken.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, not_found, over_quota, text};
use super::faults::Ends;
use super::routes::page;
use super::state::{Group, GroupSnapshot, Next, Snapshot, State};

/// Of every group's type.
pub const KIND: &str = "7a2e1c54-0000-4000-8000-000000000001";

impl State {
    pub(super) fn serve_groups(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("POST", []) => self.create_group(given),
            ("GET", [id]) => self.group_of(id, given).map(|group| (StatusCode::OK, json!({"group": group.view()}))),
            ("PUT", [id]) => self.change_group(id, given),
            ("POST", [id, "action"]) => self.delete_group(id, given),
            _ => return None,
        })
    }

    pub(super) fn serve_group_snapshots(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", ["detail"]) => {
                let own = self.group_snapshots.values().filter(|it| given.lists(&it.project));
                let own = own.map(|it| (it.created.clone() + &it.id, it.detail())).collect();
                page("group_snapshots", "GroupSnapshot", own, given.query)
            }
            ("POST", []) => self.create_group_snapshot(given),
            ("GET", [id]) => {
                self.group_snapshot_of(id, given).map(|it| (StatusCode::OK, json!({"group_snapshot": it.detail()})))
            }
            ("DELETE", [id]) => self.delete_group_snapshot(id, given),
            _ => return None,
        })
    }

    fn group_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Group, Refusal> {
        self.groups.get_mut(id).filter(|it| given.may(&it.project)).ok_or_else(|| not_found("Group", id))
    }

    fn group_snapshot_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut GroupSnapshot, Refusal> {
        let found = self.group_snapshots.get_mut(id).filter(|it| given.may(&it.project));
        found.ok_or_else(|| not_found("GroupSnapshot", id))
    }

    /// One that is there, and not by a request.
    pub(super) fn put_group(&mut self, project: &str, volumes: &[&str]) -> String {
        let id = self.id();
        let group = Group {
            id: id.clone(),
            project: project.to_owned(),
            name: None,
            description: None,
            status: "available".to_owned(),
            created: Self::now(),
        };
        self.groups.insert(id.clone(), group);
        for volume in volumes {
            self.volumes.get_mut(*volume).unwrap().group = Some(id.clone());
        }
        id
    }

    fn create_group(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["group"];
        let id = self.put_group(given.project, &[]);
        let group = self.group_of(&id, given)?;
        group.name = text(&new["name"]);
        group.description = text(&new["description"]);
        Ok((StatusCode::ACCEPTED, json!({"group": {"id": id, "name": group.name}})))
    }

    fn change_group(&mut self, id: &str, given: &Given<'_>) -> Answer {
        self.group_of(id, given)?;
        let named = |field: &str| -> Vec<String> {
            let all = given.body["group"][field].as_str().unwrap_or_default();
            all.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
        };
        for (volumes, group) in [(named("add_volumes"), Some(id.to_owned())), (named("remove_volumes"), None)] {
            for volume in volumes {
                self.volume_of(&volume, given)?.group.clone_from(&group);
            }
        }
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn delete_group(&mut self, id: &str, given: &Given<'_>) -> Answer {
        self.group_of(id, given)?;
        if given.body["delete"].is_null() {
            return Err(bad_request("There is no such action"));
        }
        if self.group_snapshots.values().any(|it| it.group == id) {
            return Err(bad_request("Invalid Group: Group has existing snapshots."));
        }
        if self.volumes.values().any(|it| it.group.as_deref() == Some(id)) {
            return Err(bad_request(format!(
                "Invalid Group: Group {id} still contains volumes. The delete-volumes flag is required to delete it."
            )));
        }
        self.groups.remove(id);
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn create_group_snapshot(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["group_snapshot"];
        let group = new["group_id"].as_str().unwrap_or_default();
        let busy = ["creating", "updating"].contains(&self.group_of(group, given)?.status.as_str());
        let volumes: Vec<_> = self.volumes.values().filter(|it| it.group.as_deref() == Some(group)).cloned().collect();
        if busy || volumes.is_empty() {
            return Err(bad_request(
                "Invalid Group: Source group cannot be empty or in 'creating' or 'updating' state. No group snapshot will \
                 be created.",
            ));
        }
        if volumes.iter().any(|it| it.status == "error") {
            return Err(bad_request(
                "Invalid volume: The snapshot cannot be created when the volume is in error status.",
            ));
        }
        let used = self.snapshots.values().filter(|it| it.project == given.project).count();
        if used + volumes.len() > self.quota.snapshots {
            let allowed = self.quota.snapshots;
            return Err(over_quota(format!(
                "SnapshotLimitExceeded: Maximum number of snapshots allowed ({allowed}) exceeded"
            )));
        }
        let failed = Next::Failed(String::new());
        let due = self.due(self.delays.snapshot, Ends::GroupSnapshotInError, Next::Made, failed);
        let name = text(&new["name"]);
        let id = self.put_group_snapshot(group, given.project, name.clone(), text(&new["description"]), "creating");
        self.group_snapshot_of(&id, given)?.due = due;
        Ok((StatusCode::ACCEPTED, json!({"group_snapshot": {"id": id, "name": name, "group_type_id": KIND}})))
    }

    /// With a part of each volume.
    pub(super) fn put_group_snapshot(
        &mut self,
        group: &str,
        project: &str,
        name: Option<String>,
        description: Option<String>,
        status: &str,
    ) -> String {
        let id = self.id();
        let volumes = self.volumes.values().filter(|it| it.group.as_deref() == Some(group));
        for volume in volumes.cloned().collect::<Vec<_>>() {
            let part = Snapshot {
                id: self.id(),
                project: volume.project,
                name: name.clone(),
                description: description.clone(),
                status: status.to_owned(),
                volume: volume.id,
                size: volume.size,
                metadata: Default::default(),
                group_snapshot: Some(id.clone()),
                created: Self::now(),
                content: volume.content,
                due: None,
            };
            self.snapshots.insert(part.id.clone(), part);
        }
        let snapshot = GroupSnapshot {
            id: id.clone(),
            project: project.to_owned(),
            group: group.to_owned(),
            name,
            description,
            status: status.to_owned(),
            created: Self::now(),
            due: None,
        };
        self.group_snapshots.insert(id.clone(), snapshot);
        id
    }

    fn delete_group_snapshot(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let snapshot = self.group_snapshot_of(id, given)?;
        if !["available", "error"].contains(&snapshot.status.as_str()) {
            return Err(bad_request(
                "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently \
                 using it as source for its creation.",
            ));
        }
        // What fails is in error then, as its parts are (`cinder/volume/manager.py`, `delete_group_snapshot`).
        let failed = Next::Failed(String::new());
        let due = self.due(self.delays.delete, Ends::DeleteInError, Next::Deleted, failed);
        let snapshot = self.group_snapshot_of(id, given)?;
        snapshot.status = "deleting".to_owned();
        snapshot.due = due;
        self.parts(id, |part| part.status = "deleting".to_owned());
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn parts(&mut self, whole: &str, change: impl Fn(&mut Snapshot)) {
        self.snapshots.values_mut().filter(|it| it.group_snapshot.as_deref() == Some(whole)).for_each(change);
    }

    pub(super) fn settle_group_snapshot(&mut self, id: &str) {
        let Some(snapshot) = self.group_snapshots.get_mut(id) else { return };
        let status = match snapshot.due.take().map(|(_, next)| next) {
            Some(Next::Made) => "available",
            Some(Next::Deleted) => {
                self.group_snapshots.remove(id);
                self.snapshots.retain(|_, it| it.group_snapshot.as_deref() != Some(id));
                return;
            }
            _ => "error",
        };
        snapshot.status = status.to_owned();
        self.parts(id, |part| part.status = status.to_owned());
    }
}

impl Group {
    fn view(&self) -> Value {
        json!({
            "id": self.id, "status": self.status, "availability_zone": "nova", "created_at": self.created,
            "name": self.name, "description": self.description, "group_type": KIND, "group_snapshot_id": null,
            "source_group_id": null, "replication_status": "disabled",
        })
    }
}

impl GroupSnapshot {
    fn detail(&self) -> Value {
        json!({
            "id": self.id, "group_id": self.group, "group_type_id": KIND, "status": self.status,
            "created_at": self.created, "name": self.name, "description": self.description,
        })
    }
}
