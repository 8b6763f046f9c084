//! What is asked of Nova.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, Service, Wire, missing};
use super::state::{Server, State};

impl Service for State {
    const ROOT: &str = "v2.1";
    const OF_PROJECT: bool = false;

    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn settle(&mut self) {
        self.up_to_now();
    }

    fn serve(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        let (id, rest) = match path {
            ["servers", id, rest @ ..] => (*id, rest),
            _ => return None,
        };
        if let Err(refused) = self.server_of(id, given) {
            return Some(Err(refused));
        }
        Some(match (method, rest) {
            ("GET", []) => self.server_of(id, given).map(|server| (StatusCode::OK, json!({"server": server.view()}))),
            ("POST", ["action"]) => return self.act(id, given),
            ("POST", ["metadata"]) => self.server_of(id, given).and_then(|server| {
                server.takes_metadata("update metadata")?;
                server.metadata.extend(Given::metadata(&given.body["metadata"]));
                Ok((StatusCode::OK, json!({"metadata": server.metadata})))
            }),
            ("DELETE", ["metadata", name]) => self.server_of(id, given).and_then(|server| {
                // The API looks whether it is there before `compute/api.py` looks at the server.
                if !server.metadata.contains_key(*name) {
                    return Err(missing("Metadata item was not found"));
                }
                server.takes_metadata("delete metadata")?;
                server.metadata.remove(*name);
                Ok((StatusCode::NO_CONTENT, Value::Null))
            }),
            ("GET", ["os-volume_attachments"]) => self.list_attachments(id, given),
            ("POST", ["os-volume_attachments"]) => self.attach(id, given),
            ("DELETE", ["os-volume_attachments", volume]) => self.detach(id, volume, given),
            _ => return None,
        })
    }
}

impl State {
    pub(super) fn server_of(&mut self, id: &str, given: &Given<'_>) -> Result<&mut Server, Refusal> {
        let found = self.servers.get_mut(id).filter(|server| server.project == given.project);
        found.ok_or_else(|| missing(format!("Instance {id} could not be found.")))
    }
}

impl Server {
    pub(super) fn view(&self) -> Value {
        let image = self.image.as_ref().map_or_else(|| json!(""), |id| json!({"id": id, "links": []}));
        let volumes: Vec<_> = self
            .attached
            .iter()
            .map(|it| json!({"id": it.volume, "delete_on_termination": it.delete_on_termination}))
            .collect();
        let mut view = json!({
            "id": self.id, "name": self.name, "status": self.status(), "tenant_id": self.project, "user_id": "u",
            "metadata": self.metadata, "image": image, "hostId": "h", "key_name": null, "description": null,
            "created": "2026-11-26T00:00:00Z", "updated": "2026-11-26T00:00:00Z", "addresses": {}, "links": [],
            "flavor": {"vcpus": 1, "ram": 64, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny",
                "extra_specs": {}},
            "accessIPv4": "", "accessIPv6": "", "OS-DCF:diskConfig": "MANUAL", "config_drive": "",
            "OS-EXT-AZ:availability_zone": "nova", "OS-EXT-STS:task_state": self.task_state,
            "OS-EXT-STS:vm_state": self.vm_state, "OS-EXT-STS:power_state": 1, "locked": self.locked.is_some(),
            "locked_reason": self.locked, "os-extended-volumes:volumes_attached": volumes, "tags": [],
            "trusted_image_certificates": null, "server_groups": [],
        });
        if self.vm_state == "active" {
            view["progress"] = 0.into();
        }
        if let Some(fault) = self.fault.as_ref().filter(|_| self.vm_state == "error") {
            view["fault"] = json!({"code": 500, "created": "2026-11-26T00:00:00Z", "message": fault});
        }
        view
    }
}
