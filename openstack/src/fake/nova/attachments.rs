//! `/servers/ID/os-volume_attachments`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, bad_request, conflict, missing, not_found, text};
use super::events::Next;
use super::state::{Attached, Ends, State};

/// In which a server's volumes may change.
const CHANGEABLE: [&str; 4] = ["active", "paused", "stopped", "resized"];

impl State {
    pub(super) fn list_attachments(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let server = self.server_of(id, given)?;
        let all: Vec<_> = server.attached.iter().map(|it| it.view(id)).collect();
        Ok((StatusCode::OK, json!({"volumeAttachments": all})))
    }

    pub(super) fn attach(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let new = &given.body["volumeAttachment"];
        let of = text(&new["volumeId"]).unwrap_or_default();
        let server = self.server_of(id, given)?;
        server.unlocked()?;
        server.in_state("attach_volume", &CHANGEABLE)?;
        if server.attached.iter().any(|it| it.volume == of) {
            return Err(bad_request(format!("Invalid volume: volume {of} is already attached to instances: {id}")));
        }
        let taken: Vec<String> = server.attached.iter().map(|it| it.device.clone()).collect();
        let free = ('b'..='z').map(|letter| format!("/dev/vd{letter}")).find(|device| !taken.contains(device));
        let device = text(&new["device"]).or(free).unwrap_or_default();
        if taken.contains(&device) {
            return Err(conflict(format!("The supplied device path ({device}) is in use.")));
        }
        {
            let mut cinder = self.cinder.lock().unwrap();
            cinder.up_to_now();
            let volume = cinder.volumes.get_mut(&of).filter(|volume| volume.project == given.project);
            let volume = volume.ok_or_else(|| not_found("Volume", &of))?;
            if volume.status != "available" {
                let status = &volume.status;
                return Err(bad_request(format!(
                    "Invalid input received: Invalid volume: Volume {of} status must be available or downloading to \
                     reserve, but the current status is {status}. (HTTP 400)"
                )));
            }
            volume.status = "attaching".to_owned();
        }
        let attached = Attached {
            volume: of,
            device,
            tag: text(&new["tag"]),
            delete_on_termination: new["delete_on_termination"] == true,
            root: false,
        };
        let well = !self.ends(Ends::NotAttached);
        let view = attached.view(id);
        self.server_of(id, given)?.attached.push(attached.clone());
        self.events.add(self.delays.attach, id, Next::Attached { attached, well });
        Ok((StatusCode::OK, json!({"volumeAttachment": view})))
    }

    pub(super) fn detach(&mut self, id: &str, volume: &str, given: &Given<'_>) -> Answer {
        let server = self.server_of(id, given)?;
        let Some(attached) = server.attached.iter().find(|it| it.volume == volume) else {
            return Err(missing(format!("Instance {id} is not attached to volume {volume}")));
        };
        if attached.root {
            return Err(bad_request("Cannot detach a root device volume"));
        }
        server.unlocked()?;
        server.in_state("detach_volume", &CHANGEABLE)?;
        {
            let mut cinder = self.cinder.lock().unwrap();
            cinder.up_to_now();
            let found = cinder.volumes.get_mut(volume).ok_or_else(|| not_found("Volume", volume))?;
            if found.status != "in-use" {
                return Err(bad_request(
                    "Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. Volume status must be \
                     'in-use' and attach_status must be 'attached' to detach. (HTTP 400)",
                ));
            }
            found.status = "detaching".to_owned();
        }
        let well = !self.ends(Ends::NotDetached);
        self.events.add(self.delays.attach, id, Next::Detached { volume: volume.to_owned(), well });
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}

impl Attached {
    fn view(&self, server: &str) -> Value {
        json!({
            "id": self.volume, "volumeId": self.volume, "serverId": server, "device": self.device, "tag": self.tag,
            "delete_on_termination": self.delete_on_termination,
        })
    }
}
