//! `OS::Nova::Server`: a server of the cloud's. Nova makes an image of its root disk, and makes the disk anew from it. No
//! byte of it comes through a worker, and no worker is held while Nova works: each wait is a timer, with what is known so
//! far in its checkpoint.
//!
//! ```text
//! quiesce  where it is asked for, a server that runs is stopped; thaw starts it again
//! cut      an image is begun; its moment is past when the disk is read (the bytes may still be on their way)
//! copy     the image is whole in Glance, and Nova is done with the server
//! restore  the server is rebuilt from the image: same id, addresses, name, metadata, key and user data, same volumes
//! ```
//!
//! - `settings.rs`: how patiently. `kept.rs`: what an artifact says of a server. `state.rs`: what a server can take now.
//! - `image.rs`: the image, made once. `copy.rs`: cut and copy. `restore.rs`: the rebuild; `preview.rs`, `verify.rs`: what a
//!   restore would do, whether it can. `discard.rs`: the image away again.
//!   `orphans.rs`: images that no record knows. `power.rs`: off before, on again.
//!
//! **A server that boots from a volume** has no disk of its own: there is nothing to make an image of, and its artifact
//! says so. Its volumes are resources by themselves.
//!
//! **Adoption**: an image of ours is named `stacksnap-` and the step's id, and is looked for by that name before one is
//! made. A rebuild has no name: that it is about to be sent is written down before, and a server that is then found being
//! rebuilt from our image is that rebuild. One that has come to its end unseen is sent again.
//!
//! A server that is stopped is marked so in its metadata, by which the thaw knows it.
//!
//! **Exclusion** is Nova's own `task_state`: of a server that is worked on it takes no second order.
//!
//! **Consistency**: what a power cut would have left of the root disk; also of one that was stopped, since Nova does not tell
//! a guest that shut down from one that was cut off. Of an image that came to nothing on its way to
//! Glance and was made again after the cut, the moment is not that of the cut: that is no point in time at all.
//!
//! **Verify** compares size and hash as Glance has them with those that were noted; the bytes are Glance's to check.

mod copy;
mod discard;
mod image;
mod kept;
pub mod orphans;
mod power;
mod preview;
mod restore;
mod settings;
mod state;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod verify;

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

pub use settings::Settings;

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::drivers::openstack::call::Calls;

const TYPE: &str = "OS::Nova::Server";

#[derive(Debug, Default)]
pub struct Server {
    settings: Settings,
}

impl Server {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Driver for Server {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: true, consistency: Consistency::Crash, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let calls = Calls::open(ctx).await?;
        let server = state::target(&calls).await?;
        let mut warnings = Vec::new();
        if server.status == "ERROR" {
            warnings.push(format!("Nova shows server {} in ERROR: {}", server.id, state::fault(&server)));
        }
        if server.image.is_none() {
            warnings.push(state::boots_from_volume(&calls, &server).await?);
        }
        Ok(Checked { warnings })
    }

    async fn quiesce(&self, ctx: &Ctx) -> Result<Outcome<()>, Error> {
        power::quiesce(&self.settings, &Calls::open(ctx).await?).await
    }

    async fn thaw(&self, ctx: &Ctx) -> Result<Outcome<()>, Error> {
        power::thaw(&self.settings, &Calls::open(ctx).await?).await
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
