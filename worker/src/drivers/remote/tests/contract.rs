//! The laws of every driver.

use std::sync::Arc;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource};

use super::lab::Lab;
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};

driver_contract!(Lab::start());

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
        self.heat.status(&self.id).ends_with("_IN_PROGRESS")
    }

    fn has_bytes(&self) -> bool {
        false
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        self.heat.change(&self.id, "content", &format!("round {round}"));
    }

    async fn remove(&self) {
        self.heat.lose(&self.id);
    }

    async fn state(&self) -> String {
        if self.heat.status(&self.id) == "gone" { String::new() } else { self.content().to_string() }
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        self.left().into_iter().filter(|name| *name == format!("stacksnap-{step}")).collect()
    }

    async fn break_reads(&self) {
        self.heat.snapshots_fail(true);
    }

    async fn mend_reads(&self) {
        self.heat.snapshots_fail(false);
    }

    async fn damage(&self, artifact: &Artifact) {
        let snapshot = artifact.data["snapshot"].as_str().unwrap();
        self.heat.change_snapshot(&self.id, snapshot, |snapshot| snapshot["status"] = "FAILED".into());
    }
}
