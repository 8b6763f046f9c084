//! The laws of every driver, in each way in which a share is kept and comes back.

use std::sync::Arc;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource};
use stacksnap_openstack::fake::manila::Ends;

use super::lab::Lab;
use crate::driver::{CloudSource, Driver, Safety, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};

/// Taken back, unless there is a newer snapshot of ours.
mod in_place {
    use super::*;
    driver_contract!(Lab::start());
}

/// Where snapshots have no metadata.
mod in_place_of_old {
    use super::*;
    driver_contract!(Lab::old());
}

mod as_a_new_share {
    use super::*;
    driver_contract!(Lab::without_revert());
}

/// As a safety snapshot keeps it: a share of its own.
mod set_apart {
    use super::*;

    async fn lab() -> Lab {
        let mut lab = Lab::start().await;
        lab.safety = Safety::This;
        lab
    }

    driver_contract!(lab());
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

    fn safety(&self) -> Safety {
        self.caller.safety
    }

    async fn is_under_way(&self) -> bool {
        let going = |status: &str| status.starts_with("creating") || status == "reverting";
        self.manila.snapshots().iter().any(|it| going(&it.status))
            || self.manila.shares("demo-id").iter().any(|it| going(&it.status))
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        let share = self.current();
        self.manila.write(&share, format!("round {round}").as_bytes());
        self.manila.change(&share, |share| {
            share.metadata.remove("purpose");
            share.metadata.insert("round".to_owned(), round.to_string());
            share.rules.pop();
        });
        self.manila.let_in(&share, "ip", &format!("10.0.1.{round}"), "ro");
    }

    async fn remove(&self) {
        self.manila.lose_share(&self.share);
    }

    async fn state(&self) -> String {
        let share = self.current();
        let look = |share: &stacksnap_openstack::fake::manila::Share| {
            let content = String::from_utf8_lossy(&share.content);
            format!("{content:?}\n{:?}\n{:?}\n{:?}\n", share.metadata, share.description, share.network)
        };
        let rules = self.manila.rules(&share).join("\n");
        self.manila.look(&share, look).unwrap_or_default() + &rules
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let name = format!("stacksnap-{step} ");
        self.left().into_iter().filter(|left| left.starts_with(&name)).collect()
    }

    async fn break_reads(&self) {
        self.manila.always(Ends::SnapshotInError, true);
    }

    async fn mend_reads(&self) {
        self.manila.always(Ends::SnapshotInError, false);
    }

    async fn damage(&self, artifact: &Artifact) {
        let broken = "error".to_owned();
        match artifact.data["snapshot"].as_str() {
            Some(snapshot) => self.manila.change_snapshot(snapshot, |it| it.status = broken),
            None => self.manila.change(artifact.data["copy"].as_str().unwrap(), |it| it.status = broken),
        }
    }
}
