//! `/servers/ID/action`: images, rebuilds, off and on.
//!
//! What Nova refuses, and in which order, is `nova/compute/api.py`'s decorators: the lock first, then the state.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, bad_request, conflict, text};
use super::events::Next;
use super::state::{Ends, Server, State};

impl State {
    pub(super) fn act(&mut self, id: &str, given: &Given<'_>) -> Option<Answer> {
        let body = given.body;
        Some(match body.as_object()?.keys().next()?.as_str() {
            "createImage" => self.create_image(id, given),
            "rebuild" => self.rebuild(id, given),
            "os-stop" => self.power(id, given, "stop", &["active", "error"], "powering-off"),
            "os-start" => self.power(id, given, "start", &["stopped"], "powering-on"),
            _ => return None,
        })
    }

    fn create_image(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let new = &given.body["createImage"];
        let server = self.server_of(id, given)?;
        server.in_state("createImage", &["active", "stopped", "paused", "suspended"])?;
        if server.image.is_none() {
            return Err(bad_request("this cloud makes no images of servers that boot from volumes"));
        }
        let content = server.content.clone();
        server.task_state = Some("image_snapshot_pending".to_owned());
        let mut properties = Given::metadata(&new["metadata"]);
        properties.insert("image_type".to_owned(), "snapshot".to_owned());
        properties.insert("instance_uuid".to_owned(), id.to_owned());
        let name = text(&new["name"]).unwrap_or_default();
        let image = {
            let mut glance = self.glance.lock().unwrap();
            let image = glance.begin(given.project, &name, properties);
            glance.images.get_mut(&image).unwrap().visibility = "private";
            image
        };
        let killed = self.ends(Ends::ImageKilled);
        let well = !killed && !self.ends(Ends::ImageDeleted);
        let (takes, lag) = (self.delays.image, self.delays.image_lag);
        self.events.add(takes / 2, id, Next::Uploads { image: image.clone() });
        let imaged = Next::Imaged { image: image.clone(), content: well.then_some(content), killed };
        self.events.add(takes, id, imaged);
        self.events.add(takes + lag, id, Next::Idle);
        Ok((StatusCode::ACCEPTED, json!({"image_id": image})))
    }

    fn rebuild(&mut self, id: &str, given: &Given<'_>) -> Answer {
        let server = self.server_of(id, given)?;
        server.unlocked()?;
        server.in_state("rebuild", &["active", "stopped", "error"])?;
        let (of, volumes) = (server.image.clone(), server.attached.clone());
        let image = given.body["rebuild"]["imageRef"].as_str().unwrap_or_default().to_owned();
        let (status, content) = match self.glance.lock().unwrap().images.get(&image) {
            Some(image) if image.project == given.project => (image.status.clone(), image.content.clone()),
            _ => return Err(bad_request("Cannot find image for rebuild")),
        };
        if status != "active" {
            return Err(bad_request(format!("Image {image} is not active.")));
        }
        if of.is_none() {
            return Err(bad_request(format!(
                "Image {image} is unacceptable: Unable to rebuild with a different image for a volume-backed server."
            )));
        }
        // `_check_volume_status`
        for attached in volumes {
            let mut cinder = self.cinder.lock().unwrap();
            cinder.up_to_now();
            let status = cinder.volumes.get(&attached.volume).map(|volume| volume.status.clone());
            if let Some(status) = status.filter(|status| status != "in-use") {
                let volume = attached.volume;
                return Err(bad_request(format!(
                    "Invalid volume: volume '{volume}' status must be 'in-use'. Currently in '{status}' status"
                )));
            }
        }
        let well = !self.ends(Ends::RebuildInError);
        let takes = self.delays.rebuild;
        let server = self.server_of(id, given)?;
        server.task_state = Some("rebuilding".to_owned());
        server.image = Some(image);
        let next = Next::Rebuilt { content: well.then_some(content), off: server.vm_state == "stopped" };
        let view = server.view();
        self.events.add(takes, id, next);
        Ok((StatusCode::ACCEPTED, json!({"server": view})))
    }

    fn power(&mut self, id: &str, given: &Given<'_>, action: &str, from: &[&str], task: &str) -> Answer {
        let server = self.server_of(id, given)?;
        server.unlocked()?;
        server.in_state(action, from)?;
        server.task_state = Some(task.to_owned());
        self.events.add(self.delays.power, id, Next::Power { on: action == "start" });
        Ok((StatusCode::ACCEPTED, Value::Null))
    }
}

impl Server {
    pub(super) fn unlocked(&self) -> Result<(), Refusal> {
        match self.locked {
            Some(_) => Err(conflict(format!("Instance {} is locked", self.id))),
            None => Ok(()),
        }
    }

    /// Whatever is being done to it, but not in every state.
    pub(super) fn takes_metadata(&self, action: &str) -> Result<(), Refusal> {
        self.unlocked()?;
        let idle = Self { task_state: None, ..self.clone() };
        idle.in_state(action, &["active", "paused", "suspended", "stopped"])
    }

    pub(super) fn in_state(&self, action: &str, good: &[&str]) -> Result<(), Refusal> {
        let wrong = |attribute: &str, state: &str| {
            let id = &self.id;
            conflict(format!("Cannot '{action}' instance {id} while it is in {attribute} {state}"))
        };
        if !good.contains(&self.vm_state.as_str()) {
            return Err(wrong("vm_state", &self.vm_state));
        }
        match &self.task_state {
            Some(task) => Err(wrong("task_state", task)),
            None => Ok(()),
        }
    }
}
