//! A server is off while it and the volumes that it uses are cut, where the request or the configuration says so.
//!
//! 1. *Quiesce*: of a server that runs it is written down in its own metadata that this operation stops it; then it is
//!    stopped, and waited for. A server that does not run is left as it is.
//! 2. Its image is begun, and its volumes are cut, by their own steps.
//! 3. *Thaw*, whatever became of the snapshot: a server that this operation has stopped is started, as soon as Nova takes the
//!    order (not while it still reads the disk for the image); then the mark goes.
//!
//! The mark is all that a thaw goes by: it needs no record of ours, and whoever looks at the server sees why it is off. What
//! Nova takes in which state, of metadata too, is in `nova/compute/api.py`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::ServerMode;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::nova::Server;

use super::{Settings, state};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, later};

/// The checkpoint of either.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Switching {
    #[serde(default)]
    wait: Wait,
    /// A server that was stopped was seen running: a stop that nobody heard the end of may still be on its way.
    #[serde(default)]
    seen_on: bool,
}

struct Run<'a> {
    settings: &'a Settings,
    calls: &'a Calls<'a>,
    state: Switching,
}

impl<'a> Run<'a> {
    fn of(settings: &'a Settings, calls: &'a Calls<'a>) -> Self {
        let state = Switching::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
        Self { settings, calls, state }
    }

    /// Looked at again after a pause; `what` is going on.
    fn again(&self, what: &str) -> Result<Outcome<()>, Error> {
        match self.state.wait.on(&self.settings.patience, self.calls.ctx.now) {
            Some((wait, pause)) => later(pause, &Switching { wait, ..self.state.clone() }),
            None => Err(self.settings.patience.is_over(what)),
        }
    }

    /// What an order to Nova came to: it is looked at again in any case.
    fn ordered(&self, what: &str, answer: Result<(), stacksnap_openstack::Error>) -> Result<Outcome<()>, Error> {
        match answer {
            Ok(()) => self.again(what),
            // Another order was faster, or nobody knows: the server's state says so.
            Err(error) if call::is_unknown(&error) || error.status() == Some(StatusCode::CONFLICT) => {
                self.again(&format!("{what}: {error}"))
            }
            Err(error) => Err(call::error(error)),
        }
    }
}

pub(super) async fn quiesce(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<()>, Error> {
    if calls.ctx.servers == ServerMode::Run {
        return Ok(Outcome::Done(()));
    }
    let run = Run::of(settings, calls);
    let server = state::target(calls).await?;
    let id = &server.id;
    if let Some(task) = &server.task_state {
        return run.again(&format!("server {id} is to be stopped, and is worked on ({task})"));
    }
    match server.vm_state.as_str() {
        "building" => run.again(&format!("server {id} is still being built")),
        "active" if server.locked => Err(Error::permanent(locked(&server, "stopped"))),
        "active" if !marks::stopped_by(&server.metadata, calls.ctx) => {
            let operation = calls.ctx.step.operation.to_string();
            match calls.act(calls.nova.add_metadata(id, marks::STOPPED, &operation)).await? {
                Ok(()) => later(Duration::ZERO, &run.state),
                noted => run.ordered(&format!("server {id} is to be marked as stopped"), noted),
            }
        }
        "active" => {
            let stopped = calls.act(calls.nova.stop(id)).await?;
            run.ordered(&format!("server {id} is being stopped"), stopped)
        }
        _ => Ok(Outcome::Done(())),
    }
}

pub(super) async fn thaw(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<()>, Error> {
    let mut run = Run::of(settings, calls);
    let Ok(id) = calls.physical_id("server") else { return Ok(Outcome::Done(())) };
    let Some(server) = calls.find(calls.nova.server(id)).await? else { return Ok(Outcome::Done(())) };
    if !marks::stopped_by(&server.metadata, calls.ctx) {
        return Ok(Outcome::Done(()));
    }
    if let Some(task) = &server.task_state {
        return run.again(&format!("server {id} is to be started again, and is worked on ({task})"));
    }
    match server.vm_state.as_str() {
        "stopped" if server.locked => Err(Error::permanent(locked(&server, "started"))),
        "stopped" => {
            run.state.seen_on = true;
            let started = calls.act(calls.nova.start(id)).await?;
            run.ordered(&format!("server {id} is being started again"), started)
        }
        "active" if !run.state.seen_on => {
            run.state.seen_on = true;
            later(settings.patience.pace.0, &run.state)
        }
        "error" => Err(Error::permanent(format!(
            "server {id} was stopped for the snapshot and is in ERROR now: {}. See to that, and start it (openstack server \
             start {id})",
            state::fault(&server)
        ))),
        _ => {
            calls.act(calls.nova.remove_metadata(id, marks::STOPPED)).await?.map_err(call::error)?;
            Ok(Outcome::Done(()))
        }
    }
}

fn locked(server: &Server, to_be: &str) -> String {
    let id = &server.id;
    let why = server.locked_reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!(
        "server {id} is locked{why}, so that it can't be {to_be}: unlock it (openstack server unlock {id}), then {}",
        if to_be == "stopped" { "take the snapshot again, or take it of the server as it runs" } else { "start it" }
    )
}
