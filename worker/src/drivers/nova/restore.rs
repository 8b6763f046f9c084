//! A server is made what it was: rebuilt from its image.
//!
//! 1. *Begin*: the image is whole and is the one that was made; the server is there, takes a rebuild, and its volumes are
//!    quiet: Nova rebuilds no server whose volumes come or go.
//! 2. *Send*: that the rebuild is about to be sent is in the checkpoint by now. A server that is being rebuilt from our
//!    image is what an earlier run sent.
//! 3. *Watch* until Nova is done with it. A server that was off is off again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Preview};
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::nova::Server;

use super::kept::Kept;
use super::{Settings, state};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::Free;
use crate::drivers::openstack::wait::{Wait, later};

/// What Nova calls a server that is being rebuilt.
const REBUILDING: [&str; 3] = ["rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"];

/// How far a restore is; its checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Restoring {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Begin,
    /// Next it is sent; it may have been.
    Send,
    Watch,
}

struct Run<'a> {
    settings: &'a Settings,
    calls: &'a Calls<'a>,
    kept: Kept,
    state: Restoring,
}

pub(super) async fn restore(
    settings: &Settings,
    calls: &Calls<'_>,
    artifact: &Artifact,
) -> Result<Outcome<Preview>, Error> {
    let kept = Kept::of(artifact)?;
    calls.ctx.progress.expect(kept.size, 0);
    let state = Restoring::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let run = Run { settings, calls, kept, state };
    match run.state.phase {
        Phase::Begin => run.begin().await,
        Phase::Send => run.send().await,
        Phase::Watch => run.watch().await,
    }
}

/// Whether the image is what it was.
pub(super) async fn source(calls: &Calls<'_>, kept: &Kept) -> Result<Free, Error> {
    let problems = super::verify::problems(calls, kept).await?;
    Ok(if problems.is_empty() { Free::Yes } else { Free::Never(problems.join("; ")) })
}

/// Whether a server that is there can be rebuilt.
pub(super) async fn target(calls: &Calls<'_>, server: &Server) -> Result<Free, Error> {
    let id = &server.id;
    if server.locked {
        let why = server.locked_reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        return Ok(Free::Never(format!(
            "server {id} is locked{why}: Nova changes nothing about it. Unlock it (openstack server unlock {id}), then \
             restore"
        )));
    }
    if server.image.is_none() {
        return Ok(Free::Never(format!(
            "server {id} boots from a volume now, and had a disk of its own: Nova can't write the image there"
        )));
    }
    match state::free(server, "rebuild", &["active", "stopped", "error"]) {
        Free::Yes => {}
        other => return Ok(other),
    }
    for attached in calls.ask(calls.nova.attachments(id)).await? {
        let volume = calls.find(calls.cinder.volume(&attached.volume)).await?;
        if let Some(volume) = volume.filter(|volume| volume.status != "in-use") {
            return Ok(Free::NotYet(format!(
                "volume {} of server {id} is {}: Nova rebuilds no server whose volumes are worked on",
                volume.id, volume.status
            )));
        }
    }
    Ok(Free::Yes)
}

/// Of a server that is gone: what a person can do.
pub(super) fn gone(calls: &Calls<'_>, id: &str, kept: &Kept) -> String {
    let (image, flavor) = (&kept.image, &kept.facts.flavor);
    if !calls.ctx.may_move {
        return format!(
            "server {id} is gone, and the stack is Heat's, which can't be told of another one: have Heat make it anew \
             (openstack stack resource mark unhealthy, then openstack stack update --existing), then restore"
        );
    }
    format!(
        "server {id} is gone, and only a server that is there can be rebuilt: make another from the snapshot's image \
         (openstack server create --image {image} --flavor {flavor} …) and name it in the stack by its id"
    )
}

/// What Nova says (400) of a server one of whose volumes somebody works on (`nova/compute/api.py`, `_check_volume_status`).
const IN_USE: &str = "status must be 'in-use'";

impl Run<'_> {
    fn then(&self, phase: Phase, after: Duration) -> Result<Outcome<Preview>, Error> {
        later(after, &Restoring { phase, wait: Wait::default() })
    }

    /// The same phase after a pause; `what` is going on, for whoever reads that it took too long.
    fn again(&self, what: &str) -> Result<Outcome<Preview>, Error> {
        match self.state.wait.on(&self.settings.patience, self.calls.ctx.now) {
            Some((wait, pause)) => later(pause, &Restoring { wait, ..self.state.clone() }),
            None => Err(self.settings.patience.is_over(what)),
        }
    }

    async fn server(&self) -> Result<Server, Error> {
        let id = self.calls.physical_id("server")?;
        let found = self.calls.find(self.calls.nova.server(id)).await?;
        found.ok_or_else(|| Error::permanent(gone(self.calls, id, &self.kept)))
    }

    async fn begin(self) -> Result<Outcome<Preview>, Error> {
        if let Free::Never(why) = source(self.calls, &self.kept).await? {
            return Err(Error::permanent(why));
        }
        let server = self.server().await?;
        match target(self.calls, &server).await? {
            Free::Yes => self.then(Phase::Send, Duration::ZERO),
            Free::NotYet(why) => self.again(&why),
            Free::Never(why) => Err(Error::permanent(why)),
        }
    }

    async fn send(self) -> Result<Outcome<Preview>, Error> {
        let (calls, server) = (self.calls, self.server().await?);
        if is_rebuilt(&server) && server.image.as_deref() == Some(&self.kept.image) {
            return self.then(Phase::Watch, Duration::ZERO);
        }
        match target(calls, &server).await? {
            Free::Yes => {}
            Free::NotYet(why) => return self.again(&why),
            Free::Never(why) => return Err(Error::permanent(why)),
        }
        match calls.act(calls.nova.rebuild(&server.id, &self.kept.image)).await? {
            Ok(()) => self.then(Phase::Watch, self.settings.patience.pace.0),
            Err(error) if call::is_unknown(&error) => {
                self.again(&format!("it can't be told whether Nova rebuilds server {}: {error}", server.id))
            }
            // Somebody else was faster, and its state says so now; or one of its volumes is restored, which began just now.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) || error.to_string().contains(IN_USE) => {
                self.again(&error.to_string())
            }
            Err(error) => Err(call::error(error)),
        }
    }

    async fn watch(self) -> Result<Outcome<Preview>, Error> {
        let server = self.server().await?;
        let id = &server.id;
        if let Some(task) = &server.task_state {
            return self.again(&format!("server {id} is still worked on ({task})"));
        }
        if server.image.as_deref() != Some(&self.kept.image) {
            return Err(Error::permanent(format!("server {id} was rebuilt from another image while it was restored")));
        }
        match server.vm_state.as_str() {
            "active" | "stopped" => self.done(&server),
            "error" => Err(Error::permanent(format!(
                "Nova could not rebuild server {id} from image {}: {}. It is in ERROR now, its disk is not to be trusted; \
                 see to what Nova says (the host, its disks, the network), then restore again: a server in ERROR can be \
                 rebuilt",
                self.kept.image,
                state::fault(&server)
            ))),
            state => self.again(&format!("server {id} is {state}")),
        }
    }

    fn done(self, server: &Server) -> Result<Outcome<Preview>, Error> {
        self.calls.ctx.progress.add_bytes(self.kept.size);
        Ok(Outcome::Done(Preview {
            overwrites: 1,
            bytes: self.kept.size,
            sample: vec![format!("rebuild server {} from image {}", server.id, self.kept.image)],
            ..Preview::default()
        }))
    }
}

fn is_rebuilt(server: &Server) -> bool {
    server.task_state.as_deref().is_some_and(|task| REBUILDING.contains(&task))
}
