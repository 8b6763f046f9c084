//! The laws of every driver, kept on a real Cinder: the generic NFS driver, and backups as files.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource, VolumeMode};
use stacksnap_openstack::Cinder;
use stacksnap_openstack::cinder::{NewVolume, VERSION};

use super::disk::Disk;
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::cinder::{Settings, TYPE, Volume};
use crate::drivers::contract::{Subject, driver_contract};
use crate::drivers::openstack::real::{self, Real, Wait};
use crate::drivers::openstack::{lab, marks};

mod backup {
    use super::*;
    driver_contract!(@real InCinder::start(VolumeMode::Backup, 5));
}

mod snapshot {
    use super::*;
    driver_contract!(@real InCinder::start(VolumeMode::Snapshot, 5));
}

mod both {
    use super::*;
    driver_contract!(@real InCinder::start(VolumeMode::SnapshotAndBackup, 5));
}

/// A volume.
struct InCinder {
    cloud: Real,
    cinder: Cinder,
    volume: String,
    disk: Disk,
    settings: Settings,
}

impl InCinder {
    async fn start(mode: VolumeMode, full_every: u32) -> Self {
        let cloud = Real::from_env().await;
        let cinder = Cinder::new(cloud.session.clone());
        let metadata = [("purpose".to_owned(), "first".to_owned())].into();
        let new = NewVolume { size: 1, name: "data".to_owned(), metadata, ..NewVolume::default() };
        let volume = cinder.create_volume(&new).await.unwrap().id;
        let wait = Wait::until("the volume is there");
        while cinder.volume(&volume).await.unwrap().status != "available" {
            wait.pause().await;
        }
        let disk = Disk::of(&cloud, &volume);
        disk.write("first").await;
        let patience = real::patience("cinder.longest_wait");
        Self { cloud, cinder, volume, disk, settings: Settings { mode, full_every, patience } }
    }
}

#[async_trait]
impl Subject for InCinder {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Volume::new(self.settings))
    }

    fn project(&self) -> ProjectId {
        self.cloud.project.clone()
    }

    fn resource(&self) -> Resource {
        lab::resource("data", TYPE, &self.volume)
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.cloud.shelf.vault()
    }

    fn cloud(&self) -> Arc<dyn CloudSource> {
        self.cloud.source()
    }

    fn soon(&self) -> Duration {
        real::SOON
    }

    async fn is_under_way(&self) -> bool {
        let going = |status: &str| matches!(status, "creating" | "restoring" | "restoring-backup" | "reverting");
        let made = match self.settings.mode {
            VolumeMode::Snapshot => {
                let all = self.cinder.snapshots_of(&self.volume).await.unwrap();
                all.iter().any(|snapshot| going(&snapshot.status))
            }
            _ => {
                let all = self.cinder.backups_of(&self.volume).await.unwrap();
                all.iter().any(|backup| going(&backup.status))
            }
        };
        made || going(&self.cinder.volume(&self.volume).await.unwrap().status)
    }

    fn reads_back(&self) -> bool {
        false
    }

    async fn change(&self, round: u64) {
        self.disk.write(&format!("round {round}")).await;
        let metadata = [("round".to_owned(), round.to_string())].into();
        self.cinder.set_metadata(&self.volume, &metadata).await.unwrap();
        let bootable = self.cinder.volume(&self.volume).await.unwrap().bootable;
        self.cinder.set_bootable(&self.volume, !bootable).await.unwrap();
    }

    async fn remove(&self) {
        self.cinder.delete_volume(&self.volume).await.unwrap();
        let wait = Wait::until("the volume is gone");
        while !self.cinder.volume(&self.volume).await.is_err_and(|error| error.is_gone()) {
            wait.pause().await;
        }
    }

    async fn state(&self) -> String {
        let volume = self.cinder.volume(&self.volume).await.unwrap();
        format!("{}{:?}\n{}\n", self.disk.content().await, volume.metadata, volume.bootable)
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let name = marks::name(step);
        let backups = self.cinder.backups_named(&name).await.unwrap().into_iter();
        let backups = backups.filter(|it| !it.metadata.contains_key(marks::CONDEMNED));
        let snapshots = self.cinder.snapshots_named(&name).await.unwrap().into_iter();
        let volumes = self.cinder.volumes_named(&name).await.unwrap().into_iter();
        let left = backups.map(|it| format!("backup {} ({})", it.id, it.status));
        let left = left.chain(snapshots.map(|it| format!("snapshot {} ({})", it.id, it.status)));
        left.chain(volumes.map(|it| format!("volume {} ({})", it.id, it.status))).collect()
    }

    async fn break_reads(&self) {
        self.disk.take_away();
    }

    async fn mend_reads(&self) {
        self.disk.put_back();
    }

    /// As far as Cinder tells of damage: it reads a copy only to restore it.
    async fn damage(&self, artifact: &Artifact) {
        let named = |what: &str| artifact.data[what].as_str().map(str::to_owned);
        let body = json!({"os-reset_status": {"status": "error"}});
        let (version, wait) = (Some(("volume", VERSION)), Wait::until("the copy is in `error`"));
        if let Some(backup) = named("backup") {
            self.cloud.as_admin("block-storage", version, &["backups", &backup, "action"], &body).await;
            while self.cinder.backup(&backup).await.unwrap().status != "error" {
                wait.pause().await;
            }
        } else {
            let snapshot = named("snapshot").unwrap();
            self.cloud.as_admin("block-storage", version, &["snapshots", &snapshot, "action"], &body).await;
        }
    }

    async fn away(&self) {
        self.disk.forget();
    }
}
