//! Cinder: volumes with bytes, snapshots and backups that really copy them, and the states in between.
//!
//! - `state.rs`: what there is, and how it moves from one state to the next with time.
//! - `routes.rs`: who asks for what; `volumes.rs`, `snapshots.rs`, `groups.rs`, `backups.rs`: what Cinder does about it.
//! - `inside.rs`: what other services do with volumes. `faults.rs`: what it does wrong on demand.
//!
//! A volume's content is a handful of bytes in place of gigabytes. Whatever takes time takes what [`Cinder::delays`] says;
//! [`Cinder::hold`] makes all of it wait. A caller's token is asked of the fake Keystone, and is good for the things of its
//! own project. Texts and statuses are those of Cinder 21 (Zed), microversion 3.43.

mod backups;
mod faults;
mod groups;
mod inside;
mod routes;
mod snapshots;
mod state;
mod volumes;

use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::Url;

pub use faults::Ends;
pub use groups::KIND as GROUP_TYPE;
pub(super) use inside::Volumes;
pub use state::{Backup, Delays, GroupSnapshot, Quota, Snapshot, Volume};

pub use super::wire::{Asked, Fault};

use super::Keystone;
use super::wire::{Served, Service};
pub(super) use state::State;

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Cinder(Served<State>);

impl Cinder {
    /// Asks `keystone` about tokens, and is in its catalogue.
    pub async fn start(keystone: &Keystone) -> Self {
        let cinder = Self::unlisted(keystone).await;
        keystone.list_service("block-storage", &format!("{}/%(project_id)s", cinder.url()));
        cinder
    }

    /// One that no catalogue knows.
    pub async fn unlisted(keystone: &Keystone) -> Self {
        Self(Served::start(State::default(), keystone.tokens()).await)
    }

    /// For the services that move its volumes.
    pub(super) fn shared(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.0.state)
    }

    /// For other services of the same cloud.
    pub(super) fn inside(&self) -> Volumes {
        Volumes(self.shared())
    }

    /// Up to `/v3`.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v3", self.0.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// How long things take from now on.
    pub fn delays(&self, delays: Delays) {
        self.state().delays = delays;
    }

    /// Nothing that takes time comes to its end until [`Cinder::release`].
    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn release(&self) {
        self.0.state.lock().unwrap().held = false;
    }

    pub fn quota(&self, quota: Quota) {
        self.state().quota = quota;
    }

    /// The next `times` requests whose method and path contain `at` (`POST /backups`) meet `fault`.
    pub fn fault(&self, at: &str, fault: Fault, times: usize) {
        self.state().wire().fault(at, fault, times);
    }

    /// How the next thing of this kind ends; those after it end well again.
    pub fn ends(&self, ends: Ends) {
        self.state().faults.ends.push(ends);
    }

    /// How things of this kind end from now on.
    pub fn always(&self, ends: Ends, badly: bool) {
        let mut state = self.state();
        state.faults.always.retain(|other| *other != ends);
        if badly {
            state.faults.always.push(ends);
        }
    }

    /// What was asked since the last time, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().wire().asked()
    }

    /// A volume of one GiB with this content, which nobody uses; its id.
    pub fn volume(&self, project: &str, content: &[u8]) -> String {
        self.state().put_volume(project, content)
    }

    pub fn content(&self, volume: &str) -> Option<Vec<u8>> {
        self.state().volumes.get(volume).map(|volume| volume.content.clone())
    }

    /// As a server that uses it would.
    pub fn write(&self, volume: &str, content: &[u8]) {
        self.state().volumes.get_mut(volume).unwrap().content = content.to_vec();
    }

    /// Changes anything about a volume, behind Cinder's back.
    pub fn change(&self, volume: &str, change: impl FnOnce(&mut state::Volume)) {
        change(self.state().volumes.get_mut(volume).unwrap());
    }

    /// `None`: there is no such volume (any more).
    pub fn look<T>(&self, volume: &str, look: impl FnOnce(&state::Volume) -> T) -> Option<T> {
        self.state().volumes.get(volume).map(look)
    }

    /// The volume is gone, whatever there is of it; backups stay, as they do in Cinder.
    pub fn lose_volume(&self, volume: &str) {
        self.state().lose_volume(volume);
    }

    /// A backup of somebody else's making, of the volume as it is now; its id.
    pub fn foreign_backup(&self, volume: &str, incremental: bool) -> String {
        self.state().put_backup(volume, incremental)
    }

    /// Changes anything about a backup, behind Cinder's back.
    pub fn change_backup(&self, backup: &str, change: impl FnOnce(&mut state::Backup)) {
        change(self.state().backups.get_mut(backup).unwrap());
    }

    /// Changes anything about a snapshot, behind Cinder's back.
    pub fn change_snapshot(&self, snapshot: &str, change: impl FnOnce(&mut state::Snapshot)) {
        change(self.state().snapshots.get_mut(snapshot).unwrap());
    }

    /// Ids of all volumes of a project, the oldest first.
    pub fn volumes(&self, project: &str) -> Vec<String> {
        let state = self.state();
        state.volumes.values().filter(|volume| volume.project == project).map(|volume| volume.id.clone()).collect()
    }

    /// All snapshots, the oldest first.
    pub fn snapshots(&self) -> Vec<state::Snapshot> {
        self.state().snapshots.values().cloned().collect()
    }

    /// A group of these volumes; its id.
    pub fn group(&self, project: &str, volumes: &[&str]) -> String {
        self.state().put_group(project, volumes)
    }

    /// `updating`: volumes come into it or leave it just now.
    pub fn group_is(&self, group: &str, status: &str) {
        self.state().groups.get_mut(group).unwrap().status = status.to_owned();
    }

    /// A snapshot of a group of somebody else's making; its id.
    pub fn foreign_group_snapshot(&self, group: &str, name: &str) -> String {
        let mut state = self.state();
        let project = state.groups[group].project.clone();
        state.put_group_snapshot(group, &project, Some(name.to_owned()), None, "available")
    }

    /// All snapshots of groups, the oldest first.
    pub fn group_snapshots(&self) -> Vec<state::GroupSnapshot> {
        self.state().group_snapshots.values().cloned().collect()
    }

    /// All backups, the oldest first.
    pub fn backups(&self) -> Vec<state::Backup> {
        self.state().backups.values().cloned().collect()
    }
}
