//! The laws of every driver.

use std::sync::Arc;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource, ServerMode};
use stacksnap_openstack::fake::nova::Ends;

use super::lab::Lab;
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};

driver_contract!(Lab::start());

mod stopped {
    use super::*;
    driver_contract!(Lab::stopping());
}

#[async_trait]
impl Subject for Lab {
    fn driver(&self) -> Arc<dyn Driver> {
        Lab::driver(self)
    }

    fn project(&self) -> ProjectId {
        "demo-id".parse().unwrap()
    }

    fn resource(&self) -> Resource {
        Lab::resource(self)
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.shelf.vault()
    }

    fn cloud(&self) -> Arc<dyn CloudSource> {
        self.source()
    }

    fn servers(&self) -> ServerMode {
        self.cloud.caller.servers
    }

    async fn is_frozen(&self) -> Option<bool> {
        let off = self.nova.look(&self.server, |server| server.vm_state == "stopped");
        off.filter(|_| self.servers() == ServerMode::Stop)
    }

    async fn freeze_by_others(&self, frozen: bool) {
        let state = if frozen { "stopped" } else { "active" };
        self.nova.change(&self.server, |server| server.vm_state = state.to_owned());
    }

    async fn is_under_way(&self) -> bool {
        self.nova.look(&self.server, |server| server.task_state.is_some()) == Some(true)
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        self.nova.write(&self.server, format!("round {round}").as_bytes());
    }

    async fn remove(&self) {
        self.nova.lose_server(&self.server);
    }

    async fn state(&self) -> String {
        let look = |server: &stacksnap_openstack::fake::nova::Server| {
            format!("{}\n{:?}\n", String::from_utf8_lossy(&server.content), server.metadata)
        };
        self.nova.look(&self.server, look).unwrap_or_default()
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let name = format!("stacksnap-{step}");
        self.images().into_iter().filter(|image| image.name == name).map(|image| image.id).collect()
    }

    async fn break_reads(&self) {
        self.nova.always(Ends::ImageDeleted, true);
    }

    async fn mend_reads(&self) {
        self.nova.always(Ends::ImageDeleted, false);
    }

    async fn damage(&self, artifact: &Artifact) {
        let image = artifact.data["image"].as_str().unwrap();
        self.glance.change(image, |image| image.content[0] ^= 0xff);
    }
}
