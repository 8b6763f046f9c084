//! Manila: shares with bytes, snapshots that really copy them, access rules, and the states in between.
//!
//! - `state.rs`: what there is; `settle.rs`: how it moves from one state to the next with time.
//! - `routes.rs`: who asks for what, in which version; `shares.rs`, `actions.rs`, `snapshots.rs`, `rules.rs`: what Manila
//!   does about it. `faults.rs`: what it does wrong on demand.
//!
//! A share's content is a handful of bytes in place of gigabytes. Whatever takes time takes what [`Manila::delays`] says;
//! [`Manila::hold`] makes all of it wait. A caller's token is asked of the fake Keystone, and is good for the things of its
//! own project. It runs nowhere near here, so each answer is written from Manila's own source, of August 2026 (2.99), and
//! each file here says from which of its files: `api/v2/` and `api/views/` for shapes and order of checks, `share/api.py` for
//! what is refused, `share/manager.py` for how things end, `exception.py` for the texts.

mod actions;
mod faults;
mod routes;
mod rules;
mod settle;
mod shares;
mod snapshots;
mod state;

use std::sync::MutexGuard;

use reqwest::Url;

pub use faults::Ends;
pub use state::{Can, Delays, Quota, Rule, Share, Snapshot};

pub use super::wire::{Asked, Fault};

use super::Keystone;
use super::wire::{Served, Service};
use state::State;

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Manila(Served<State>);

impl Manila {
    /// Asks `keystone` about tokens, and is in its catalogue, under the older of its names.
    pub async fn start(keystone: &Keystone) -> Self {
        let manila = Self::unlisted(keystone).await;
        keystone.list_service("sharev2", &format!("{}/%(project_id)s", manila.url()));
        manila
    }

    /// One that no catalogue knows.
    pub async fn unlisted(keystone: &Keystone) -> Self {
        Self(Served::start(State::default(), keystone.tokens()).await)
    }

    /// Up to `/v2`.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v2", self.0.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// How long things take from now on.
    pub fn delays(&self, delays: Delays) {
        self.state().delays = delays;
    }

    /// Nothing that takes time comes to its end until [`Manila::release`].
    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn release(&self) {
        self.0.state.lock().unwrap().held = false;
    }

    pub fn quota(&self, quota: Quota) {
        self.state().quota = quota;
    }

    /// The newest version of the API that it knows: `(2, 72)`.
    pub fn knows(&self, newest: (u32, u32)) {
        self.state().newest = newest;
    }

    /// The next `times` requests whose method and path contain `at` (`POST /snapshots`) meet `fault`.
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

    /// A share of one GiB with this content, on a backend that can all that there is; its id.
    pub fn share(&self, project: &str, content: &[u8]) -> String {
        self.state().put_share(project, content)
    }

    pub fn content(&self, share: &str) -> Option<Vec<u8>> {
        self.state().shares.get(share).map(|share| share.content.clone())
    }

    /// As a client that has it mounted would.
    pub fn write(&self, share: &str, content: &[u8]) {
        self.state().shares.get_mut(share).unwrap().content = content.to_vec();
    }

    /// Changes anything about a share, behind Manila's back.
    pub fn change(&self, share: &str, change: impl FnOnce(&mut Share)) {
        change(self.state().shares.get_mut(share).unwrap());
    }

    /// `None`: there is no such share (any more).
    pub fn look<T>(&self, share: &str, look: impl FnOnce(&Share) -> T) -> Option<T> {
        self.state().shares.get(share).map(look)
    }

    /// Lets somebody in, behind Manila's back.
    pub fn let_in(&self, share: &str, kind: &str, to: &str, level: &str) {
        self.state().put_rule(share, kind, to, level);
    }

    /// A share's rules, each as `ip 10.0.0.1 rw`, in order.
    pub fn rules(&self, share: &str) -> Vec<String> {
        let words = |share: &Share| {
            let mut words: Vec<_> = share.rules.iter().map(Rule::words).collect();
            words.sort();
            words
        };
        self.state().shares.get(share).map(words).unwrap_or_default()
    }

    /// The share is gone with all that there is of it, as if its backend had been lost.
    pub fn lose_share(&self, share: &str) {
        self.state().lose_share(share);
    }

    /// A snapshot of somebody else's making, of the share as it is now; its id.
    pub fn foreign_snapshot(&self, share: &str, name: &str) -> String {
        self.state().put_snapshot(share, name)
    }

    /// Changes anything about a snapshot, behind Manila's back.
    pub fn change_snapshot(&self, snapshot: &str, change: impl FnOnce(&mut Snapshot)) {
        change(self.state().snapshots.get_mut(snapshot).unwrap());
    }

    /// Somebody else removes it.
    pub fn lose_snapshot(&self, snapshot: &str) {
        self.state().snapshots.remove(snapshot);
    }

    /// All shares of a project, the oldest first.
    pub fn shares(&self, project: &str) -> Vec<Share> {
        self.state().shares.values().filter(|share| share.project == project).cloned().collect()
    }

    /// All snapshots, the oldest first.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.state().snapshots.values().cloned().collect()
    }
}
