//! stacksnap in front of a Heat with state, which is in this process too and held together with it.

use async_trait::async_trait;
use serde_json::Value;
use stacksnap_openstack::fake::heat::Heat;

use super::subject::{ALT, DEMO, Mode, Subject, Who};
use crate::support::service::{Service, User};

const VOLUME: &str = "OS::Cinder::Volume";
const TEST: &str = "OS::Heat::TestResource";

pub struct Front {
    heat: Heat,
    service: Service,
}

impl Front {
    pub async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let heat = Heat::start().await;
        let [demo, alt, reader, admin] = [Who::Demo, Who::Alt, Who::Reader, Who::Admin].map(token);
        let users = [
            User { token: &demo, project: DEMO, role: "member", name: "demo" },
            User { token: &alt, project: ALT, role: "member", name: "alt" },
            User { token: &reader, project: DEMO, role: "reader", name: "reader" },
            User { token: &admin, project: "admin", role: "admin", name: "admin" },
        ];
        heat.hold();
        let mut service = Service::start(&users, Some(heat.url())).await;
        service.work();
        Self { heat, service }
    }

    pub async fn stop(self) {
        self.service.stop().await;
    }
}

/// As that Heat reads them.
fn token(who: Who) -> String {
    match who {
        Who::Demo => format!("{DEMO}:demo"),
        Who::Alt => format!("{ALT}:alt"),
        Who::Reader => format!("{DEMO}:reader"),
        Who::Admin => "*:admin".to_owned(),
    }
}

#[async_trait]
impl Subject for Front {
    fn mode(&self) -> Mode {
        Mode::Heat
    }

    fn url(&self) -> String {
        self.service.url()
    }

    fn token(&self, who: Who) -> String {
        token(who)
    }

    fn project(&self, recorded: &str) -> String {
        recorded.to_owned()
    }

    async fn hold(&self) {
        self.heat.hold();
        self.service.hold().await;
    }

    async fn release(&self) {
        self.heat.release();
        self.service.release().await;
    }

    /// A test resource for each volume: neither that Heat nor this service has a Cinder behind.
    fn dress(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.dress(value)),
            Value::Object(object) => {
                for value in object.values_mut() {
                    if *value == VOLUME {
                        *value = TEST.into();
                    }
                    self.dress(value);
                }
            }
            _ => {}
        }
    }

    async fn lose(&self, _resource: &str) {
        unreachable!("there is nothing behind a test resource that could be lost");
    }
}
