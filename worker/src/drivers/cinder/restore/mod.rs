//! A volume is made what it was.
//!
//! 1. *Begin*: the artifact is there and well; the volume is there, free and large enough, or is gone. One that a server uses
//!    is *detached*: where it was is in the checkpoint before, so that it comes back there whatever happens.
//! 2. Gone: another one is *made*, as large and of the same type, named as the step's until it is finished.
//! 3. A snapshot that is the volume's newest: the volume goes back to it. Any other snapshot: it is *bridged*, by a backup
//!    that goes again at the end.
//! 4. *Send*: that the restore is about to be sent is in the checkpoint by now. *Watch* until the volume is free again.
//! 5. *Finish*: what Cinder does not bring back itself (metadata, the bootable flag; name and description of a new one).
//! 6. *Attach*: to the server that it was taken from, at the same device.
//!
//! What goes wrong while the volume is detached ends the restore only after the volume is attached again; where that can't
//! be, the reason says what is left to do.

mod attached;
mod begin;
mod send;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Preview};
use stacksnap_openstack::cinder::Volume;

use super::Settings;
use super::kept::Kept;
use super::things::{ABackup, AVolume};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::{Wait, later};

use attached::Place;
pub(super) use attached::to_set_back;
pub(super) use begin::{Target, heat_has_it, source, target};

/// How far a restore is; its checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Restoring {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
    /// The volume that was made for it.
    #[serde(default)]
    made: Option<String>,
    /// The backup by which a snapshot comes into a volume.
    #[serde(default)]
    bridge: Option<String>,
    /// Cinder refused to take the volume back to its snapshot.
    #[serde(default)]
    no_revert: bool,
    /// Where the volume is to be attached in the end; what it was taken from.
    #[serde(default)]
    place: Option<Place>,
    /// Why the restore fails, once the volume is attached again.
    #[serde(default)]
    failed: Option<String>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Begin,
    /// Its server lets go of it.
    Detach {
        volume: String,
        /// How often it was asked to.
        tries: u32,
    },
    /// Another volume is made.
    Make(Making),
    Bridge {
        volume: String,
        making: Making,
    },
    /// Next it is sent; it may have been.
    Send {
        volume: String,
        how: How,
    },
    Watch {
        volume: String,
        how: How,
    },
    Finish {
        volume: String,
    },
    /// Its server gets it back.
    Attach {
        volume: String,
        tries: u32,
    },
    /// All is done but the bridge, which goes.
    Unbridge {
        volume: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// This backup into the volume.
    Backup(String),
    /// The volume back to this snapshot.
    Revert(String),
}

/// One run of a restore.
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
    calls.ctx.progress.expect(kept.bytes(), 0);
    let state = Restoring::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let run = Run { settings, calls, kept, state };
    match run.state.place {
        Some(_) => Box::pin(run.with_place()).await,
        None => run.next().await,
    }
}

impl<'a> Run<'a> {
    async fn next(self) -> Result<Outcome<Preview>, Error> {
        let run = self;
        match run.state.phase.clone() {
            Phase::Begin => run.begin().await,
            Phase::Detach { volume, tries } => run.detach(volume, tries).await,
            Phase::Make(making) => run.make(making).await,
            Phase::Bridge { volume, making } => run.bridge(volume, making).await,
            Phase::Send { volume, how } => run.send(volume, how).await,
            Phase::Watch { volume, how } => run.watch(volume, how).await,
            Phase::Finish { volume } => run.finish(volume).await,
            Phase::Attach { volume, tries } => run.attach(volume, tries).await,
            Phase::Unbridge { volume } => run.unbridge(volume).await,
        }
    }

    /// The next phase, at once or after a pause.
    fn then(&self, phase: Phase, after: Duration) -> Result<Outcome<Preview>, Error> {
        later(after, &Restoring { phase, wait: Wait::default(), ..self.state.clone() })
    }

    /// The same phase after a pause; `what` is going on, for whoever reads that it took too long.
    fn again(&self, what: &str) -> Result<Outcome<Preview>, Error> {
        match self.state.wait.on(&self.settings.patience, self.calls.ctx.now) {
            Some((wait, pause)) => later(pause, &Restoring { wait, ..self.state.clone() }),
            None => Err(self.settings.patience.is_over(what)),
        }
    }

    /// The volume, which must be there: it was looked at before.
    async fn volume(&self, id: &str) -> Result<Volume, Error> {
        let found = self.calls.find(self.calls.cinder.volume(id)).await?;
        found.ok_or_else(|| Error::permanent(format!("volume {id} was deleted while it was restored")))
    }

    async fn make(self, making: Making) -> Result<Outcome<Preview>, Error> {
        let facts = &self.kept.facts;
        let thing = AVolume {
            ctx: self.calls.ctx,
            cinder: &self.calls.cinder,
            size: facts.size,
            volume_type: facts.volume_type.clone(),
            availability_zone: facts.availability_zone.clone(),
        };
        match make(&self.settings.patience, self.calls.ctx, &thing, making).await? {
            Step::Later(after, making) => {
                let state = Restoring { phase: Phase::Make(making), ..self.state.clone() };
                later(after, &state)
            }
            Step::There(found) => {
                let mut run = self;
                run.state.made = Some(found.id.clone());
                run.source(found.id).await
            }
        }
    }

    async fn bridge(self, volume: String, making: Making) -> Result<Outcome<Preview>, Error> {
        let thing = ABackup {
            ctx: self.calls.ctx,
            cinder: &self.calls.cinder,
            volume: &self.kept.facts.volume,
            snapshot: self.kept.snapshot.as_deref(),
            incremental: false,
        };
        match make(&self.settings.patience, self.calls.ctx, &thing, making).await? {
            Step::Later(after, making) => {
                let state = Restoring { phase: Phase::Bridge { volume, making }, ..self.state.clone() };
                later(after, &state)
            }
            Step::There(found) => {
                let mut run = self;
                run.state.bridge = Some(found.id.clone());
                run.then(Phase::Send { volume, how: How::Backup(found.id) }, Duration::ZERO)
            }
        }
    }

    async fn finish(self, id: String) -> Result<Outcome<Preview>, Error> {
        let (calls, facts) = (self.calls, &self.kept.facts);
        let volume = self.volume(&id).await?;
        if volume.metadata != facts.metadata {
            calls.act(calls.cinder.set_metadata(&id, &facts.metadata)).await?.map_err(call::error)?;
        }
        if volume.bootable != facts.bootable {
            calls.act(calls.cinder.set_bootable(&id, facts.bootable)).await?.map_err(call::error)?;
        }
        // Last: until then it is found by its name.
        if self.state.made.is_some() && (&volume.name, &volume.description) != (&facts.name, &facts.description) {
            let renamed = calls.cinder.rename_volume(&id, &facts.name, &facts.description);
            calls.act(renamed).await?.map_err(call::error)?;
        }
        match &self.state.place {
            Some(_) => self.then(Phase::Attach { volume: id, tries: 0 }, Duration::ZERO),
            None => self.over(id).await,
        }
    }

    /// What was restored is where it belongs.
    async fn over(self, id: String) -> Result<Outcome<Preview>, Error> {
        match (&self.state.failed, &self.state.bridge) {
            (Some(why), _) => Err(Error::permanent(why.clone())),
            (None, Some(_)) => self.then(Phase::Unbridge { volume: id }, Duration::ZERO),
            (None, None) => self.done(id),
        }
    }

    async fn unbridge(self, volume: String) -> Result<Outcome<Preview>, Error> {
        let Some(bridge) = self.state.bridge.clone() else { return self.done(volume) };
        match self.calls.find(self.calls.cinder.backup(&bridge)).await?.map(|backup| backup.status).as_deref() {
            None => self.done(volume),
            Some("error_deleting") => {
                tracing::warn!(backup = bridge, "the backup by which a snapshot was restored could not be deleted");
                self.done(volume)
            }
            Some("available" | "error") => {
                let deleted = self.calls.act(self.calls.cinder.delete_backup(&bridge)).await?;
                deleted.map_err(call::error)?;
                self.again("the backup by which the snapshot was restored is still there")
            }
            Some(_) => self.again("the backup by which the snapshot was restored is still there"),
        }
    }

    fn done(self, volume: String) -> Result<Outcome<Preview>, Error> {
        self.calls.ctx.progress.add_bytes(self.kept.bytes());
        let made = self.state.made.is_some();
        let (what, count) = if made { ("create", (1, 0)) } else { ("overwrite", (0, 1)) };
        Ok(Outcome::Done(Preview {
            creates: count.0,
            overwrites: count.1,
            bytes: self.kept.bytes(),
            sample: vec![format!("{what} volume {volume}")],
            physical_id: Some(volume),
            notes: self.state.notes,
            ..Preview::default()
        }))
    }
}
