//! A volume that a server uses: the server lets go of it before it is restored, and gets it back afterwards.
//!
//! 1. *Detach*, with the place in the checkpoint. A guest may not let go: it is asked a few times.
//! 2. The volume is restored like any other. Whatever fails meanwhile is kept, and the volume goes back first.
//! 3. *Attach* at the same device, as far as the hypervisor takes that (libvirt takes the next that is free).
//!
//! Of the volume that a server boots from Nova never lets go; an administrator can declare it free while the server is off.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::cinder::Volume;
use stacksnap_openstack::nova::{Attachment, NewAttachment, Server};

use super::begin::Target;
use super::{Phase, Run};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};

/// How often a server is asked to let go of a volume, or to take it back.
const TRIES: u32 = 5;
/// In which Nova changes what is attached to a server.
const CHANGEABLE: [&str; 6] = ["active", "paused", "stopped", "resized", "shelved", "shelved_offloaded"];

/// Where a volume is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Place {
    pub(in super::super) server: String,
    #[serde(default)]
    pub(in super::super) device: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    delete_on_termination: bool,
    /// Of the server, when it was looked at.
    #[serde(default)]
    pub(in super::super) runs: bool,
}

impl Place {
    /// `server S (/dev/vdb)`
    pub(in super::super) fn words(&self) -> String {
        let device = self.device.as_deref().map(|device| format!(" ({device})")).unwrap_or_default();
        format!("server {}{device}", self.server)
    }

    /// What a person does to attach it.
    fn command(&self, volume: &str) -> String {
        let device = self.device.as_deref().map(|device| format!(" --device {device}")).unwrap_or_default();
        format!("openstack server add volume{device} {} {volume}", self.server)
    }
}

/// Of a volume that is attached.
pub(super) async fn target(calls: &Calls<'_>, volume: &Volume) -> Result<Target, Error> {
    let id = &volume.id;
    let [attachment] = &volume.attachments[..] else {
        let servers: Vec<_> = volume.attachments.iter().map(|it| it.server_id.as_str()).collect();
        return Ok(Target::Never(format!(
            "volume {id} is used by {} servers ({}), and what it is to all of them at once can't be put back: detach it from \
             all but one (openstack server remove volume SERVER {id}), then restore",
            servers.len(),
            servers.join(", ")
        )));
    };
    let of = &attachment.server_id;
    let Some(server) = calls.find(calls.nova.server(of)).await? else {
        return Ok(Target::Never(format!(
            "volume {id} is used by {of}, which is no server of this project: detach it there, then restore"
        )));
    };
    let all = calls.ask(calls.nova.attachments(of)).await?;
    let Some(here) = all.iter().find(|it| it.volume == *id) else {
        return Ok(Target::NotYet(format!("volume {id} is used by server {of}, which has not got it yet, or no more")));
    };
    if is_root(&server, here, &all) {
        return Ok(root(volume, &server));
    }
    if server.locked {
        return Ok(Target::Never(format!(
            "volume {id} is used by server {of}, which is locked: unlock it (openstack server unlock {of}), then restore"
        )));
    }
    if let Some(task) = &server.task_state {
        return Ok(Target::NotYet(format!("volume {id} is used by server {of}, which is worked on ({task})")));
    }
    if !CHANGEABLE.contains(&server.vm_state.as_str()) {
        return Ok(Target::Never(format!(
            "volume {id} is used by server {of}, which is {}: Nova lets go of no volume then. Have it ACTIVE or SHUTOFF first",
            server.status
        )));
    }
    match volume.status.as_str() {
        "in-use" => {}
        status => return Ok(Target::NotYet(format!("volume {id}, which server {of} uses, is {status}"))),
    }
    Ok(Target::Used(Place {
        server: of.clone(),
        device: here.device.clone(),
        tag: here.tag.clone(),
        delete_on_termination: here.delete_on_termination,
        runs: server.vm_state != "stopped",
    }))
}

/// Nova shows to nobody but administrators which device a server boots from: it is the first.
fn is_root(server: &Server, here: &Attachment, all: &[Attachment]) -> bool {
    server.image.is_none() && all.iter().all(|other| here.device <= other.device)
}

fn root(volume: &Volume, server: &Server) -> Target {
    let (id, of) = (&volume.id, &server.id);
    let off = server.vm_state == "stopped" && server.task_state.is_none();
    if off && volume.status == "available" {
        return Target::Free;
    }
    Target::Never(format!(
        "server {of} boots from volume {id}: Nova does not let go of it, and Cinder writes only into volumes that are \
         available. Stop the server (openstack server stop {of}) and have an administrator declare the volume free (openstack \
         volume set --state available {id}); then restore; then have it set back (openstack volume set --state in-use {id}) \
         and start the server"
    ))
}

/// Of a volume that an administrator declared free: what they owe it when it is restored.
pub(in super::super) fn to_set_back(volume: &Volume) -> Option<String> {
    let server = &volume.attachments.first()?.server_id;
    let id = &volume.id;
    Some(format!(
        "server {server} boots from volume {id}: have its state set back (openstack volume set --state in-use {id}), then start \
         the server"
    ))
}

impl Run<'_> {
    /// A run while the volume is, or is about to be, away from its server: no failure ends the restore before it is back.
    pub(super) async fn with_place(self) -> Result<Outcome<Preview>, Error> {
        let Self { settings, calls, .. } = self;
        let again = Self { settings, calls, kept: self.kept.clone(), state: self.state.clone() };
        let why = match self.next().await {
            // The store counts attempts, and knows nothing of a server that waits for its volume.
            Err(Error::Transient { reason, .. }) => match again.again(&reason) {
                Ok(later) => return Ok(later),
                Err(over) => over.to_string(),
            },
            Err(Error::Permanent(why) | Error::Gone(why) | Error::Unreadable(why) | Error::Unsupported(why)) => why,
            other => return other,
        };
        let volume = match &again.state.phase {
            // A server that has been asked to let go of it and has not is looked at once more.
            Phase::Detach { volume, .. }
            | Phase::Bridge { volume, .. }
            | Phase::Send { volume, .. }
            | Phase::Watch { volume, .. }
            | Phase::Finish { volume } => volume.clone(),
            _ => return Err(Error::permanent(why)),
        };
        let mut run = again;
        run.state.failed = Some(why);
        run.then(Phase::Attach { volume, tries: 0 }, Duration::ZERO)
    }

    fn place(&self) -> Result<&Place, Error> {
        self.state.place.as_ref().ok_or_else(|| Error::permanent("it was not noted where the volume was attached"))
    }

    /// What is left to a person, and why.
    fn left(&self, volume: &str, why: &str) -> String {
        let first = self.state.failed.as_ref().map(|first| format!("{first}. And ")).unwrap_or_default();
        match self.place() {
            Ok(place) => format!(
                "{first}volume {volume} could not be attached again to {}: {why}. It is detached; attach it when that is \
                 seen to: {}",
                place.words(),
                place.command(volume)
            ),
            Err(_) => format!("{first}{why}"),
        }
    }

    pub(super) async fn detach(self, id: String, tries: u32) -> Result<Outcome<Preview>, Error> {
        let (calls, place) = (self.calls, self.place()?.clone());
        let volume = self.volume(&id).await?;
        match (&volume.attachments[..], volume.status.as_str()) {
            ([], "available") => return self.source(id).await,
            ([only], "in-use") if only.server_id == place.server => {}
            ([only], _) if only.server_id != place.server => {
                return Err(Error::permanent(format!(
                    "volume {id} was attached to server {} meanwhile",
                    only.server_id
                )));
            }
            (_, status) => {
                let what = format!("volume {id} of {} is {status}", place.words());
                return self.again(&what);
            }
        }
        if tries >= TRIES {
            return Err(Error::permanent(format!(
                "{} does not let go of volume {id}: unmount it in the guest, or stop the server (openstack server stop {}), \
                 then restore",
                place.words(),
                place.server
            )));
        }
        match calls.act(calls.nova.detach(&place.server, &id)).await? {
            Ok(()) => self.then(Phase::Detach { volume: id, tries: tries + 1 }, self.settings.patience.pace.0),
            Err(error) if is_passing(&error) => {
                self.again(&format!("volume {id} can't be detached from {} yet: {error}", place.words()))
            }
            // Sent twice, because the first answer was lost: it is on its way then.
            Err(error) if error.status() == Some(StatusCode::BAD_REQUEST) => {
                match self.volume(&id).await?.status.as_str() {
                    "in-use" => Err(call::error(error)),
                    _ => self.again(&error.to_string()),
                }
            }
            Err(error) => Err(call::error(error)),
        }
    }

    pub(super) async fn attach(self, id: String, tries: u32) -> Result<Outcome<Preview>, Error> {
        let place = self.place()?.clone();
        let now = match self.give_back(&id, &place, tries).await {
            Ok(now) => now,
            Err(Error::Transient { reason, .. }) => Now::Wait(reason),
            Err(Error::Permanent(why) | Error::Gone(why) | Error::Unreadable(why) | Error::Unsupported(why)) => {
                return Err(Error::permanent(self.left(&id, &why)));
            }
            Err(stopped) => return Err(stopped),
        };
        let mut run = self;
        let note = match now {
            Now::Sent => return run.then(Phase::Attach { volume: id, tries: tries + 1 }, run.settings.patience.pace.0),
            Now::Wait(what) => {
                return run.again(&what).map_err(|over| Error::permanent(run.left(&id, &over.to_string())));
            }
            // Another volume came there meanwhile: anywhere is better than nowhere.
            Now::Elsewhere => {
                run.state.place = Some(Place { device: None, ..place });
                return run.then(Phase::Attach { volume: id, tries }, Duration::ZERO);
            }
            Now::ServerGone => format!("server {} is gone: volume {id} is left detached", place.server),
            Now::Attached(device) => {
                let now = device.as_deref().unwrap_or("no device that is known");
                let was = place.device.filter(|then| device.as_ref() != Some(then));
                let was = was.map(|then| format!("; it was {then}")).unwrap_or_default();
                format!("volume {id} is attached to server {} again, as {now}{was}", place.server)
            }
        };
        if let Some(why) = &mut run.state.failed {
            why.push_str(&format!(" ({note})"));
        }
        run.state.notes.push(note);
        run.over(id).await
    }

    async fn give_back(&self, id: &str, place: &Place, tries: u32) -> Result<Now, Error> {
        let calls = self.calls;
        let volume = self.volume(id).await?;
        match (&volume.attachments[..], volume.status.as_str()) {
            ([only], "in-use") if only.server_id == place.server => return Ok(Now::Attached(only.device.clone())),
            ([], "available") => {}
            (_, "attaching" | "reserved" | "detaching" | "restoring-backup" | "reverting") => {
                return Ok(Now::Wait(format!("volume {id} is still {}", volume.status)));
            }
            (_, status) => return Err(Error::permanent(format!("it is {status}"))),
        }
        let Some(server) = calls.find(calls.nova.server(&place.server)).await? else { return Ok(Now::ServerGone) };
        if let Some(task) = &server.task_state {
            return Ok(Now::Wait(format!("{} is worked on ({task})", place.words())));
        }
        if server.locked {
            return Err(Error::permanent("the server is locked (openstack server unlock)"));
        }
        if tries >= TRIES {
            return Err(Error::permanent(format!("the server did not take it in {TRIES} tries")));
        }
        let new = NewAttachment {
            volume: id.to_owned(),
            device: place.device.clone(),
            tag: place.tag.clone(),
            delete_on_termination: place.delete_on_termination,
        };
        match calls.act(calls.nova.attach(&place.server, &new)).await? {
            Ok(()) => Ok(Now::Sent),
            Err(error) if error.to_string().contains("device path") && place.device.is_some() => Ok(Now::Elsewhere),
            Err(error) if is_passing(&error) => {
                Ok(Now::Wait(format!("volume {id} can't be attached to {} yet: {error}", place.words())))
            }
            Err(error) => Err(call::error(error)),
        }
    }
}

/// What one look at a volume that is to be attached again found.
enum Now {
    /// It is; at which device.
    Attached(Option<String>),
    Sent,
    Wait(String),
    /// The device is taken.
    Elsewhere,
    ServerGone,
}

/// Nova is at something else, or nobody knows what it did: the volume's state tells, later.
fn is_passing(error: &stacksnap_openstack::Error) -> bool {
    call::is_unknown(error) || matches!(error.status(), Some(StatusCode::CONFLICT | StatusCode::NOT_FOUND))
}
