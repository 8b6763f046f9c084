//! What is restored, into what, and whether it can be: looked at before anything is touched.

use std::time::Duration;

use stacksnap_common::types::Preview;
use stacksnap_openstack::cinder::Volume;

use super::super::call::Calls;
use super::super::kept::Kept;
use super::super::make::{Free, Making};
use super::super::things::free;
use super::{How, Phase, Run};
use crate::driver::{Error, Outcome};

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

/// Whether a volume that is there can be restored into.
pub(in super::super) fn target(volume: &Volume, kept: &Kept) -> Free {
    let id = &volume.id;
    if let Some(attachment) = volume.attachments.first() {
        let device = attachment.device.as_deref().map(|device| format!(" as {device}")).unwrap_or_default();
        let server = &attachment.server_id;
        return Free::Never(format!(
            "volume {id} is used by server {server}{device}: Cinder writes only into volumes that nobody uses. Detach it \
             (openstack server remove volume {server} {id}), restore, and attach it again"
        ));
    }
    let (now, then) = (volume.size, kept.facts.size);
    if now < then {
        return Free::Never(format!("volume {id} has {now} GiB now and had {then} GiB"));
    }
    match free(&format!("volume {id}"), &volume.status, &["available"]) {
        Free::Never(why) => {
            Free::Never(format!("{why}. An administrator can set its state (openstack volume set --state)"))
        }
        free => free,
    }
}

impl Run<'_> {
    pub(super) async fn begin(self) -> Result<Outcome<Preview>, Error> {
        match source(self.calls, &self.kept).await? {
            Free::Yes => {}
            Free::NotYet(why) => return self.again(&why),
            Free::Never(why) => return Err(Error::permanent(why)),
        }
        let id = self.calls.volume_id()?.to_owned();
        let Some(volume) = self.calls.find(self.calls.cinder.volume(&id)).await? else {
            return self.then(Phase::Make(Making::default()), Duration::ZERO);
        };
        match target(&volume, &self.kept) {
            Free::Yes => self.source(id).await,
            Free::NotYet(why) => self.again(&why),
            Free::Never(why) => Err(Error::permanent(why)),
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
