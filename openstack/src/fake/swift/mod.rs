//! Swift: containers, objects with their bytes and headers, large objects, old versions, quotas and listings.
//!
//! - `state.rs`: what there is. `routes.rs`: who asks for what. `answer.rs`: answers in the proxy's own form.
//! - `containers.rs`, `objects.rs`, `large.rs`: what Swift does about it.
//!
//! A caller's token is asked of the fake Keystone, and is good for the account of its own project. Texts and statuses are
//! those of Swift 2.30 with the pipeline that Debian ships. Listings are never behind, as they may be in a Swift of many
//! nodes; [`Swift::stale`] makes one be.

mod answer;
mod containers;
mod large;
mod objects;
mod routes;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Keystone;
pub use super::cinder::Fault;
pub use answer::md5;
use state::{Container, Object, State};

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Swift {
    port: u16,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Swift {
    /// Asks `keystone` about tokens, and is in its catalogue.
    pub async fn start(keystone: &Keystone) -> Self {
        let swift = Self::unlisted(keystone).await;
        keystone.list_service("object-store", &format!("http://127.0.0.1:{}/v1/AUTH_%(project_id)s", swift.port));
        swift
    }

    /// One that no catalogue knows.
    pub async fn unlisted(keystone: &Keystone) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let router = routes::router(Arc::clone(&state), keystone.tokens());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, state, server }
    }

    /// Up to the account of a project.
    pub fn url(&self, project: &str) -> Url {
        format!("http://127.0.0.1:{}/v1/AUTH_{project}", self.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next `times` requests whose method and path (`PUT /container/object`) contain `at` meet `fault`.
    pub fn fault(&self, at: &str, fault: Fault, times: usize) {
        self.state().faults.push((at.to_owned(), fault, times));
    }

    /// How long 64 KiB of an object take, either way.
    pub fn pace(&self, pace: Duration) {
        self.state().pace = pace;
    }

    /// From now on an object's bytes end in the middle, or no more.
    pub fn break_reads(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// Listings show from now on what there is now.
    pub fn stale(&self) {
        let mut state = self.state();
        state.listed = Some(state.containers.clone());
    }

    /// Methods and paths that were asked since the last time, in order.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    pub fn put_container(&self, project: &str, name: &str, headers: &[(&str, &str)]) {
        let mut state = self.state();
        let now = state.now();
        let container = Container::new(now, headers.iter().copied());
        state.containers.insert((project.to_owned(), name.to_owned()), container);
    }

    /// The container is gone, with all that was in it.
    pub fn lose_container(&self, project: &str, name: &str) {
        self.state().containers.remove(&(project.to_owned(), name.to_owned()));
    }

    /// Changes a container's headers, behind Swift's back.
    pub fn change_container(&self, project: &str, name: &str, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
        change(&mut self.state().container(project, name).unwrap().headers);
    }

    /// As any user would; with `X-Object-Manifest` among the headers it is a large object.
    pub fn put(&self, project: &str, container: &str, name: &str, content: &[u8], headers: &[(&str, &str)]) {
        let mut state = self.state();
        let now = state.now();
        let object = Object::new(now, content.to_vec().into(), headers.iter().copied());
        state.container(project, container).unwrap().objects.insert(name.to_owned(), object);
    }

    /// A static large object of these segments: container and name of each.
    pub fn put_slo(&self, project: &str, container: &str, name: &str, segments: &[(&str, &str)]) {
        let wanted: Vec<_> = segments.iter().map(|(c, o)| serde_json::json!({"path": format!("/{c}/{o}")})).collect();
        let body = serde_json::to_vec(&wanted).unwrap();
        self.state().make_slo(project, container, name, &body, BTreeMap::new()).unwrap();
    }

    /// Changes anything about an object, as a user would: with another time.
    pub fn change(&self, project: &str, container: &str, name: &str, change: impl FnOnce(&mut Object)) {
        let mut state = self.state();
        let now = state.now();
        let object = state.container(project, container).unwrap().objects.get_mut(name).unwrap();
        change(object);
        object.changed = now;
    }

    pub fn remove(&self, project: &str, container: &str, name: &str) {
        self.state().container(project, container).unwrap().objects.remove(name).unwrap();
    }

    /// What a reader gets. `None`: there is no such object.
    pub fn content(&self, project: &str, container: &str, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let object = state.look(project, container)?.objects.get(name)?;
        state.whole(project, object).ok().map(|whole| whole.to_vec())
    }

    /// Every object of a container by name: a line with its headers, its size, and what is in it.
    pub fn shown(&self, project: &str, container: &str) -> Option<Vec<String>> {
        let state = self.state();
        let container = state.look(project, container)?;
        let text = |headers: &BTreeMap<String, Vec<u8>>| {
            let headers = headers.iter().map(|(name, value)| format!("{name}={}", value.escape_ascii()));
            headers.collect::<Vec<_>>().join(" ")
        };
        let mut shown = vec![text(&container.headers)];
        for (name, object) in &container.objects {
            let whole = state.whole(project, object);
            let whole =
                whole.map_or_else(|_| "broken".to_owned(), |whole| format!("{} {}", whole.len(), answer::md5(&whole)));
            let segments: Vec<_> = object.segments.iter().flatten().map(|segment| segment.show()).collect();
            shown.push(format!("{name}: {} {whole} {}", text(&object.headers), segments.join(",")));
        }
        Some(shown)
    }

    /// Every container of a project.
    pub fn containers(&self, project: &str) -> Vec<String> {
        self.state().containers.keys().filter(|(of, _)| of == project).map(|(_, name)| name.clone()).collect()
    }
}

impl Drop for Swift {
    fn drop(&mut self) {
        self.server.abort();
    }
}
