//! What there is in the fake Nova.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::wire::Wire;
use super::super::{cinder, glance};
use super::events::Events;

/// How long things take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    /// Of a server, until the image is active.
    pub image: Duration,
    /// How long after that the server is still busy with it.
    pub image_lag: Duration,
    pub rebuild: Duration,
    /// Off or on.
    pub power: Duration,
    /// A volume to or from a server.
    pub attach: Duration,
}

/// Something that takes time and ends badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Nova deletes an image that it can't finish.
    ImageDeleted,
    /// Glance can't keep its bytes.
    ImageKilled,
    RebuildInError,
    /// The guest does not let go of a volume: it is in use as before.
    NotDetached,
    /// The volume is free as before.
    NotAttached,
}

#[derive(Debug)]
pub(in super::super) struct State {
    pub(super) servers: BTreeMap<String, Server>,
    pub(super) events: Events,
    pub(super) delays: Delays,
    pub(super) held: bool,
    pub(super) ends: Vec<Ends>,
    pub(super) always: Vec<Ends>,
    pub(super) wire: Wire,
    pub(super) cinder: Arc<Mutex<cinder::State>>,
    pub(super) glance: Arc<Mutex<glance::State>>,
    made: u64,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub id: String,
    pub project: String,
    pub name: String,
    /// `active`, `stopped`, `error`, `paused`, …
    pub vm_state: String,
    pub task_state: Option<String>,
    /// `None`: it boots from a volume.
    pub image: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub user_data: Option<String>,
    pub locked: Option<String>,
    pub fault: Option<String>,
    pub content: Vec<u8>,
    pub attached: Vec<Attached>,
    /// How often it was rebuilt.
    pub rebuilt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    pub volume: String,
    pub device: String,
    pub tag: Option<String>,
    pub delete_on_termination: bool,
    pub root: bool,
}

impl State {
    pub(super) fn new(cinder: Arc<Mutex<cinder::State>>, glance: Arc<Mutex<glance::State>>) -> Self {
        Self {
            servers: BTreeMap::new(),
            events: Events::default(),
            delays: Delays::default(),
            held: false,
            ends: Vec::new(),
            always: Vec::new(),
            wire: Wire::default(),
            cinder,
            glance,
            made: 0,
        }
    }

    pub(super) fn ends(&mut self, kind: Ends) -> bool {
        if self.always.contains(&kind) {
            return true;
        }
        let found = self.ends.iter().position(|ends| *ends == kind);
        found.map(|place| self.ends.remove(place)).is_some()
    }

    pub(super) fn put_server(&mut self, project: &str, content: &[u8]) -> String {
        self.made += 1;
        let id = format!("{:08x}-0000-4000-8000-{:012x}", 0x5e47_0000_u32, self.made);
        let image = {
            let mut glance = self.glance.lock().unwrap();
            let image = glance.begin(project, "base", BTreeMap::new());
            glance.fill(&image, content);
            image
        };
        let server = Server {
            id: id.clone(),
            project: project.to_owned(),
            name: "server".to_owned(),
            vm_state: "active".to_owned(),
            task_state: None,
            image: Some(image),
            metadata: BTreeMap::new(),
            user_data: None,
            locked: None,
            fault: None,
            content: content.to_vec(),
            attached: Vec::new(),
            rebuilt: 0,
        };
        self.servers.insert(id.clone(), server);
        id
    }

    pub(super) fn put_attachment(&mut self, server: &str, volume: &str, device: &str, root: bool) {
        let (device, tag) = (device.to_owned(), None);
        if let Some(volume) = self.cinder.lock().unwrap().volumes.get_mut(volume) {
            volume.status = "in-use".to_owned();
            volume.attached.insert(server.to_owned(), device.clone());
        }
        let attached = Attached { volume: volume.to_owned(), device, tag, delete_on_termination: false, root };
        self.servers.get_mut(server).unwrap().attached.push(attached);
    }

    pub(super) fn lose_server(&mut self, server: &str) {
        self.servers.remove(server);
        self.events.forget(server);
        for volume in self.cinder.lock().unwrap().volumes.values_mut() {
            if volume.attached.remove(server).is_some() && volume.attached.is_empty() {
                volume.status = "available".to_owned();
            }
        }
    }
}

impl Server {
    /// What a caller is shown.
    pub(super) fn status(&self) -> &'static str {
        match (self.vm_state.as_str(), self.task_state.as_deref()) {
            ("active" | "stopped" | "error", Some("rebuilding" | "rebuild_spawning")) => "REBUILD",
            ("active", _) => "ACTIVE",
            ("stopped", _) => "SHUTOFF",
            ("paused", _) => "PAUSED",
            ("suspended", _) => "SUSPENDED",
            ("resized", _) => "VERIFY_RESIZE",
            ("shelved_offloaded", _) => "SHELVED_OFFLOADED",
            ("error", _) => "ERROR",
            _ => "UNKNOWN",
        }
    }
}
