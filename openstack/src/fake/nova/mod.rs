//! Nova: servers with a disk of bytes, images that really are made of them, rebuilds that really write them back, and
//! volumes of the fake Cinder attached and detached.
//!
//! - `state.rs`: what there is; `events.rs`: how it moves from one state to the next with time.
//! - `routes.rs`: who asks for what; `actions.rs`, `attachments.rs`: what Nova does about it.
//!
//! Whatever takes time takes what [`Nova::delays`] says; [`Nova::hold`] makes all of it wait. Texts and statuses are those of
//! Nova 26 (Zed), microversion 2.79. Of a lock order there is one: Nova, then Cinder, then Glance.

mod actions;
mod attachments;
mod events;
mod routes;
mod state;

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use reqwest::Url;
use tokio::task::JoinHandle;

pub use state::{Attached, Delays, Ends, Server};

pub use super::wire::{Asked, Fault};

use super::wire::{Served, Service};
use super::{Cinder, Glance, Keystone};
use state::State;

/// How often Nova goes on by itself: what it does to volumes and images is seen by who asks Cinder and Glance alone.
const TICK: Duration = Duration::from_millis(5);

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Nova(Served<State>, JoinHandle<()>);

impl Drop for Nova {
    fn drop(&mut self) {
        self.1.abort();
    }
}

impl Nova {
    /// Asks `keystone` about tokens, is in its catalogue, attaches `cinder`'s volumes and makes `glance`'s images.
    pub async fn start(keystone: &Keystone, cinder: &Cinder, glance: &Glance) -> Self {
        let state = State::new(cinder.shared(), glance.shared());
        let served = Served::start(state, keystone.tokens()).await;
        let state = Arc::clone(&served.state);
        let ticks = tokio::spawn(async move {
            loop {
                state.lock().unwrap().settle();
                tokio::time::sleep(TICK).await;
            }
        });
        let nova = Self(served, ticks);
        keystone.list_service("compute", nova.url().as_str());
        nova
    }

    /// Up to its version.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v2.1", self.0.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// How long things take from now on.
    pub fn delays(&self, delays: Delays) {
        self.state().delays = delays;
    }

    /// Nothing that takes time comes to its end until [`Nova::release`].
    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn release(&self) {
        self.0.state.lock().unwrap().held = false;
    }

    /// The next `times` requests whose method and path contain `at` (`POST /servers`) meet `fault`.
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

    /// A server that runs, with this content on its own disk; its id.
    pub fn server(&self, project: &str, content: &[u8]) -> String {
        self.state().put_server(project, content)
    }

    /// A server that runs and boots from this volume; its id.
    pub fn server_from(&self, project: &str, volume: &str) -> String {
        let mut state = self.state();
        let id = state.put_server(project, b"");
        state.servers.get_mut(&id).unwrap().image = None;
        state.put_attachment(&id, volume, "/dev/vda", true);
        id
    }

    /// The volume is attached, and not by a request.
    pub fn attach(&self, server: &str, volume: &str, device: &str) {
        self.state().put_attachment(server, volume, device, false);
    }

    /// By volume.
    pub fn attached(&self, server: &str) -> Vec<Attached> {
        self.state().servers[server].attached.clone()
    }

    pub fn content(&self, server: &str) -> Option<Vec<u8>> {
        self.look(server, |server| server.content.clone())
    }

    /// As the server itself would.
    pub fn write(&self, server: &str, content: &[u8]) {
        self.change(server, |server| server.content = content.to_vec());
    }

    /// Changes anything about a server, behind Nova's back.
    pub fn change(&self, server: &str, change: impl FnOnce(&mut Server)) {
        change(self.state().servers.get_mut(server).unwrap());
    }

    /// `None`: there is no such server (any more).
    pub fn look<T>(&self, server: &str, look: impl FnOnce(&Server) -> T) -> Option<T> {
        self.state().servers.get(server).map(look)
    }

    /// As after the end of its host's service: what was begun is nobody's business any more.
    pub fn forget(&self, server: &str) {
        let mut state = self.state();
        state.events.forget(server);
        state.servers.get_mut(server).unwrap().task_state = None;
    }

    /// The server is gone, and its volumes are free.
    pub fn lose_server(&self, server: &str) {
        self.state().lose_server(server);
    }
}
