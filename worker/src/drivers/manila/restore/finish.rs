//! What Manila does not bring back itself: who may reach the share, and what is written on it.

use std::time::Duration;

use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::manila::access::HIDDEN;

use super::super::kept::Rule;
use super::{Phase, Run};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call;

/// How often a rule that Manila could not set is set again.
const TRIES: u32 = 3;

impl Run<'_> {
    /// As they were: what is too many is taken away, what is missing is made. A rule that a lock hides stays.
    pub(super) async fn rules(self, id: String, mut failed: u32) -> Result<Outcome<Preview>, Error> {
        let (calls, wanted) = (self.calls, &self.kept.facts.rules);
        let is = calls.ask(calls.manila.rules(&id)).await?;
        let mut waits = None;
        for rule in is.iter().filter(|rule| rule.access_to != HIDDEN) {
            let words = format!("{} {} ({})", rule.access_type, rule.access_to, rule.state);
            let stays = Rule::of(rule).is_some_and(|rule| wanted.contains(&rule));
            if matches!(rule.state.as_str(), "queued_to_deny" | "denying" | "deleted") {
                waits = Some(words);
            } else if !stays {
                let ended_badly = rule.state == "error" && wanted.iter().any(|it| it.to == rule.access_to);
                failed += u32::from(ended_badly);
                if failed >= TRIES {
                    let told = calls.find(calls.manila.messages(&id)).await?.unwrap_or_default();
                    let why = told.first().map(|why| format!(": {why}")).unwrap_or_default();
                    return Err(self.named(Error::permanent(format!(
                        "the content of share {id} is restored, and Manila could not set its access rule {} {}{why}. Set it by \
                         hand (openstack share access create)",
                        rule.access_type, rule.access_to
                    ))));
                }
                let denied = calls.act(calls.manila.deny(&id, &rule.id)).await?;
                denied.or_else(|error| if error.is_gone() { Ok(()) } else { Err(call::error(error)) })?;
                waits = Some(words);
            } else if rule.state != "active" {
                waits = Some(words);
            }
        }
        let missing =
            wanted.iter().filter(|it| !is.iter().any(|is| is.access_type == it.kind && is.access_to == it.to));
        for rule in missing {
            match calls.act(calls.manila.allow(&id, &rule.kind, &rule.to, &rule.level)).await? {
                Ok(()) => {}
                // Another self was faster.
                Err(error)
                    if error.status() == Some(StatusCode::BAD_REQUEST) && error.to_string().contains("exists") => {}
                Err(error) if call::is_unknown(&error) => {}
                Err(error) => return Err(self.named(call::error(error))),
            }
            waits = Some(rule.words());
        }
        let Some(what) = waits else { return self.then(Phase::Finish { share: id }, Duration::ZERO) };
        let mut run = self;
        run.state.phase = Phase::Rules { share: id, failed };
        run.again(&format!("an access rule is on its way: {what}"))
    }

    pub(super) async fn finish(self, id: String) -> Result<Outcome<Preview>, Error> {
        let (calls, facts) = (self.calls, &self.kept.facts);
        let share = self.share(&id).await?;
        if share.metadata != facts.metadata {
            calls.act(calls.manila.set_share_metadata(&id, &facts.metadata)).await?.map_err(call::error)?;
        }
        // Last: until then it is found by its name.
        if self.state.made.is_some() && (&share.name, &share.description) != (&facts.name, &facts.description) {
            let renamed = calls.manila.rename_share(&id, &facts.name, &facts.description);
            calls.act(renamed).await?.map_err(call::error)?;
        }
        Ok(self.done(id))
    }
}
