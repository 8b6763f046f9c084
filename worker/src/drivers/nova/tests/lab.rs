//! A cloud with one server in one project, and a driver that is quick about it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Preview, Resource, ServerMode, Verdict};
use stacksnap_openstack::fake::glance::Image;
use stacksnap_openstack::fake::nova::Delays;

use crate::driver::{Ctx, Driver, Error};
use crate::drivers::nova::{Server, Settings, TYPE};
use crate::drivers::openstack::lab::{self, Cloud};

pub(super) const CONTENT: &[u8] = b"what was on the disk at first";
/// How long the fake cloud takes for an image or a rebuild.
pub(super) const TAKES: Duration = Duration::from_millis(150);

pub(super) struct Lab {
    pub(super) cloud: Cloud,
    pub(super) server: String,
    pub(super) settings: Settings,
}

impl Deref for Lab {
    type Target = Cloud;
    fn deref(&self) -> &Cloud {
        &self.cloud
    }
}

impl Lab {
    pub(super) async fn start() -> Self {
        let cloud = Cloud::start().await;
        cloud.nova.delays(Delays { image: TAKES, image_lag: TAKES / 4, rebuild: TAKES, ..Delays::default() });
        let server = cloud.nova.server("demo-id", CONTENT);
        cloud.nova.change(&server, |server| {
            server.name = "web".to_owned();
            server.user_data = Some("I2Nsb3Vk".to_owned());
            server.metadata.insert("role".to_owned(), "web".to_owned());
        });
        let settings = Settings { patience: lab::patience("nova.longest_wait") };
        Self { cloud, server, settings }
    }

    /// The same, where servers are stopped for a snapshot.
    pub(super) async fn stopping() -> Self {
        let mut lab = Self::start().await;
        let delays = Delays { image: TAKES, image_lag: TAKES / 4, rebuild: TAKES, power: TAKES / 4, attach: TAKES / 4 };
        lab.cloud.nova.delays(delays);
        lab.cloud.caller.servers = ServerMode::Stop;
        lab
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Server::new(self.settings))
    }

    pub(super) fn resource(&self) -> Resource {
        lab::resource("web", TYPE, &self.server)
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        self.cloud.ctx(step, self.resource())
    }

    pub(super) async fn copy(&self, step: StepId) -> Result<Artifact, Error> {
        lab::copy(&*self.driver(), self.ctx(step)).await
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        lab::restore(&*self.driver(), self.ctx(lab::step()), artifact).await
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        lab::preview(&*self.driver(), self.ctx(lab::step()), artifact).await
    }

    pub(super) async fn verify(&self, artifact: &Artifact) -> Result<Verdict, Error> {
        lab::verify(&*self.driver(), self.ctx(lab::step()), artifact).await
    }

    pub(super) async fn discard(&self, step: StepId, artifact: Option<&Artifact>) -> Result<(), Error> {
        lab::discard(&*self.driver(), self.ctx(lab::step()), step, artifact).await
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.nova.content(&self.server).unwrap()
    }

    /// Images of ours.
    pub(super) fn images(&self) -> Vec<Image> {
        self.glance.images().into_iter().filter(|image| image.name.starts_with("stacksnap-")).collect()
    }
}
