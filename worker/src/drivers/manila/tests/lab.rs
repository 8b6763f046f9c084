//! A cloud with one share in one project, and a driver that is quick about it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Preview, Resource, Verdict};
use stacksnap_openstack::fake;
use stacksnap_openstack::fake::manila::{Delays, Share as Shown};

use crate::driver::{Ctx, Driver, Error};
use crate::drivers::manila::{Settings, Share, TYPE};
use crate::drivers::openstack::lab::{self, Caller};

pub(super) const CONTENT: &[u8] = b"what was in the share at first";
/// How long the fake cloud takes for a snapshot, a share or a revert.
pub(super) const TAKES: Duration = Duration::from_millis(150);

pub(super) struct Lab {
    pub(super) keystone: fake::Keystone,
    pub(super) manila: fake::Manila,
    pub(super) caller: Caller,
    /// The first one; a restore may make others of the same name.
    pub(super) share: String,
    pub(super) settings: Settings,
}

impl Deref for Lab {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl DerefMut for Lab {
    fn deref_mut(&mut self) -> &mut Caller {
        &mut self.caller
    }
}

impl Lab {
    pub(super) async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        let manila = fake::Manila::start(&keystone).await;
        Self::with(keystone, manila)
    }

    /// Where no catalogue has Manila.
    pub(super) async fn without_manila() -> Self {
        let keystone = fake::Keystone::start().await;
        let manila = fake::Manila::unlisted(&keystone).await;
        Self::with(keystone, manila)
    }

    /// Where a share can't be taken back to a snapshot.
    pub(super) async fn without_revert() -> Self {
        let lab = Self::start().await;
        lab.manila.change(&lab.share, |share| share.can.revert = false);
        lab
    }

    /// Of a time when snapshots had no metadata.
    pub(super) async fn old() -> Self {
        let lab = Self::start().await;
        lab.manila.knows((2, 72));
        lab
    }

    fn with(keystone: fake::Keystone, manila: fake::Manila) -> Self {
        let takes = Delays { share: TAKES, snapshot: TAKES, revert: TAKES, ..Delays::default() };
        manila.delays(takes);
        let share = manila.share("demo-id", CONTENT);
        manila.change(&share, |share| {
            share.name = Some("data".to_owned());
            share.description = Some("the data".to_owned());
            share.metadata.insert("purpose".to_owned(), "first".to_owned());
        });
        manila.let_in(&share, "ip", "10.0.0.0/24", "rw");
        manila.let_in(&share, "user", "bob", "ro");
        let caller = Caller::of(&keystone);
        Self { keystone, manila, caller, share, settings: Settings { patience: lab::patience("manila.longest_wait") } }
    }

    /// The stack's: the one that was made last, where a restore made another.
    pub(super) fn current(&self) -> String {
        let mut all = self.manila.shares("demo-id").into_iter().filter(|share| share.name.as_deref() == Some("data"));
        all.next_back().map_or_else(|| self.share.clone(), |share| share.id)
    }

    pub(super) fn shown(&self) -> Shown {
        self.manila.look(&self.current(), Clone::clone).unwrap()
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Share::new(self.settings))
    }

    pub(super) fn resource(&self) -> Resource {
        lab::resource("data", TYPE, &self.current())
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        self.caller.ctx(step, self.resource())
    }

    pub(super) async fn copy(&self, step: StepId) -> Result<Artifact, Error> {
        lab::copy(&*self.driver(), self.ctx(step)).await
    }

    /// A copy whose snapshot is of so many seconds after the first minute of a day: times are to the second.
    pub(super) async fn copy_at(&self, seconds: u32) -> Artifact {
        let artifact = self.copy(lab::step()).await.unwrap();
        self.date(artifact.data["snapshot"].as_str().unwrap(), seconds);
        artifact
    }

    pub(super) fn date(&self, snapshot: &str, seconds: u32) {
        self.manila.change_snapshot(snapshot, |it| it.created = format!("2026-11-26T00:00:{seconds:02}.000000"));
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

    pub(super) fn damage(&self) {
        self.manila.write(&self.current(), b"damage");
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.manila.content(&self.current()).unwrap()
    }

    /// All that is of ours in the cloud, by name.
    pub(super) fn left(&self) -> Vec<String> {
        let ours = |name: Option<String>| name.filter(|name| name.starts_with("stacksnap-"));
        let snapshots = self.manila.snapshots().into_iter().map(|it| (it.name, "snapshot", it.id));
        let shares = self.manila.shares("demo-id").into_iter().map(|it| (it.name, "share", it.id));
        let all = snapshots.chain(shares).filter_map(|(name, what, id)| Some(format!("{} {what} {id}", ours(name)?)));
        all.collect()
    }
}
