//! `OS::Cinder::Volume`: a volume of the cloud's, copied by Cinder itself. No byte of it comes through a worker, and no
//! worker is held while Cinder works: each wait is a timer, with what is known so far in its checkpoint.
//!
//! ```text
//! snapshot  cut (a Cinder snapshot) → copy (nothing more to do)
//! backup                              copy (a Cinder backup: full, or incremental on the newest one)
//! both      cut (a Cinder snapshot) → copy (a backup of that snapshot; then the snapshot goes)
//! restore   in place: the backup into the volume (or the volume back to its newest snapshot), then what is written
//!           about it; into a volume made for it where the old one is gone; one that a server uses is detached
//!           meanwhile
//! ```
//!
//! - `settings.rs`: what is made, and how patiently. `kept.rs`: what an artifact says of a volume.
//! - `things.rs`: the three things that can be made, once, whatever happens meanwhile (`../openstack/make.rs`).
//! - `cut.rs`, `group/`: a volume cut, alone or with the others of its group; `copy.rs`: its copy; `chain.rs`: what an
//!   incremental backup is built on.
//! - `restore/`: back into a volume. `preview.rs`, `verify.rs`: what a restore would do, whether it can.
//! - `discard.rs`: everything away again, what others are built on when they are gone. `orphans.rs`: what no record knows.
//!
//! **Adoption**: a backup, a snapshot or a volume of ours is named `stacksnap-` and the step's id, and is looked for by
//! that name before it is made; of two, the younger goes. A restore has no name: that it is about to be sent is written
//! down before, and a volume that is then found being restored from our backup is that restore.
//!
//! **Exclusion** is Cinder's own state: a volume that is backed up or restored takes no second backup or restore.
//!
//! **Consistency**: what a power cut would have left. A used volume is backed up from a point in time that Cinder makes.
//!
//! **Verify** asks Cinder whether the artifact is there and well; the bytes can be read only by a restore.

mod chain;
mod copy;
mod cut;
mod discard;
mod group;
mod kept;
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
use crate::drivers::openstack::call::Calls;

const TYPE: &str = "OS::Cinder::Volume";
/// Bytes of a GiB: Cinder counts in these.
const GIB: u64 = 1 << 30;

#[derive(Debug, Default)]
pub struct Volume {
    settings: Settings,
}

impl Volume {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Driver for Volume {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::Crash, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let calls = Calls::open(ctx).await?;
        let volume = things::target(&calls).await?;
        let mut warnings = Vec::new();
        if volume.status.starts_with("error") {
            warnings.push(format!("Cinder shows volume {} as {}", volume.id, volume.status));
        }
        Ok(Checked { warnings })
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        cut::cut(&self.settings, &Calls::open(ctx).await?).await
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
