//! stacksnap with a registry of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::subject::{ALT, DEMO, Mode, Subject, Who};
use crate::support::service::{Service, User};

const VOLUME: &str = "OS::Cinder::Volume";
const DIRECTORY: &str = "Stacksnap::Directory";

pub struct Registry {
    service: Service,
    lost: std::sync::Mutex<BTreeSet<String>>,
}

impl Registry {
    pub async fn start() -> Self {
        let user = |who, project, role, name| User { token: token(who), project, role, name };
        let users = [
            user(Who::Demo, DEMO, "member", "demo"),
            user(Who::Alt, ALT, "member", "alt"),
            user(Who::Reader, DEMO, "reader", "reader"),
            user(Who::Admin, "admin", "admin", "admin"),
        ];
        let mut service = Service::start(&users, None).await;
        service.work();
        Self { service, lost: Default::default() }
    }

    /// Stops it; nothing may fail on the way.
    pub async fn stop(self) {
        self.service.stop().await;
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.service.root().join(name)
    }

    /// Makes what stands for a volume of that name, unless it was lost.
    fn volume(&self, name: &str) -> Value {
        let path = self.directory(name);
        if !self.lost.lock().unwrap().contains(name) && std::fs::create_dir(&path).is_ok() {
            std::fs::write(path.join("file"), name).unwrap();
        }
        json!({"type": DIRECTORY, "external_id": path})
    }
}

fn token(who: Who) -> &'static str {
    match who {
        Who::Demo => "of-demo",
        Who::Alt => "of-alt",
        Who::Reader => "of-a-reader",
        Who::Admin => "of-admin",
    }
}

#[async_trait]
impl Subject for Registry {
    fn mode(&self) -> Mode {
        Mode::Registry
    }

    fn url(&self) -> String {
        self.service.url()
    }

    fn token(&self, who: Who) -> String {
        token(who).to_owned()
    }

    fn project(&self, recorded: &str) -> String {
        recorded.to_owned()
    }

    async fn hold(&self) {
        self.service.hold().await;
    }

    async fn release(&self) {
        self.service.release().await;
    }

    /// A directory for each volume.
    fn dress(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.dress(value)),
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    let recorded = value.get("resource_id").is_some();
                    if value["type"] == VOLUME && !recorded {
                        *value = self.volume(name);
                    } else if *value == VOLUME {
                        *value = DIRECTORY.into();
                    }
                    self.dress(value);
                }
            }
            _ => {}
        }
    }

    async fn lose(&self, resource: &str) {
        self.lost.lock().unwrap().insert(resource.to_owned());
        std::fs::remove_dir_all(self.directory(resource)).unwrap();
    }
}
