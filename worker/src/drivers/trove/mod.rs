//! `OS::Trove::Instance`: an instance of Trove's with all its databases and users, copied by Trove itself. No byte of it comes
//! through a worker, and no worker is held while Trove works: each wait is a timer, with what is known so far in its checkpoint.
//!
//! ```text
//! copy     a backup of Trove's, full, or incremental on our own last one
//! restore  an instance is made from the backup, as the old one was; the stack's resource is that one then
//! ```
//!
//! - `settings.rs`: what is made, and how patiently. `kept.rs`: what an artifact says of an instance. `marks.rs`: whose things are.
//! - `calls.rs`: Trove asked, and its refusals. `things.rs`: what can be made, once, whatever happens meanwhile
//!   (`../openstack/make.rs`).
//! - `copy.rs`: the backup; `chain.rs`: what it is built on. `restore.rs`: the instance; `preview.rs`, `verify.rs`: what a
//!   restore would do, whether it can.
//! - `discard.rs`: a backup away again, and what it was built on. `orphans.rs`: what no record knows.
//!
//! **A restore never touches the instance that is there.** Trove brings a backup back only as another instance
//! (`restorePoint`): no release has a way into one that is there. So the old one stays, with its address and its data, and is
//! its owner's to delete ([why](../../../../docs/decisions/011-a-database-is-restored-beside-the-old-one.md)). A stack of
//! Heat's can't be told of another instance: there a restore is refused before anything is touched.
//!
//! **Trove deletes what is built on a backup with it**, a user's own too, and keeps no note of ours on one: which are still
//! wanted the records say ([why](../../../../docs/decisions/012-which-backups-are-wanted-the-records-say.md)).
//!
//! **Adoption**: a backup of ours is named `stacksnap-` and the step's id, a half-made instance that and whose it is; each is
//! looked for by that name before it is made; of two, the younger goes. An instance gets its own name last, when its id is in
//! the checkpoint. What a restore that was stopped left half-made the next restore of the resource takes away.
//!
//! **Exclusion** is Trove's own state: of an instance that is backed up it makes no second backup.
//!
//! **Consistency**: each datastore's own tool copies the databases as of one moment. Which one it is Trove doesn't tell: it is
//! after the backup began.
//!
//! **Verify** asks Trove whether the backup is there and well, with all that it is built on.

mod calls;
mod chain;
mod copy;
mod discard;
mod kept;
mod marks;
pub mod orphans;
mod preview;
mod restore;
mod settings;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod things;
mod verify;

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

pub use settings::Settings;

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use calls::Calls;

const TYPE: &str = "OS::Trove::Instance";
/// Bytes of what Trove calls a GB.
const GIB: f64 = (1_u64 << 30) as f64;

/// Bytes, of a size in GB.
fn bytes(size: f64) -> u64 {
    (size.max(0.0) * GIB) as u64
}

#[derive(Debug, Default)]
pub struct Instance {
    settings: Settings,
}

impl Instance {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Driver for Instance {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::Application, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let instance = Calls::open(ctx).await?.target().await?;
        let mut warnings = Vec::new();
        if ["ERROR", "FAILED", "SHUTDOWN", "BLOCKED"].contains(&instance.status.as_str()) {
            warnings.push(format!("Trove shows instance {} as {}", instance.id, instance.status));
        }
        if !ctx.may_move {
            warnings.push(kept::NOT_IN_HEAT.to_owned());
        }
        Ok(Checked { warnings })
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        ctx.go_on()?;
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _: Cut) -> Result<Outcome<Artifact>, Error> {
        copy::copy(&self.settings, &Calls::open(ctx).await?).await
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        Ok(Outcome::Done(preview::preview(&Calls::open(ctx).await?, artifact).await?))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        restore::restore(&self.settings, &Calls::open(ctx).await?, artifact).await
    }

    async fn discard(&self, ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        discard::discard(&self.settings, &Calls::open(ctx).await?, made_by, artifact).await
    }

    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        Ok(Outcome::Done(verify::verify(&Calls::open(ctx).await?, artifact).await?))
    }
}
