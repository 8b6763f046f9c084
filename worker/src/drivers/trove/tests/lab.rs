//! A Trove with one instance in one project, and a driver that is quick about it.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Preview, Resource, Verdict};
use stacksnap_openstack::fake;
use stacksnap_openstack::fake::trove::Delays;

use crate::driver::{Ctx, Driver, Error};
use crate::drivers::openstack::lab::{self, Caller};
use crate::drivers::trove::{Instance, Settings, TYPE};

pub(super) const CONTENT: &[u8] = b"rows of the first day";
/// How long the fake cloud takes for a backup or an instance.
pub(super) const TAKES: Duration = Duration::from_millis(150);

pub(super) struct Lab {
    _keystone: fake::Keystone,
    pub(super) trove: fake::Trove,
    pub(super) caller: Caller,
    /// The one that was there first.
    pub(super) instance: String,
    pub(super) settings: Settings,
}

impl Deref for Lab {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Lab {
    pub(super) async fn start(full_every: u32) -> Self {
        let keystone = fake::Keystone::start().await;
        let trove = fake::Trove::start(&keystone).await;
        Self::with(keystone, trove, full_every)
    }

    /// Where no catalogue has Trove.
    pub(super) async fn without_trove() -> Self {
        let keystone = fake::Keystone::start().await;
        let trove = fake::Trove::unlisted(&keystone).await;
        Self::with(keystone, trove, 1)
    }

    fn with(keystone: fake::Keystone, trove: fake::Trove, full_every: u32) -> Self {
        trove.delays(Delays { backup: TAKES, build: TAKES, delete: Duration::from_millis(20) });
        let instance = trove.instance("demo-id", CONTENT);
        let caller = Caller::of(&keystone);
        let settings = Settings { full_every, patience: lab::patience("openstack.longest_wait") };
        Self { _keystone: keystone, trove, caller, instance, settings }
    }

    pub(super) fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Instance::new(self.settings))
    }

    /// As the stack has it: the instance that was made last, of those that are whole.
    pub(super) fn current(&self) -> Option<String> {
        let mut all = self.trove.instances().into_iter();
        all.rfind(|it| !it.name.starts_with("stacksnap-") && it.status != "SHUTDOWN").map(|it| it.id)
    }

    pub(super) fn resource(&self) -> Resource {
        lab::resource("db", TYPE, &self.current().unwrap_or_else(|| self.instance.clone()))
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        self.caller.ctx(step, self.resource())
    }

    pub(super) async fn copy(&self, step: StepId) -> Result<Artifact, Error> {
        lab::copy(&*self.driver(), self.ctx(step)).await
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

    pub(super) fn content(&self) -> Vec<u8> {
        self.trove.content(&self.current().unwrap()).unwrap()
    }

    /// Waits until Trove was asked so many times more.
    pub(super) async fn asked(&self, method: &str, times: usize) {
        let seen = Cell::new(0);
        lab::until(|| {
            let more = self.trove.asked().iter().filter(|asked| asked.method == method).count();
            seen.set(seen.get() + more);
            seen.get() >= times
        })
        .await;
    }

    /// Ids of all backups, the oldest first.
    pub(super) fn backups(&self) -> Vec<String> {
        self.trove.backups().into_iter().map(|it| it.id).collect()
    }

    /// All that is of ours in the cloud, by name; what others are built on is out of sight.
    pub(super) fn left(&self) -> Vec<String> {
        let backups = self.trove.backups();
        let sight = backups.iter().filter(|it| !backups.iter().any(|other| other.parent.as_ref() == Some(&it.id)));
        let backups = sight.map(|it| format!("{} backup {}", it.name, it.id));
        let instances = self.trove.instances().into_iter().map(|it| format!("{} instance {}", it.name, it.id));
        backups.chain(instances).filter(|it| it.starts_with("stacksnap-")).collect()
    }
}

pub(super) fn backup(artifact: &Artifact) -> String {
    artifact.data["backup"].as_str().unwrap().to_owned()
}
