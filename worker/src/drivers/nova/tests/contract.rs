//! The laws of every driver, in the fake cloud; `real.rs` has what is another in a real one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource, ServerMode};
use stacksnap_openstack::fake::nova::Ends;
use stacksnap_openstack::{Glance, Nova};

use super::lab::Lab;
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};
use crate::drivers::nova::{Server, Settings, TYPE};
use crate::drivers::openstack::lab::{self, Caller};
use crate::drivers::openstack::marks;

driver_contract!(subject(Lab::start().await));

mod stopped {
    use super::*;
    driver_contract!(subject(Lab::stopping().await));
}

async fn subject(lab: Lab) -> InNova<Lab> {
    InNova::new(lab.server.clone(), lab.settings, lab.cloud.caller.servers, lab).await
}

/// The cloud that a server is in, where it is not the same to its user.
#[async_trait]
pub(super) trait Cloud: Send + Sync {
    fn caller(&self) -> &Caller;

    /// See [`Subject::soon`].
    fn soon(&self) -> Duration;

    fn disk(&self, server: &str) -> Vec<u8>;

    fn write(&self, server: &str, content: &[u8]);

    async fn lose(&self, server: &str);

    /// Whoever reads the server's disk to make an image of it can't, or can again.
    fn break_reads(&self, server: &str, broken: bool);

    /// As far as Glance tells of damage.
    async fn damage(&self, image: &str);
}

/// A server.
pub(super) struct InNova<C> {
    cloud: C,
    server: String,
    settings: Settings,
    servers: ServerMode,
    nova: Nova,
    glance: Glance,
}

impl<C: Cloud> InNova<C> {
    pub(super) async fn new(server: String, settings: Settings, servers: ServerMode, cloud: C) -> Self {
        let session = cloud.caller().source().session().await.unwrap();
        let (nova, glance) = (Nova::new(session.clone()), Glance::new(session));
        Self { cloud, server, settings, servers, nova, glance }
    }
}

#[async_trait]
impl<C: Cloud> Subject for InNova<C> {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Server::new(self.settings))
    }

    fn project(&self) -> ProjectId {
        self.cloud.caller().project.clone()
    }

    fn resource(&self) -> Resource {
        lab::resource("web", TYPE, &self.server)
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.cloud.caller().shelf.vault()
    }

    fn cloud(&self) -> Arc<dyn CloudSource> {
        self.cloud.caller().source()
    }

    fn soon(&self) -> Duration {
        self.cloud.soon()
    }

    fn servers(&self) -> ServerMode {
        self.servers
    }

    async fn is_frozen(&self) -> Option<bool> {
        if self.servers != ServerMode::Stop {
            return None;
        }
        Some(self.nova.server(&self.server).await.unwrap().vm_state == "stopped")
    }

    async fn freeze_by_others(&self, frozen: bool) {
        let ordered = if frozen { self.nova.stop(&self.server).await } else { self.nova.start(&self.server).await };
        ordered.unwrap();
        while self.is_frozen().await != Some(frozen) || self.is_under_way().await {
            tokio::time::sleep(self.soon()).await;
        }
    }

    async fn is_under_way(&self) -> bool {
        self.nova.server(&self.server).await.unwrap().task_state.is_some()
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        self.cloud.write(&self.server, format!("round {round}").as_bytes());
    }

    async fn remove(&self) {
        self.cloud.lose(&self.server).await;
    }

    async fn state(&self) -> String {
        let metadata = self.nova.server(&self.server).await.unwrap().metadata;
        format!("{}\n{metadata:?}\n", self.cloud.disk(&self.server).escape_ascii())
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let images = self.glance.images_named(&marks::name(step)).await.unwrap().into_iter();
        images.map(|image| format!("image {} ({})", image.id, image.status)).collect()
    }

    async fn break_reads(&self) {
        self.cloud.break_reads(&self.server, true);
    }

    async fn mend_reads(&self) {
        self.cloud.break_reads(&self.server, false);
    }

    async fn damage(&self, artifact: &Artifact) {
        self.cloud.damage(artifact.data["image"].as_str().unwrap()).await;
    }
}

#[async_trait]
impl Cloud for Lab {
    fn caller(&self) -> &Caller {
        self
    }

    fn soon(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn disk(&self, server: &str) -> Vec<u8> {
        self.nova.content(server).unwrap()
    }

    fn write(&self, server: &str, content: &[u8]) {
        self.nova.write(server, content);
    }

    async fn lose(&self, server: &str) {
        self.nova.lose_server(server);
    }

    fn break_reads(&self, _: &str, broken: bool) {
        self.nova.always(Ends::ImageDeleted, broken);
    }

    async fn damage(&self, image: &str) {
        self.glance.change(image, |image| image.content[0] ^= 0xff);
    }
}
