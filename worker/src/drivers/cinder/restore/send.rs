//! The restore itself: sent once, and watched.

use std::time::Duration;

use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;

use super::{How, Phase, Run};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call;

impl Run<'_> {
    /// A volume that is being restored from our own backup, or taken back to our own snapshot, is what an earlier run of
    /// this step sent. One that is free is sent: if an earlier run's restore has ended already, it is made again.
    pub(super) async fn send(self, id: String, how: How) -> Result<Outcome<Preview>, Error> {
        let calls = self.calls;
        let volume = self.volume(&id).await?;
        let of = match &how {
            How::Backup(id) => calls.find(calls.cinder.backup(id)).await?.map(|backup| backup.status),
            How::Revert(id) => calls.find(calls.cinder.snapshot(id)).await?.map(|snapshot| snapshot.status),
        };
        let Some(of) = of else {
            return Err(Error::permanent(format!("{} was removed while it was restored", self.kept.source())));
        };
        match (volume.status.as_str(), of.as_str()) {
            ("restoring-backup" | "reverting", "restoring") => {
                return self.then(Phase::Watch { volume: id, how }, Duration::ZERO);
            }
            ("available", "available") => {}
            (status, _) => {
                let status = status.to_owned();
                return self.again(&format!("volume {id} is {status}, and {} is {of}", self.kept.source()));
            }
        }
        let sent = match &how {
            How::Backup(backup) => calls.act(calls.cinder.restore_backup(backup, &id)).await?,
            How::Revert(snapshot) => calls.act(calls.cinder.revert(&id, snapshot)).await?,
        };
        let pause = self.settings.patience.pace.0;
        match (sent, &how) {
            (Ok(()), _) => self.then(Phase::Watch { volume: id, how }, pause),
            (Err(error), _) if call::is_unknown(&error) => {
                self.again(&format!("it can't be told whether Cinder restores volume {id}: {error}"))
            }
            // Its backend can't, or there is a newer snapshot by now.
            (Err(error), How::Revert(_)) if refused(&error) => {
                tracing::info!(%error, "the volume is not taken back to its snapshot; a backup of that is restored");
                let mut run = self;
                run.state.no_revert = true;
                run.source(id).await
            }
            // Another self was faster: the state says so now.
            (Err(error), How::Backup(_)) if error.status() == Some(StatusCode::BAD_REQUEST) => {
                let now = self.volume(&id).await?.status;
                match now == "restoring-backup" {
                    true => self.again("another restore of the volume runs"),
                    false => Err(call::error(error)),
                }
            }
            (Err(error), _) => Err(call::error(error)),
        }
    }

    pub(super) async fn watch(self, id: String, how: How) -> Result<Outcome<Preview>, Error> {
        let volume = self.volume(&id).await?;
        match volume.status.as_str() {
            "available" => self.then(Phase::Finish { volume: id }, Duration::ZERO),
            "restoring-backup" | "reverting" => {
                let status = volume.status.clone();
                self.again(&format!("volume {id} is still {status}"))
            }
            status => {
                let why = match &how {
                    How::Backup(id) => {
                        let backup = self.calls.find(self.calls.cinder.backup(id)).await?;
                        backup.map(|backup| backup.fail_reason).filter(|why| !why.is_empty())
                    }
                    How::Revert(_) => None,
                };
                let why = why.unwrap_or_else(|| "Cinder gives no reason".to_owned());
                Err(Error::permanent(format!(
                    "Cinder could not restore volume {id} from {}: it is {status} now: {why}. Its content is not to be \
                     trusted; an administrator can set its state (openstack volume set --state available {id}), then \
                     restore again",
                    self.kept.source()
                )))
            }
        }
    }
}

fn refused(error: &stacksnap_openstack::Error) -> bool {
    matches!(
        error.status(),
        Some(StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED)
    )
}
