//! `OS::Heat::Stack`: a stack of another orchestration service (another region's Heat, or another stacksnap), as one
//! resource of this one. Its snapshots are that service's own: it is told to make, to restore and to delete them, and each
//! wait for it is a timer.
//!
//! - `there.rs`: the stack over there, and a snapshot of it as something that is made once.
//! - `copy.rs`: the snapshot. `restore.rs`: the stack is made what it was. `discard.rs`: the snapshot goes.
//!   `orphans.rs`: snapshots that no record knows.
//!
//! **Where**: the catalogue's orchestration, in the region that the property `context` names, and in the name of whoever
//! asked; credentials kept in a secret store (`context.credential_secret_id`) are not supported.
//!
//! **Adoption**: a snapshot is named `stacksnap-` and the step's id, and is looked for by that name before it is made. A
//! restore has no name: what the stack looked like before it is written down first, and a newer restore of that stack is
//! taken for ours.
//!
//! **Exclusion** is that service's own state: a stack on which something is in progress takes no snapshot and no restore.
//!
//! **Consistency** is whatever that service gives; one that says nothing of it promises none.

mod copy;
mod discard;
pub mod orphans;
mod restore;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod there;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::drivers::openstack::Patience;
use crate::drivers::openstack::call::find;
use there::There;

const TYPE: &str = "OS::Heat::Stack";

/// How patiently that service is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self { patience: Patience::new("openstack.longest_wait") }
    }
}

#[derive(Debug, Default)]
pub struct Stack {
    settings: Settings,
}

impl Stack {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// What an artifact says of the snapshot over there; its `data`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    stack: String,
    stack_name: String,
    snapshot: String,
}

impl Kept {
    fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was noted of the stack can't be read: {error}")))
    }
}

#[async_trait]
impl Driver for Stack {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::Crash, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let there = There::open(ctx).await?;
        let stack = there.stack().await?;
        let mut warnings = Vec::new();
        if stack.stack_status.ends_with("_FAILED") {
            warnings.push(format!("stack {} ({}) is {} there", stack.stack_name, stack.id, stack.stack_status));
        }
        Ok(Checked { warnings })
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        ctx.go_on()?;
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _: Cut) -> Result<Outcome<Artifact>, Error> {
        copy::copy(&self.settings, &There::open(ctx).await?).await
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        Ok(Outcome::Done(restore::preview(&There::open(ctx).await?, &Kept::of(artifact)?).await?))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        restore::restore(&self.settings, &There::open(ctx).await?, &Kept::of(artifact)?).await
    }

    async fn discard(&self, ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        let kept = artifact.and_then(|artifact| Kept::of(artifact).ok());
        discard::discard(&self.settings, &There::open(ctx).await?, made_by, kept.as_ref()).await
    }

    /// Asks whether the snapshot is there and well; what is in it can be read only by a restore.
    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        let (there, kept) = (There::open(ctx).await?, Kept::of(artifact)?);
        let found = find(ctx, there.heat.snapshot(&kept.stack_name, &kept.stack, &kept.snapshot)).await?;
        let problem = match found {
            None => Some(format!("snapshot {} is not there any more", kept.snapshot)),
            Some(found) if found.status != "COMPLETE" => Some(format!("snapshot {} is {}", found.id, found.status)),
            Some(_) => None,
        };
        Ok(Outcome::Done(Verdict { ok: problem.is_none(), bytes: 0, problems: problem.into_iter().collect() }))
    }
}

impl Kept {
    fn artifact(&self, ctx: &Ctx, consistency: Option<&str>, warnings: Vec<String>) -> Artifact {
        let consistency = consistency.and_then(|word| serde_json::from_value(json!(word)).ok());
        Artifact { consistency: consistency.unwrap_or(Consistency::None), warnings, data: json!(self), ..ctx.made() }
    }
}
