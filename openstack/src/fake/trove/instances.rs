//! `/instances`: `trove/instance/service.py`, `models.py` and `views.py`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, conflict, forbidden, missing, over_quota, text};
use super::routes::{fits, not_implemented, unprocessable};
use super::state::{Ends, Instance, Next, State};

impl State {
    pub(super) fn serve_instances(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", []) => self.list_instances(given, false),
            ("POST", []) => self.create_instance(given),
            ("GET", [id]) => match self.instance_of(id, given).map(|instance| instance.id.clone()) {
                Ok(id) => Ok((StatusCode::OK, json!({"instance": self.view(&self.instances[&id], given)}))),
                Err(refusal) => Err(refusal),
            },
            ("PATCH", [id]) => self.rename(id, given),
            ("DELETE", [id]) => self.delete_instance(id, given),
            _ => return None,
        })
    }

    pub(super) fn instance_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Instance, Refusal> {
        let found = self.instances.get_mut(id).filter(|instance| given.may(&instance.project));
        found.ok_or_else(|| missing(format!("Resource {id} cannot be found.")))
    }

    /// Backups come after what the instance is at itself.
    fn status(&self, instance: &Instance) -> String {
        let backed_up = self.backups.values().any(|backup| backup.instance == instance.id && backup.runs());
        if instance.status == "ACTIVE" && backed_up { "BACKUP".to_owned() } else { instance.status.clone() }
    }

    /// `Instance.validate_can_perform_action`
    pub(super) fn may_act_on(&mut self, id: &str, given: &Given<'_>) -> Result<(), Refusal> {
        let instance = self.instance_of(id, given)?.clone();
        let (of, status) = match self.status(&instance).as_str() {
            "ACTIVE" | "RESTART_REQUIRED" => return Ok(()),
            "BUILD" => ("task", "BUILDING".to_owned()),
            "REBOOT" => ("task", "REBOOTING".to_owned()),
            "RESIZE" => ("task", "RESIZING".to_owned()),
            "UPGRADE" => ("task", "UPGRADING".to_owned()),
            status => ("instance", status.to_owned()),
        };
        Err(unprocessable(format!(
            "Instance {id} is not currently available for an action to be performed ({of} status was {status})."
        )))
    }

    /// `mgmt`: of all projects, for administrators (`trove/extensions/mgmt/instances/service.py`).
    pub(super) fn list_instances(&mut self, given: &Given<'_>, mgmt: bool) -> Answer {
        if mgmt && !given.admin {
            return Err(forbidden("User does not have admin privileges."));
        }
        let all = self.instances.values().filter(|instance| mgmt || instance.project == given.project);
        let entries: Vec<_> = all.map(|instance| self.view(instance, given)).collect();
        let marker = given.query.get("marker");
        let first = marker.and_then(|marker| entries.iter().position(|it| it["id"] == **marker)).map_or(0, |it| it + 1);
        let last = |page: &[Value]| page.last().and_then(|it| it["id"].as_str()).unwrap_or_default().to_owned();
        self.page("instances", entries, (first, self.usual_page()), last, given.query)
    }

    fn create_instance(&mut self, given: &Given<'_>) -> Answer {
        let new = &given.body["instance"];
        let Some(name) = text(&new["name"]) else {
            return Err(bad_request("Validation error: instance 'name' is a required property"));
        };
        fits("instance", "name", &new["name"])?;
        let datastore = (text(&new["datastore"]["type"]), text(&new["datastore"]["version"]));
        let (Some(datastore), Some(version)) = datastore else {
            return Err(bad_request("Please specify datastore. No default datastore is defined."));
        };
        let Some(flavor) = text(&new["flavorRef"]) else {
            return Err(missing("Resource None cannot be found."));
        };
        let Some(size) = new["volume"]["size"].as_u64() else {
            return Err(bad_request("Volume size was not specified."));
        };
        let backup = text(&new["restorePoint"]["backupRef"]);
        if let Some(id) = &backup {
            let found = self.backup_of(id, given)?.clone();
            self.look_at_swift(given)?;
            if !["COMPLETED", "RESTORED"].contains(&found.status.as_str()) {
                let state = &found.status;
                let mut refusal = conflict(format!(
                    "Unable to create instance because backup {id} is not completed. Actual state: {state}."
                ));
                refusal.kind = "conflict";
                return Err(refusal);
            }
            if found.size.unwrap_or_default() > size as f64 {
                let held = found.size.unwrap_or_default();
                return Err(forbidden(format!(
                    "Backup is too large for given flavor or volume. Backup size: {held} GBs. Available size: {size} GBs."
                )));
            }
            if found.datastore.0 != datastore {
                let of = &found.datastore.0;
                return Err(bad_request(format!(
                    "The datastore from which the backup was taken, {of}, does not match the destination datastore of \
                     {datastore}."
                )));
            }
        }
        if self.instances.values().filter(|instance| instance.project == given.project).count() >= self.quota.instances
        {
            return Err(over_quota("Quota exceeded for resources: ['instances'].".to_owned()));
        }
        let id = self.put_instance(given.project, b"");
        let due = self.due(self.delays.build, Ends::BuildInError, Next::Made, Next::Failed);
        let nic = &new["nics"][0];
        let instance = self.instances.get_mut(&id).unwrap();
        *instance = Instance {
            name,
            status: "BUILD".to_owned(),
            datastore,
            version,
            flavor,
            size,
            network: text(&nic["network_id"]).or(text(&nic["net-id"])).unwrap_or_default(),
            configuration: text(&new["configuration"]),
            availability_zone: text(&new["availability_zone"]),
            locality: text(&new["locality"]),
            public: new["access"]["is_public"] == true,
            allowed_cidrs: new["access"]["allowed_cidrs"].as_array().into_iter().flatten().filter_map(text).collect(),
            backup,
            due,
            ..instance.clone()
        };
        Ok((StatusCode::OK, json!({"instance": self.view(&self.instances[&id], given)})))
    }

    fn rename(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let instance = self.instance_of(id, given)?;
        let new = &given.body["instance"];
        if let Some(name) = text(&new["name"]) {
            instance.name = name;
        }
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    fn delete_instance(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let instance = self.instance_of(id, given)?.clone();
        if instance.status == "BUILD" {
            return Err(unprocessable(format!("Instance {id} is not ready. (Status is BUILD).")));
        }
        if instance.cluster.is_some() {
            return Err(not_implemented("Operation not supported for instances that are part of a cluster."));
        }
        if self.instances.values().any(|other| other.replica_of.as_deref() == Some(id)) {
            return Err(forbidden("Detach replicas before deleting replica source."));
        }
        let due = Some((std::time::Instant::now() + self.delays.delete, Next::Deleted));
        let instance = self.instance_of(id, given)?;
        instance.status = "SHUTDOWN".to_owned();
        instance.due = due;
        Ok((StatusCode::ACCEPTED, Value::Null))
    }

    /// `InstanceDetailView`
    fn view(&self, instance: &Instance, given: &Given<'_>) -> Value {
        let followers = self.instances.values().filter(|other| other.replica_of.as_ref() == Some(&instance.id));
        let followers: Vec<_> = followers.map(|other| json!({"id": other.id, "links": []})).collect();
        let mut access = json!({"is_public": instance.public});
        if !instance.allowed_cidrs.is_empty() {
            access["allowed_cidrs"] = json!(instance.allowed_cidrs);
        }
        let mut view = json!({
            "id": instance.id, "name": instance.name, "status": self.status(instance), "operating_status": "HEALTHY",
            "links": [], "flavor": {"id": instance.flavor, "links": []}, "region": "RegionOne", "access": access,
            "datastore": {"type": instance.datastore, "version": instance.version, "version_number": instance.version},
            "volume": {"size": instance.size, "used": 0.12}, "ip": ["10.1.0.62"],
            "addresses": [{"address": "10.1.0.62", "type": "private", "network": instance.network}],
            "created": instance.created, "updated": instance.created, "service_status_updated": instance.created,
        });
        if given.admin {
            view["tenant_id"] = instance.project.as_str().into();
        }
        if let Some(id) = &instance.configuration {
            view["configuration"] = json!({"id": id, "name": "group", "links": []});
        }
        if let Some(id) = &instance.replica_of {
            view["replica_of"] = json!({"id": id, "links": []});
        }
        if !followers.is_empty() {
            view["replicas"] = followers.into();
        }
        if let Some(locality) = &instance.locality {
            view["locality"] = locality.as_str().into();
        }
        if let Some(id) = &instance.cluster {
            view["cluster_id"] = id.as_str().into();
        }
        if let Some(message) = &instance.fault {
            view["fault"] = json!({"message": message, "created": instance.created, "details": ""});
        }
        view
    }
}
