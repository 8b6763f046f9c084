//! The laws of every driver, in each mode.

use std::sync::Arc;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource, VolumeMode};
use stacksnap_openstack::fake::cinder::Ends;

use super::lab::{CONTENT, Lab};
use crate::driver::{CloudSource, Driver, Records, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};

mod full {
    use super::*;
    driver_contract!(Lab::start(VolumeMode::Backup, 1));
}

mod incremental {
    use super::*;
    driver_contract!(Lab::start(VolumeMode::Backup, 5));
}

mod snapshot {
    use super::*;
    driver_contract!(Lab::start(VolumeMode::Snapshot, 5));
}

mod both {
    use super::*;
    driver_contract!(Lab::start(VolumeMode::SnapshotAndBackup, 5));
}

mod snapshot_of_a_group {
    use super::*;
    driver_contract!(Lab::in_group(VolumeMode::Snapshot));
}

mod both_of_a_group {
    use super::*;
    driver_contract!(Lab::in_group(VolumeMode::SnapshotAndBackup));
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

    fn records(&self) -> Arc<dyn Records> {
        Arc::new(self.book.clone())
    }

    async fn is_under_way(&self) -> bool {
        let going = |status: &str| matches!(status, "creating" | "restoring" | "restoring-backup");
        self.cinder.backups().iter().any(|backup| going(&backup.status))
            || (self.settings.mode == VolumeMode::Snapshot
                && self.cinder.snapshots().iter().any(|snapshot| going(&snapshot.status)))
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        self.cinder.write(&self.volume, format!("{} round {round}", CONTENT.len()).as_bytes());
        self.cinder.change(&self.volume, |volume| {
            volume.metadata.remove("purpose");
            volume.metadata.insert("round".to_owned(), round.to_string());
            volume.bootable = !volume.bootable;
        });
    }

    async fn remove(&self) {
        self.cinder.lose_volume(&self.volume);
    }

    async fn state(&self) -> String {
        let look = |volume: &stacksnap_openstack::fake::cinder::Volume| {
            format!("{:?}\n{:?}\n{}\n", String::from_utf8_lossy(&volume.content), volume.metadata, volume.bootable)
        };
        self.cinder.look(&self.volume, look).unwrap_or_default()
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let name = format!("stacksnap-{step} ");
        self.left().into_iter().filter(|left| left.starts_with(&name)).collect()
    }

    async fn break_reads(&self) {
        for reads in self.reads() {
            self.cinder.always(*reads, true);
        }
    }

    async fn mend_reads(&self) {
        for reads in self.reads() {
            self.cinder.always(*reads, false);
        }
    }

    async fn damage(&self, artifact: &Artifact) {
        match artifact.data["backup"].as_str() {
            Some(backup) => self.cinder.change_backup(backup, |backup| backup.status = "error".to_owned()),
            None => {
                let snapshot = artifact.data["snapshot"].as_str().unwrap();
                self.cinder.change_snapshot(snapshot, |snapshot| snapshot.status = "error".to_owned());
            }
        }
    }
}

impl Lab {
    /// What goes wrong where the volume can't be read.
    fn reads(&self) -> &'static [Ends] {
        match self.settings.mode {
            VolumeMode::Snapshot => &[Ends::SnapshotInError, Ends::GroupSnapshotInError],
            _ => &[Ends::BackupInError],
        }
    }
}
