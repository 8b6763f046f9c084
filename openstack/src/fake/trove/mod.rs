//! Trove: instances whose databases are a handful of bytes, backups that really copy them, instances that are made from those.
//!
//! - `state.rs`: what there is, and how it moves from one state to the next with time.
//! - `routes.rs`: who asks for what, and pages; `instances.rs`, `backups.rs`: what Trove does about it.
//!
//! Whatever takes time takes what [`Trove::delays`] says; [`Trove::hold`] makes all of it wait. A caller's token is asked of
//! the fake Keystone, and is good for the things of its own project. Statuses and texts are those of Trove's source (master
//! of 2026): each file here names the one that it follows. Errors are shaped by `trove/common/wsgi.py`, `Fault`.

mod backups;
mod instances;
mod routes;
mod state;

use std::sync::MutexGuard;

use reqwest::Url;

pub use state::{Backup, Delays, Ends, Instance, Quota, Swift};

pub use super::wire::{Asked, Fault};

use super::Keystone;
use super::wire::{Served, Service};
use state::State;

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Trove(Served<State>);

impl Trove {
    /// Asks `keystone` about tokens, and is in its catalogue.
    pub async fn start(keystone: &Keystone) -> Self {
        let trove = Self::unlisted(keystone).await;
        keystone.list_service("database", &format!("{}/%(project_id)s", trove.url()));
        trove
    }

    /// One that no catalogue knows.
    pub async fn unlisted(keystone: &Keystone) -> Self {
        let trove = Self(Served::start(State::default(), keystone.tokens()).await);
        trove.state().port = trove.0.port;
        trove
    }

    /// Up to `/v1.0`.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v1.0", self.0.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// How long things take from now on.
    pub fn delays(&self, delays: Delays) {
        self.state().delays = delays;
    }

    /// Nothing that takes time comes to its end until [`Trove::release`].
    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn release(&self) {
        self.0.state.lock().unwrap().held = false;
    }

    pub fn quota(&self, quota: Quota) {
        self.state().quota = quota;
    }

    /// How it is with the object store that backups go to.
    pub fn swift(&self, swift: Swift) {
        self.state().swift = swift;
    }

    /// The most entries of one page of backups where the caller names no number, and of instances in any case.
    pub fn page(&self, entries: usize) {
        self.state().page = entries;
    }

    /// The next `times` requests whose method and path contain `at` (`POST /backups`) meet `fault`.
    pub fn fault(&self, at: &str, fault: Fault, times: usize) {
        self.state().wire().fault(at, fault, times);
    }

    /// How the next thing of this kind ends; those after it end well again.
    pub fn ends(&self, ends: Ends) {
        self.state().ends.push(ends);
    }

    /// How things of this kind end from now on.
    pub fn always(&self, ends: Ends, badly: bool) {
        let mut state = self.state();
        state.always.retain(|other| *other != ends);
        if badly {
            state.always.push(ends);
        }
    }

    /// What was asked since the last time, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().wire().asked()
    }

    /// An instance that runs, with these databases; its id.
    pub fn instance(&self, project: &str, content: &[u8]) -> String {
        self.state().put_instance(project, content)
    }

    pub fn content(&self, instance: &str) -> Option<Vec<u8>> {
        self.look(instance, |instance| instance.content.clone())
    }

    /// As a client of the database would.
    pub fn write(&self, instance: &str, content: &[u8]) {
        self.change(instance, |instance| instance.content = content.to_vec());
    }

    /// Changes anything about an instance, behind Trove's back.
    pub fn change(&self, instance: &str, change: impl FnOnce(&mut Instance)) {
        change(self.state().instances.get_mut(instance).unwrap());
    }

    /// `None`: there is no such instance (any more).
    pub fn look<T>(&self, instance: &str, look: impl FnOnce(&Instance) -> T) -> Option<T> {
        self.state().instances.get(instance).map(look)
    }

    /// The instance is gone; its backups stay, as they do in Trove.
    pub fn lose_instance(&self, instance: &str) {
        self.state().instances.remove(instance);
    }

    /// All instances, the oldest first.
    pub fn instances(&self) -> Vec<Instance> {
        self.state().instances.values().cloned().collect()
    }

    /// A backup of somebody else's making, of the instance as it is now; its id.
    pub fn foreign_backup(&self, instance: &str, parent: Option<&str>) -> String {
        self.state().put_backup(instance, parent)
    }

    /// Changes anything about a backup, behind Trove's back.
    pub fn change_backup(&self, backup: &str, change: impl FnOnce(&mut Backup)) {
        change(self.state().backups.get_mut(backup).unwrap());
    }

    /// The backup is gone, and nobody asked for that.
    pub fn lose_backup(&self, backup: &str) {
        self.state().backups.remove(backup);
    }

    /// All backups, the oldest first.
    pub fn backups(&self) -> Vec<Backup> {
        self.state().backups.values().cloned().collect()
    }

    /// How many backups a project's quota counts: one less after each request to delete one.
    pub fn counted(&self, project: &str) -> usize {
        self.state().counted.get(project).copied().unwrap_or_default()
    }
}
