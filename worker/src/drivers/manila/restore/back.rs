//! In place: the share is taken back to its newest snapshot.

use std::time::Duration;

use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;

use super::{Phase, Run};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call;

impl Run<'_> {
    /// A share that is `reverting` while our snapshot is `restoring` is what an earlier run of this step sent. One that is
    /// free is sent: if an earlier run's revert has ended already, it is made again.
    pub(super) async fn send(self, id: String, snapshot: String) -> Result<Outcome<Preview>, Error> {
        let calls = self.calls;
        let share = self.share(&id).await?;
        let Some(of) = calls.find(calls.manila.snapshot(&snapshot)).await? else {
            return Err(Error::permanent(format!("snapshot {snapshot} was removed while share {id} was restored")));
        };
        match (share.status.as_str(), of.status.as_str()) {
            ("reverting", "restoring") => return self.then(Phase::Watch { share: id }, Duration::ZERO),
            ("available", "available") => {}
            ("reverting_error", _) => return self.watch(id).await,
            (status, of) => {
                let why = format!("share {id} is {status}, and snapshot {snapshot} is {of}");
                return self.again(&why);
            }
        }
        match calls.act(calls.manila.revert(&id, &snapshot)).await? {
            Ok(()) => self.then(Phase::Watch { share: id }, self.settings.patience.pace.0),
            Err(error) if call::is_unknown(&error) => {
                self.again(&format!("it can't be told whether Manila takes share {id} back: {error}"))
            }
            // Another self was faster, a rule changes, or there is a newer snapshot by now: looked at from the beginning.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                let mut run = self;
                run.state.phase = Phase::Begin;
                run.again(&error.to_string())
            }
            // It was shrunk since, and there is no room for what it was.
            Err(error)
                if error.status() == Some(StatusCode::FORBIDDEN) && error.to_string().contains("Quota exceeded") =>
            {
                Err(Error::permanent(format!(
                    "{error}; the project's quota is full: remove something, or have it raised"
                )))
            }
            Err(error) => Err(call::error(error)),
        }
    }

    pub(super) async fn watch(self, id: String) -> Result<Outcome<Preview>, Error> {
        let status = self.share(&id).await?.status;
        match status.as_str() {
            "available" => match self.state.grown {
                Some(to) => self.then(Phase::Extend { share: id, to }, Duration::ZERO),
                None => self.then(Phase::Rules { share: id, failed: 0 }, Duration::ZERO),
            },
            "reverting" => self.again(&format!("share {id} is still reverting")),
            status => {
                let told = self.calls.find(self.calls.manila.messages(&id)).await?.unwrap_or_default();
                let why = told.into_iter().next().unwrap_or_else(|| "Manila gives no reason".to_owned());
                Err(Error::permanent(format!(
                    "Manila could not take share {id} back to {}: it is {status} now: {why}. Its content is not to be trusted; an \
                     administrator can set its state (openstack share set --status available {id}), then restore again",
                    self.kept.source()
                )))
            }
        }
    }

    /// What is in it is as it was; that it can't be as large again is said and fails nothing.
    pub(super) async fn extend(mut self, id: String, to: u64) -> Result<Outcome<Preview>, Error> {
        let share = self.share(&id).await?;
        let small = match share.status.as_str() {
            _ if share.size >= to => None,
            "extending" => return self.again(&format!("share {id} is still extending")),
            "available" => match self.calls.act(self.calls.manila.extend(&id, to)).await? {
                Ok(()) => return self.again(&format!("share {id} is extended to {to} GiB")),
                Err(error) if call::is_unknown(&error) || error.is_transient() => {
                    return self.again(&error.to_string());
                }
                Err(error) => Some(error.to_string()),
            },
            status => Some(format!("it is {status}")),
        };
        if let Some(why) = small {
            let is = share.size;
            self.state.notes.push(format!("share {id} had grown to {to} GiB, and is of {is} GiB now: {why}"));
        }
        self.then(Phase::Rules { share: id, failed: 0 }, Duration::ZERO)
    }
}
