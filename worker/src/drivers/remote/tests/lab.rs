//! A Heat with one stack in one project, and a driver that is quick about it.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::{Value, json};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Preview, Resource};
use stacksnap_openstack::fake;

use crate::driver::{Ctx, Driver, Error};
use crate::drivers::openstack::lab::{self, Caller};
use crate::drivers::remote::{Settings, Stack, TYPE};

pub(super) struct Lab {
    pub(super) heat: fake::Heat,
    /// The stack over there.
    pub(super) id: String,
    pub(super) context: Value,
    pub(super) settings: Settings,
    caller: Caller,
    _cloud: (fake::Keystone, fake::Cinder),
}

impl Deref for Lab {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Lab {
    pub(super) async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        let cinder = fake::Cinder::start(&keystone).await;
        let heat = fake::Heat::start_in(&keystone, &cinder).await;
        keystone.list_service("orchestration", &format!("{}/%(project_id)s", heat.url()));
        let template = json!({"heat_template_version": "2018-08-31",
            "parameters": {"content": {"type": "string", "default": "first"}},
            "resources": {"value": {"type": "OS::Heat::Value", "properties": {"value": {"get_param": "content"}}}}});
        let id = heat.stack("demo-id", "over-there", template);
        heat.looks(20);
        let settings = Settings { patience: lab::patience("openstack.longest_wait") };
        let caller = Caller::of(&keystone);
        Self { heat, id, context: Value::Null, settings, caller, _cloud: (keystone, cinder) }
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Stack::new(self.settings))
    }

    pub(super) fn resource(&self) -> Resource {
        let mut resource = lab::resource("remote", TYPE, &self.id);
        resource.properties = [("context".to_owned(), self.context.clone())].into_iter().collect();
        resource
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        self.caller.ctx(step, self.resource())
    }

    pub(super) async fn copy(&self, step: StepId) -> Result<Artifact, Error> {
        lab::copy(&*self.driver(), self.ctx(step)).await
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        lab::restore(&*self.driver(), self.ctx(lab::step()), artifact).await
    }

    pub(super) async fn discard(&self, step: StepId, artifact: Option<&Artifact>) -> Result<(), Error> {
        lab::discard(&*self.driver(), self.ctx(lab::step()), step, artifact).await
    }

    /// What the stack holds now.
    pub(super) fn content(&self) -> Value {
        self.heat.parameter(&self.id, "content")
    }

    /// Our snapshots over there, by name.
    pub(super) fn left(&self) -> Vec<String> {
        let found = self.heat.snapshots(&self.id).into_iter();
        let names = found.filter_map(|found| Some(found["name"].as_str()?.to_owned()));
        names.filter(|name| name.starts_with("stacksnap-")).collect()
    }
}
