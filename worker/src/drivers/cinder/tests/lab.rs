//! A cloud with one volume in one project, and a driver that is quick about it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Preview, Resource, VolumeMode};
use stacksnap_openstack::fake;
use stacksnap_openstack::fake::cinder::Delays;

use crate::driver::{Ctx, Driver, Error};
use crate::drivers::cinder::{Settings, TYPE, Volume};
use crate::drivers::openstack::lab::{self, Cloud};

pub(super) const CONTENT: &[u8] = b"what was in the volume at first";
/// How long the fake cloud takes for a backup or a restore.
pub(super) const TAKES: Duration = Duration::from_millis(150);

pub(super) struct Lab {
    pub(super) cloud: Cloud,
    pub(super) volume: String,
    pub(super) settings: Settings,
}

impl Deref for Lab {
    type Target = Cloud;
    fn deref(&self) -> &Cloud {
        &self.cloud
    }
}

impl Lab {
    pub(super) async fn start(mode: VolumeMode, full_every: u32) -> Self {
        Self::with(Cloud::start().await, mode, full_every)
    }

    /// The volume is all of a group.
    pub(super) async fn in_group(mode: VolumeMode) -> Self {
        let lab = Self::start(mode, 5).await;
        lab.cinder.group("demo-id", &[&lab.volume]);
        lab.book.stage([(lab.resource(), false)]);
        lab
    }

    /// Where no catalogue has Cinder.
    pub(super) async fn without_cinder() -> Self {
        let keystone = fake::Keystone::start().await;
        let cinder = fake::Cinder::unlisted(&keystone).await;
        Self::with(Cloud::with(keystone, cinder).await, VolumeMode::Backup, 1)
    }

    fn with(cloud: Cloud, mode: VolumeMode, full_every: u32) -> Self {
        let snapshot = if mode == VolumeMode::Snapshot { TAKES } else { Duration::ZERO };
        cloud.cinder.delays(Delays { backup: TAKES, restore: TAKES, snapshot, ..Delays::default() });
        let volume = cloud.cinder.volume("demo-id", CONTENT);
        cloud.cinder.change(&volume, |volume| {
            volume.name = Some("data".to_owned());
            volume.metadata.insert("purpose".to_owned(), "first".to_owned());
        });
        let patience = lab::patience("cinder.longest_wait");
        Self { cloud, volume, settings: Settings { mode, full_every, patience } }
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Volume::new(self.settings))
    }

    pub(super) fn resource(&self) -> Resource {
        lab::resource("data", TYPE, &self.volume)
    }

    pub(super) fn step() -> StepId {
        lab::step()
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        self.cloud.ctx(step, self.resource())
    }

    pub(super) async fn copy(&self, step: StepId) -> Result<Artifact, Error> {
        lab::copy(&*self.driver(), self.ctx(step)).await
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        lab::restore(&*self.driver(), self.ctx(Self::step()), artifact).await
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        lab::preview(&*self.driver(), self.ctx(Self::step()), artifact).await
    }

    pub(super) async fn discard(&self, step: StepId, artifact: Option<&Artifact>) -> Result<(), Error> {
        lab::discard(&*self.driver(), self.ctx(Self::step()), step, artifact).await
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.cinder.content(&self.volume).unwrap()
    }

    /// All that is of ours in the cloud, by name; what is condemned is out of sight, and parts go with their whole.
    pub(super) fn left(&self) -> Vec<String> {
        let ours = |name: &Option<String>| name.as_deref().is_some_and(|name| name.starts_with("stacksnap-"));
        let backups = self.cinder.backups().into_iter().filter(|it| !it.metadata.contains_key("stacksnap_condemned"));
        let backups = backups.filter(|it| ours(&it.name)).map(|it| format!("{} backup {}", it.name.unwrap(), it.id));
        let groups = self.cinder.group_snapshots().into_iter().filter(|it| ours(&it.name));
        let groups = groups.map(|it| format!("{} group snapshot {}", it.name.unwrap(), it.id));
        let alone = self.cinder.snapshots().into_iter().filter(|it| it.group_snapshot.is_none());
        let snapshots = alone.filter(|it| ours(&it.name));
        let snapshots = snapshots.map(|it| format!("{} snapshot {}", it.name.unwrap(), it.id));
        let names = self.cinder.volumes("demo-id").into_iter().filter_map(|id| {
            let name = self.cinder.look(&id, |volume| volume.name.clone()).flatten();
            name.filter(|name| name.starts_with("stacksnap-")).map(|name| format!("{name} volume {id}"))
        });
        backups.chain(groups).chain(snapshots).chain(names).collect()
    }
}
