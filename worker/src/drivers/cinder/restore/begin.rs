//! What is restored, into what, and whether it can be: looked at before anything is touched.

use std::time::Duration;

use stacksnap_common::types::Preview;
use stacksnap_openstack::cinder::Volume;

use super::super::kept::Kept;
use super::super::things::free;
use super::attached::{self, Place};
use super::{How, Phase, Run};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::{Free, Making};

/// Whether the artifact can be restored from.
pub(in super::super) async fn source(calls: &Calls<'_>, kept: &Kept) -> Result<Free, Error> {
    let name = kept.source();
    let status = match (&kept.backup, &kept.snapshot) {
        (Some(id), _) => calls.find(calls.cinder.backup(id)).await?.map(|backup| backup.status),
        (None, Some(id)) => calls.find(calls.cinder.snapshot(id)).await?.map(|snapshot| snapshot.status),
        (None, None) => None,
    };
    Ok(match status.as_deref() {
        None => Free::Never(format!("{name} is not there any more: somebody else removed it")),
        Some(status) => free(&name, status, &["available"]),
    })
}

/// What a volume that is there can be restored into, and how.
#[derive(Debug)]
pub(in super::super) enum Target {
    Free,
    /// A server uses it, and lets go of it for the while.
    Used(Place),
    NotYet(String),
    Never(String),
}

pub(in super::super) async fn target(calls: &Calls<'_>, volume: &Volume, kept: &Kept) -> Result<Target, Error> {
    let (id, now, then) = (&volume.id, volume.size, kept.facts.size);
    if now < then {
        return Ok(Target::Never(format!("volume {id} has {now} GiB now and had {then} GiB")));
    }
    if !volume.attachments.is_empty() {
        return attached::target(calls, volume).await;
    }
    Ok(match free(&format!("volume {id}"), &volume.status, &["available"]) {
        Free::Yes => Target::Free,
        Free::NotYet(why) => Target::NotYet(why),
        Free::Never(why) => {
            Target::Never(format!("{why}. An administrator can set its state (openstack volume set --state)"))
        }
    })
}

/// Of a volume that is gone, where another one would be no member of the stack.
pub(in super::super) fn heat_has_it(id: &str) -> String {
    format!(
        "volume {id} is gone, and the stack is Heat's, which can't be told of another one: have Heat make it anew \
         (openstack stack resource mark unhealthy, then openstack stack update --existing), then restore"
    )
}

impl Run<'_> {
    pub(super) async fn begin(self) -> Result<Outcome<Preview>, Error> {
        match source(self.calls, &self.kept).await? {
            Free::Yes => {}
            Free::NotYet(why) => return self.again(&why),
            Free::Never(why) => return Err(Error::permanent(why)),
        }
        let id = self.calls.physical_id("volume")?.to_owned();
        let Some(volume) = self.calls.find(self.calls.cinder.volume(&id)).await? else {
            if !self.calls.ctx.may_move {
                return Err(Error::permanent(heat_has_it(&id)));
            }
            return self.then(Phase::Make(Making::default()), Duration::ZERO);
        };
        match target(self.calls, &volume, &self.kept).await? {
            Target::Free => {
                let mut run = self;
                run.state.notes.extend(attached::to_set_back(&volume));
                run.source(id).await
            }
            Target::Used(place) => {
                let mut run = self;
                run.state.place = Some(place);
                run.then(Phase::Detach { volume: id, tries: 0 }, Duration::ZERO)
            }
            Target::NotYet(why) => self.again(&why),
            Target::Never(why) => Err(Error::permanent(why)),
        }
    }

    /// By which way what was kept comes into the volume.
    pub(super) async fn source(self, volume: String) -> Result<Outcome<Preview>, Error> {
        if let Some(backup) = self.kept.backup.clone() {
            return self.then(Phase::Send { volume, how: How::Backup(backup) }, Duration::ZERO);
        }
        let Some(snapshot) = self.kept.snapshot.clone() else {
            return Err(Error::Unreadable("the artifact names neither a backup nor a snapshot".to_owned()));
        };
        if !self.state.no_revert && self.can_revert(&volume, &snapshot).await? {
            return self.then(Phase::Send { volume, how: How::Revert(snapshot) }, Duration::ZERO);
        }
        self.then(Phase::Bridge { volume, making: Making::default() }, Duration::ZERO)
    }

    /// Cinder takes a volume back only to its newest snapshot, and only if it has not grown since.
    async fn can_revert(&self, volume: &str, snapshot: &str) -> Result<bool, Error> {
        let all = self.calls.ask(self.calls.cinder.snapshots_of(volume)).await?;
        let newest = all.iter().map(|snapshot| &snapshot.created_at).max();
        let mut newest = all.iter().filter(|it| Some(&it.created_at) == newest);
        // Of two of the same second nobody can tell.
        let only = newest.next().filter(|it| it.id == snapshot && newest.next().is_none());
        Ok(only.is_some() && self.volume(volume).await?.size == self.kept.facts.size)
    }
}
