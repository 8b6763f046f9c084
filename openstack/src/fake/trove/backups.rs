//! `/backups`: `trove/backup/service.py`, `models.py` and `views.py`, and `trove/taskmanager/models.py`, `BackupTasks`.
//!
//! A backup is deleted together with all that are built on it, at whatever pace: until it is gone it is shown as it was.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, missing, over_quota, text};
use super::routes::{fits, not_implemented, server_error, unauthorized, unprocessable};
use super::state::{Backup, Ends, Next, State, Swift};

impl State {
    pub(super) fn serve_backups(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", []) => self.list_backups(given),
            ("POST", []) => self.create_backup(given),
            ("GET", [id]) => self.backup_of(id, given).map(|backup| (StatusCode::OK, json!({"backup": backup.view()}))),
            ("DELETE", [id]) => self.delete_backup(id, given),
            _ => return None,
        })
    }

    /// Whose it is nobody is told.
    pub(super) fn backup_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Backup, Refusal> {
        let found = self.backups.get_mut(id).filter(|backup| given.may(&backup.project));
        found.ok_or_else(|| missing(format!("Resource {id} cannot be found.")))
    }

    /// The marker of a page is a number; the backup that was changed last comes first.
    fn list_backups(&self, given: &Given<'_>) -> Answer {
        let everywhere = given.query.get("all_projects").is_some_and(|all| all.eq_ignore_ascii_case("true"));
        if everywhere && !given.admin {
            return Err(super::super::wire::forbidden(
                "Policy doesn't allow backup:index:all_projects to be performed.",
            ));
        }
        let mut all: Vec<&Backup> = self.backups.values().collect();
        all.retain(|backup| everywhere || backup.project == given.project);
        all.retain(|backup| given.query.get("instance_id").is_none_or(|id| backup.instance == *id));
        all.sort_by_key(|backup| std::cmp::Reverse(backup.updated));
        let number = |name: &str| given.query.get(name).and_then(|value| value.parse::<usize>().ok());
        let (first, limit) = (number("marker").unwrap_or(0), number("limit").unwrap_or_else(|| self.usual_page()));
        let limit = if self.page == 0 { limit } else { limit.min(self.page) };
        let entries = all.into_iter().map(Backup::view).collect();
        self.page("backups", entries, (first, limit), |_| (first + limit).to_string(), given.query)
    }

    /// `Backup.verify_swift_auth_token`
    pub(super) fn look_at_swift(&self, given: &Given<'_>) -> Result<(), Refusal> {
        let project = given.project;
        match self.swift {
            Swift::There => Ok(()),
            Swift::Refuses => Err(unauthorized(format!("Swift account not accessible for tenant {project}."))),
            Swift::Missing => Err(missing(format!("Swift is disabled for tenant {project}."))),
            Swift::Away => Err(server_error("Cannot connect to Swift.")),
        }
    }

    fn create_backup(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["backup"];
        let Some(name) = text(&new["name"]) else {
            return Err(bad_request("Validation error: backup 'name' is a required property"));
        };
        if new["description"] == "" {
            return Err(bad_request("Validation error: backup['description'] '' should be non-empty"));
        }
        for (what, text) in [("name", &new["name"]), ("description", &new["description"])] {
            fits("backup", what, text)?;
        }
        let Some(of) = new["instance"].as_str() else { return Err(bad_request("instance is missing.")) };
        self.may_act_on(of, given)?;
        let instance = self.instance_of(of, given)?.clone();
        if instance.cluster.is_some() {
            return Err(not_implemented("Operation not supported for instances that are part of a cluster."));
        }
        self.look_at_swift(given)?;
        let parent = match new["parent_id"].as_str() {
            Some(parent) => Some(self.backup_of(parent, given)?.id.clone()),
            None if new["incremental"] == true || new["incremental"] == 1 => self.last_completed(of),
            None => None,
        };
        let counted = self.counted.entry(given.project.to_owned()).or_default();
        if *counted >= self.quota.backups {
            return Err(over_quota("Quota exceeded for resources: ['backups'].".to_owned()));
        }
        *counted += 1;
        let due = self.due(self.delays.backup, Ends::BackupFailed, Next::Made, Next::Failed);
        let (id, updated) = (self.id(), self.tick());
        let backup = Backup {
            id: id.clone(),
            project: given.project.to_owned(),
            name,
            description: text(&new["description"]),
            status: "NEW".to_owned(),
            instance: of.to_owned(),
            parent,
            size: None,
            datastore: (instance.datastore, instance.version),
            created: Self::now(),
            updated,
            content: instance.content,
            due,
        };
        let view = backup.view();
        self.backups.insert(id, backup);
        Ok((StatusCode::ACCEPTED, json!({ "backup": view })))
    }

    /// What Trove builds on where it is told to be incremental and not on what.
    fn last_completed(&self, instance: &str) -> Option<String> {
        let well = self.backups.values().filter(|it| it.instance == instance && it.status == "COMPLETED");
        well.max_by_key(|backup| backup.updated).map(|backup| backup.id.clone())
    }

    /// One that is there, and not by a request.
    pub(super) fn put_backup(&mut self, instance: &str, parent: Option<&str>) -> String {
        let of = self.instances[instance].clone();
        let (id, updated) = (self.id(), self.tick());
        *self.counted.entry(of.project.clone()).or_default() += 1;
        let backup = Backup {
            id: id.clone(),
            project: of.project,
            name: "mine".to_owned(),
            description: None,
            status: "COMPLETED".to_owned(),
            instance: instance.to_owned(),
            parent: parent.map(str::to_owned),
            size: Some(0.14),
            datastore: (of.datastore, of.version),
            created: Self::now(),
            updated,
            content: of.content,
            due: None,
        };
        self.backups.insert(id.clone(), backup);
        id
    }

    fn delete_backup(&mut self, id: &str, given: &Given<'_>) -> Answer {
        self.backup_of(id, given)?;
        self.delete_with_children(id, given)?;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    /// Children first; a refusal in the middle leaves those deleted that came before it.
    fn delete_with_children(&mut self, id: &str, given: &Given<'_>) -> Result<(), Refusal> {
        let children = self.backups.values().filter(|it| it.parent.as_deref() == Some(id)).map(|it| it.id.clone());
        for child in children.collect::<Vec<_>>() {
            self.delete_with_children(&child, given)?;
        }
        if self.backups[id].runs() {
            return Err(unprocessable(format!("Backup {id} cannot be deleted because it is running.")));
        }
        self.look_at_swift(given)?;
        let counted = self.counted.entry(given.project.to_owned()).or_default();
        *counted = counted.saturating_sub(1);
        let due = self.due(self.delays.delete, Ends::DeleteFailed, Next::Deleted, Next::NotDeleted);
        if let Some(backup) = self.backups.get_mut(id) {
            backup.due = backup.due.take().or(due);
        }
        Ok(())
    }
}

impl Backup {
    fn view(&self) -> Value {
        let location =
            self.size.map(|_| format!("http://swift/v1/AUTH_x/database_backups/{}.xbstream.gz.enc", self.id));
        json!({
            "id": self.id, "name": self.name, "description": self.description, "locationRef": location,
            "instance_id": self.instance, "created": self.created, "updated": self.created, "size": self.size,
            "status": self.status, "parent_id": self.parent, "project_id": self.project,
            "datastore": {"type": self.datastore.0, "version": self.datastore.1,
                "version_id": "b00000b0-00b0-0b00-00b0-000b000000bb"},
        })
    }
}
