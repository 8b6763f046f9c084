//! The three things that are made of a volume: a snapshot, a backup, and another volume in its place. What is made of a
//! whole group is in `group.rs`.

use async_trait::async_trait;
use stacksnap_openstack::Error as Cloud;
use stacksnap_openstack::cinder::{self, Backup, Cinder, NewBackup, NewSnapshot, NewVolume, Snapshot, Volume};

use crate::driver::{Ctx, Error};
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::{Found, Free, Is, Thing};
use crate::drivers::openstack::marks;

pub(super) const MAKER: &str = "Cinder";

/// What Cinder works on by itself and is done with in a while.
const BUSY: [&str; 15] = [
    "creating",
    "backing-up",
    "restoring-backup",
    "reverting",
    "restoring",
    "extending",
    "uploading",
    "downloading",
    "retyping",
    "attaching",
    "detaching",
    "reserved",
    "maintenance",
    "awaiting-transfer",
    "managing",
];

/// Whether a volume or a snapshot may be worked on: `good` are the states in which it may.
pub(super) fn free(what: &str, status: &str, good: &[&str]) -> Free {
    if good.contains(&status) {
        return Free::Yes;
    }
    if BUSY.contains(&status) {
        return Free::NotYet(format!("{what} is {status}"));
    }
    Free::Never(format!("{what} is {status}; it must be {}", good.join(" or ")))
}

/// The volume itself.
pub(super) async fn target(calls: &Calls<'_>) -> Result<Volume, Error> {
    let id = calls.physical_id("volume")?;
    let found = calls.find(calls.cinder.volume(id)).await?;
    found.ok_or_else(|| Error::Gone(format!("there is no volume {id} in this project of the cloud")))
}

pub(super) struct ASnapshot<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) cinder: &'a Cinder,
    pub(super) volume: &'a str,
}

pub(super) struct ABackup<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) cinder: &'a Cinder,
    pub(super) volume: &'a str,
    /// From this one instead of the volume as it is.
    pub(super) snapshot: Option<&'a str>,
    pub(super) incremental: bool,
}

/// Named as the step's until it is finished.
pub(super) struct AVolume<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) cinder: &'a Cinder,
    pub(super) size: u64,
    pub(super) volume_type: Option<String>,
    pub(super) availability_zone: Option<String>,
}

#[async_trait]
impl Thing for ASnapshot<'_> {
    fn word(&self) -> &'static str {
        "snapshot"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let found = self.cinder.snapshots_named(&marks::name(self.ctx.step)).await?;
        Ok(found.into_iter().filter(|it| marks::is_ours(&it.metadata)).map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.cinder.snapshot(id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        let status = self.cinder.volume(self.volume).await?.status;
        Ok(free(&format!("volume {}", self.volume), &status, &["available", "in-use"]))
    }

    async fn make(&self) -> Result<String, Cloud> {
        let new = NewSnapshot {
            volume_id: self.volume.to_owned(),
            name: marks::name(self.ctx.step),
            description: marks::description(self.ctx),
            force: true,
            metadata: marks::metadata(self.ctx),
        };
        self.cinder.create_snapshot(&new).await.map(|made| made.id)
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.cinder.delete_snapshot(id).await
    }
}

#[async_trait]
impl Thing for ABackup<'_> {
    fn word(&self) -> &'static str {
        "backup"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let found = self.cinder.backups_named(&marks::name(self.ctx.step)).await?;
        Ok(found.into_iter().filter(|it| marks::is_ours(&it.metadata)).map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.cinder.backup(id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        if let Some(id) = self.snapshot {
            let status = self.cinder.snapshot(id).await?.status;
            return Ok(free(&format!("snapshot {id}"), &status, &["available"]));
        }
        let status = self.cinder.volume(self.volume).await?.status;
        Ok(free(&format!("volume {}", self.volume), &status, &["available", "in-use"]))
    }

    async fn make(&self) -> Result<String, Cloud> {
        let new = NewBackup {
            volume_id: self.volume.to_owned(),
            name: marks::name(self.ctx.step),
            description: marks::description(self.ctx),
            incremental: self.incremental,
            force: true,
            snapshot_id: self.snapshot.map(str::to_owned),
            metadata: marks::metadata(self.ctx),
        };
        match self.cinder.create_backup(&new).await {
            // The newest backup, on which it would have been built, has just been deleted, or is not well.
            Err(error) if self.incremental && error.to_string().contains(cinder::backup::NO_PARENT) => {
                tracing::info!(step = %self.ctx.step, "there is nothing to build an incremental backup on; it is full");
                self.cinder.create_backup(&NewBackup { incremental: false, ..new }).await
            }
            answer => answer,
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.cinder.delete_backup(id).await
    }
}

#[async_trait]
impl Thing for AVolume<'_> {
    fn word(&self) -> &'static str {
        "volume"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let found = self.cinder.volumes_named(&marks::name(self.ctx.step)).await?;
        Ok(found.into_iter().filter(|it| marks::is_ours(&it.metadata)).map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.cinder.volume(id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        Ok(Free::Yes)
    }

    async fn make(&self) -> Result<String, Cloud> {
        let new = NewVolume {
            size: self.size,
            name: marks::name(self.ctx.step),
            description: marks::description(self.ctx),
            volume_type: self.volume_type.clone(),
            availability_zone: self.availability_zone.clone(),
            snapshot_id: None,
            metadata: marks::metadata(self.ctx),
        };
        self.cinder.create_volume(&new).await.map(|made| made.id)
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.cinder.delete_volume(id).await
    }
}

/// Through `downloading` and `backing-up` some things pass on their way.
pub(super) fn is(status: &str) -> Is {
    match status {
        "available" => Is::There,
        "creating" | "downloading" | "backing-up" => Is::Coming,
        "deleting" => Is::Leaving,
        "error_deleting" => Is::Stuck,
        _ => Is::Failed,
    }
}

impl From<Snapshot> for Found {
    fn from(it: Snapshot) -> Self {
        Self { is: is(&it.status), id: it.id, status: it.status, created: it.created_at, why: String::new() }
    }
}

impl From<Backup> for Found {
    fn from(it: Backup) -> Self {
        Self { is: is(&it.status), id: it.id, status: it.status, created: it.created_at, why: it.fail_reason }
    }
}

impl From<Volume> for Found {
    fn from(it: Volume) -> Self {
        Self { is: is(&it.status), id: it.id, status: it.status, created: it.created_at, why: String::new() }
    }
}
