//! `OS::Manila::Share`: a share of the cloud's, snapshotted by Manila itself. No byte of it comes through a worker, and no
//! worker is held while Manila works: each wait is a timer, with what is known so far in its checkpoint.
//!
//! ```text
//! cut      a Manila snapshot, on the share's own backend
//! copy     nothing more to do; of a safety snapshot see below
//! restore  in place: the share back to its snapshot, where its backend can and the snapshot is its newest
//!          else a new share made from the snapshot, which the stack has then; the old one stays as it is
//!          then size, access rules, metadata; of a new one name and description too
//! ```
//!
//! - `settings.rs`: how patiently. `kept.rs`: what an artifact says of a share. `marks.rs`: what of Manila's is ours.
//! - `state.rs`: what a share can take now. `things.rs`: the two things that can be made, once.
//! - `copy.rs`: cut and copy. `way.rs`: in which of the two ways a share comes back, and what stands against it; `preview.rs`
//!   tells that. `restore/`: does it. `verify.rs`: whether what is kept is still there.
//! - `discard.rs`: everything away again. `orphans.rs`: what no record knows.
//!
//! **A snapshot stays on the share's backend**, and is lost with it. Manila deletes no share that has one, so what is gone is
//! gone with its snapshots. Where a type has no snapshots, its artifact says that nothing is protected.
//!
//! **A safety snapshot** would be newer than the snapshot that is restored, and Manila takes a share back only to its newest.
//! So where a share could be taken back, what it is before is kept as a share of its own: made from a snapshot, which goes
//! at once.
//!
//! **A newer snapshot of the user's own** is the user's to remove: the restore is refused and names it. Newer ones of ours are
//! other snapshots of the same stack, which a restore must not cost: the share comes back as a new one.
//!
//! **Adoption**: what is ours is named `stacksnap-` and the step's id, and is looked for by that name before it is made; of
//! two, the younger goes. A revert has no name: that it is about to be sent is written down before, and a share that is then
//! found `reverting` while our snapshot is `restoring` is that revert. A share that a restore left half-way is removed by the
//! next restore of the same resource.
//!
//! **Exclusion** is Manila's own state: a share that is taken back takes no second order.
//!
//! **Consistency**: what a power cut would have left.
//!
//! **Verify** asks Manila whether the snapshot is there and well; the bytes can be read only by a client of the share.

mod copy;
mod discard;
mod kept;
mod marks;
pub mod orphans;
mod preview;
mod restore;
mod settings;
mod state;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod things;
mod verify;
mod way;

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

pub use settings::Settings;

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::drivers::openstack::call::Calls;

const TYPE: &str = "OS::Manila::Share";
/// Bytes of a GiB: Manila counts in these.
const GIB: u64 = 1 << 30;

#[derive(Debug, Default)]
pub struct Share {
    settings: Settings,
}

impl Share {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Driver for Share {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::Crash, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let share = state::target(&Calls::open(ctx).await?).await?;
        let mut warnings = Vec::new();
        if share.status.contains("error") {
            warnings.push(format!("Manila shows share {} as {}", share.id, share.status));
        }
        if !share.snapshot_support {
            warnings.push(state::no_snapshots(&share));
        }
        Ok(Checked { warnings })
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        copy::cut(&self.settings, &Calls::open(ctx).await?).await
    }

    async fn copy(&self, ctx: &Ctx, cut: Cut) -> Result<Outcome<Artifact>, Error> {
        copy::copy(&self.settings, &Calls::open(ctx).await?, cut).await
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
