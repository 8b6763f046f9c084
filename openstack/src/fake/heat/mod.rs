//! Heat: stacks of resources that are only values, as Heat 27 shows them.
//!
//! What it is told to do ends when a stack has been looked at a few times (`Heat::looks`), or when it is let go on
//! (`Heat::hold`), so nothing waits. A resource whose type ends in `.yaml`, and a `ResourceGroup`, hold a nested stack with
//! one resource, `leaf`; a `TestResource` that is to fail fails. A token is `PROJECT` or `PROJECT:user` and is good for that
//! project alone; `*:user` is an administrator's. Its clock goes on by a second with each change. One that is started in a
//! cloud ([`Heat::start_in`]) takes Keystone's tokens, makes its volumes in Cinder, and its nested stacks by their files
//! (which must be JSON).
//!
//! That it answers as the real one does is measured by what that was recorded to say: `tests/it/conformance` replays it.
//!
//! - `state.rs`: stacks, and what becomes of them. `shape.rs`: how they are shown. `route.rs`: which request is what.
//! - `cloud.rs`: what is not Heat's own: volumes, and whose a token is.

mod cloud;
mod route;
mod shape;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Cinder, Keystone};
use cloud::Cloud;
use state::State;

/// Stops when it is dropped.
#[derive(Debug)]
pub struct Heat {
    port: u16,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

/// What it does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// 500 for everything.
    Broken,
    /// It waits before each answer.
    Slow(Duration),
    /// Each answer ends before its end.
    CutOff,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub token: Option<String>,
    pub headers: Vec<String>,
    pub body: Value,
}

impl Heat {
    pub async fn start() -> Self {
        Self::serve(State::new()).await
    }

    /// One in a cloud.
    pub async fn start_in(keystone: &Keystone, cinder: &Cinder) -> Self {
        let mut state = State::new();
        state.cloud = Some(Cloud::new(keystone, cinder));
        Self::serve(state).await
    }

    async fn serve(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let router = Router::new().fallback(route::answer).with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, state, server }
    }

    /// Up to `/v1`.
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/v1", self.port).parse().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn trouble(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// Whatever it is told next to do fails, after it has begun.
    pub fn fail_next(&self) {
        self.state().fails = true;
    }

    pub fn looks(&self, looks: u32) {
        self.state().looks = looks;
    }

    /// From now on what it is told to do is begun and does not end.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// What was held ends; what it is told from now on ends when it is looked at again.
    pub fn release(&self) {
        self.state().release();
    }

    /// Everything that was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// Makes a stack that is complete; its id.
    pub fn stack(&self, project: &str, name: &str, template: Value) -> String {
        self.stack_of(project, &json!({"stack_name": name, "template": template}))
    }

    /// The same by a whole request.
    pub fn stack_of(&self, project: &str, body: &Value) -> String {
        let mut state = self.state();
        let id = state.create(project, "owner", body);
        state.end(&id);
        id
    }

    /// Changes a stack's parameter as somebody does who goes round us; at once.
    pub fn change(&self, id: &str, parameter: &str, value: &str) {
        let mut state = self.state();
        state.begin(id, "UPDATE");
        state.stacks.get_mut(id).unwrap().parameters.insert(parameter.to_owned(), value.into());
        state.end(id);
    }

    /// On the `nth` time from now that it is shown, a stack has been changed by somebody who goes round us.
    pub fn change_on_look(&self, id: &str, nth: u32) {
        self.state().changes = Some((nth, id.to_owned()));
    }

    /// Begins something that goes on until `settle`.
    pub fn busy(&self, id: &str, action: &str) {
        let mut state = self.state();
        state.begin(id, action);
        state.stacks.get_mut(id).unwrap().left = u32::MAX;
    }

    pub fn settle(&self, id: &str) {
        self.state().end(id);
    }

    /// The physical id of a resource; `nested.inner` names one of a nested stack.
    pub fn physical(&self, id: &str, path: &str) -> Option<String> {
        let state = self.state();
        let mut members = state.stacks.get(id)?.members.as_slice();
        let mut found = None;
        for name in path.split('.') {
            let member = members.iter().find(|member| member.name == name)?;
            (found, members) = (Some(member.physical.clone()), member.inner.as_slice());
        }
        found
    }

    /// A parameter's value now.
    pub fn parameter(&self, id: &str, name: &str) -> Value {
        self.state().stacks[id].parameters.get(name).cloned().unwrap_or(Value::Null)
    }

    pub fn template(&self, id: &str) -> Value {
        self.state().stacks[id].template.clone()
    }

    pub fn status(&self, id: &str) -> String {
        let state = self.state();
        state.stacks.get(id).map_or("gone".to_owned(), |stack| format!("{}_{}", stack.action, stack.status))
    }

    /// From now on whether all snapshots fail, after they have begun.
    pub fn snapshots_fail(&self, fail: bool) {
        self.state().snapshots_fail = fail;
    }

    /// All of a stack's, the oldest first.
    pub fn snapshots(&self, id: &str) -> Vec<Value> {
        self.state().stacks.get(id).map(|stack| stack.snapshots.clone()).unwrap_or_default()
    }

    /// Changes anything about a snapshot, behind Heat's back.
    pub fn change_snapshot(&self, id: &str, snapshot: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let snapshots = &mut state.stacks.get_mut(id).unwrap().snapshots;
        change(snapshots.iter_mut().find(|found| found["id"] == snapshot).unwrap());
    }

    /// The stack is gone, whatever there is of it.
    pub fn lose(&self, id: &str) {
        self.state().stacks.remove(id);
    }

    /// A snapshot that Heat made itself; its id.
    pub fn snapshot(&self, id: &str, name: &str) -> String {
        let mut state = self.state();
        let (snapshot, at) = (state.id(), state.now());
        let made = json!({"id": snapshot, "name": name, "action": "CREATE", "status": "COMPLETE",
            "status_reason": "Stack SNAPSHOT completed successfully", "data": {"id": id}, "creation_time": at});
        state.stacks.get_mut(id).unwrap().snapshots.push(made);
        snapshot
    }
}

impl Drop for Heat {
    fn drop(&mut self) {
        self.server.abort();
    }
}
