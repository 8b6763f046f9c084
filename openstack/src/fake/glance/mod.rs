//! Glance: images with bytes, which other services fill and anybody of the project may delete.
//!
//! - `state.rs`: what there is. `routes.rs`: what Glance does about a request.
//!
//! Texts and statuses are those of Glance 25 (Zed). Its refusals are pages by nature, and JSON for whoever asks for that.

mod routes;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::Url;

pub use state::Image;

pub use super::wire::{Asked, Fault};

use super::Keystone;
use super::wire::{Served, Service};
pub(super) use state::State;

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Glance(Served<State>);

impl Glance {
    /// Asks `keystone` about tokens, and is in its catalogue.
    pub async fn start(keystone: &Keystone) -> Self {
        let glance = Self(Served::start(State::default(), keystone.tokens()).await);
        keystone.list_service("image", glance.url().as_str().trim_end_matches('/'));
        glance
    }

    /// Its root.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}", self.0.port).parse().unwrap()
    }

    /// For the services that fill its images.
    pub(super) fn shared(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.0.state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// The next `times` requests whose method and path contain `at` (`DELETE /images`) meet `fault`.
    pub fn fault(&self, at: &str, fault: Fault, times: usize) {
        self.state().wire().fault(at, fault, times);
    }

    /// What was asked since the last time, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().wire().asked()
    }

    /// An image with this content; its id.
    pub fn image(&self, project: &str, name: &str, content: &[u8]) -> String {
        let mut state = self.state();
        let id = state.begin(project, name, Default::default());
        state.fill(&id, content);
        id
    }

    /// Changes anything about an image, behind Glance's back.
    pub fn change(&self, image: &str, change: impl FnOnce(&mut Image)) {
        change(self.state().images.get_mut(image).unwrap());
    }

    pub fn lose(&self, image: &str) {
        self.state().images.remove(image);
    }

    /// All images, the oldest first.
    pub fn images(&self) -> Vec<Image> {
        self.state().images.values().cloned().collect()
    }
}
