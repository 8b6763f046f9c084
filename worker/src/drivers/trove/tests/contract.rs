//! The laws of every driver, in each mode.

use std::sync::Arc;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource};
use stacksnap_openstack::fake::trove::Ends;

use super::lab::{Lab, backup};
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};

mod full {
    use super::*;
    driver_contract!(Lab::start(1));
}

mod incremental {
    use super::*;
    driver_contract!(Lab::start(5));
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

    async fn is_under_way(&self) -> bool {
        let going = |status: &str| matches!(status, "NEW" | "BUILD");
        self.trove.backups().iter().any(|it| going(&it.status))
            || self.trove.instances().iter().any(|it| going(&it.status))
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        self.trove.change(&self.current().unwrap(), |instance| {
            instance.content = format!("rows of round {round}").into_bytes();
            instance.flavor = round.to_string();
            instance.public = !instance.public;
        });
    }

    async fn remove(&self) {
        for instance in self.trove.instances() {
            self.trove.lose_instance(&instance.id);
        }
    }

    async fn state(&self) -> String {
        let look = |it: &stacksnap_openstack::fake::trove::Instance| {
            let content = String::from_utf8_lossy(&it.content).into_owned();
            format!("{}\n{content}\n{} {} {}\n{}\n{}\n", it.name, it.flavor, it.size, it.version, it.network, it.public)
        };
        self.current().and_then(|id| self.trove.look(&id, look)).unwrap_or_default()
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let name = format!("stacksnap-{step} ");
        self.left().into_iter().filter(|left| left.starts_with(&name)).collect()
    }

    async fn break_reads(&self) {
        self.trove.always(Ends::BackupFailed, true);
    }

    async fn mend_reads(&self) {
        self.trove.always(Ends::BackupFailed, false);
    }

    async fn damage(&self, artifact: &Artifact) {
        self.trove.change_backup(&backup(artifact), |backup| backup.status = "FAILED".to_owned());
    }
}
