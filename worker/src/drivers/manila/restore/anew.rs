//! As a new share, made from the snapshot.

use std::time::Duration;

use stacksnap_common::types::Preview;

use super::super::things::{AShare, ASnapshot};
use super::{Phase, Restoring, Run};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call;
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::later;

impl Run<'_> {
    /// The copy that a safety snapshot is: a share is made only from a snapshot.
    pub(super) async fn bridge(mut self, making: Making) -> Result<Outcome<Preview>, Error> {
        let Some(copy) = self.kept.copy.clone() else {
            return Err(Error::Unreadable("the artifact names no copy".to_owned()));
        };
        let thing = ASnapshot { ctx: self.calls.ctx, manila: &self.calls.manila, share: &copy };
        match make(&self.settings.patience, self.calls.ctx, &thing, making).await? {
            Step::Later(after, making) => {
                later(after, &Restoring { phase: Phase::Bridge(making), ..self.state.clone() })
            }
            Step::There(found) => {
                self.state.bridge = Some(found.id);
                self.then(Phase::Make(Making::default()), Duration::ZERO)
            }
        }
    }

    pub(super) async fn make(mut self, making: Making) -> Result<Outcome<Preview>, Error> {
        let Some(snapshot) = self.state.bridge.clone().or(self.kept.snapshot.clone()) else {
            return Err(Error::Unreadable("the artifact names neither a snapshot nor a copy".to_owned()));
        };
        let thing = AShare {
            ctx: self.calls.ctx,
            manila: &self.calls.manila,
            snapshot: &snapshot,
            protocol: &self.kept.facts.protocol,
            size: self.kept.facts.size,
            half: true,
        };
        match make(&self.settings.patience, self.calls.ctx, &thing, making).await? {
            Step::Later(after, making) => later(after, &Restoring { phase: Phase::Make(making), ..self.state.clone() }),
            Step::There(found) => {
                self.state.made = Some(found.id.clone());
                match self.state.bridge {
                    Some(_) => self.then(Phase::Unbridge { share: found.id }, Duration::ZERO),
                    None => self.then(Phase::Rules { share: found.id, failed: 0 }, Duration::ZERO),
                }
            }
        }
    }

    /// One that does not go makes the share worth no less: it goes with the copy, and is named.
    pub(super) async fn unbridge(mut self, share: String) -> Result<Outcome<Preview>, Error> {
        let calls = self.calls;
        let bridge = self.state.bridge.clone().unwrap_or_default();
        match calls.find(calls.manila.snapshot(&bridge)).await?.map(|snapshot| snapshot.status).as_deref() {
            None => {}
            Some("available" | "error") => {
                calls.act(calls.manila.delete_snapshot(&bridge)).await?.map_err(call::error)?;
                return self.again(&format!("snapshot {bridge} is still there"));
            }
            Some(status) if status.starts_with("error") => {
                self.state
                    .notes
                    .push(format!("snapshot {bridge}, by which it was made, could not be deleted ({status})"));
            }
            Some(_) => return self.again(&format!("snapshot {bridge} is still there")),
        }
        self.then(Phase::Rules { share, failed: 0 }, Duration::ZERO)
    }
}
