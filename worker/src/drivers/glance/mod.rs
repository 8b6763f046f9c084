//! `OS::Glance::WebImage` and `OS::Glance::Image`: an image that exists already, kept as a *reference*. An image's bytes never
//! change, so that its id and hash say all about it; they are not copied, and who removes the image removes them.
//!
//! - A copy notes id, name, size and hash; the artifact says `captures: reference`, in a warning too.
//! - A restore changes nothing: it makes sure that the image is there and is the same bytes, and fails where it is not.
//! - There is nothing to adopt, to exclude or to discard: nothing is made.
//!
//! **Consistency** is `application`: the same bytes at any moment.

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::drivers::openstack::Patience;
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::wait::Wait;

/// What Glance calls an image that is not whole yet.
const COMING: [&str; 4] = ["queued", "saving", "uploading", "importing"];

#[derive(Debug)]
pub struct Image {
    patience: Patience,
}

impl Image {
    pub fn new(patience: Patience) -> Self {
        Self { patience }
    }
}

/// An artifact's `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Not the data.
    captures: String,
    image: String,
    name: String,
    /// Bytes.
    size: u64,
    /// `sha512:…`, as Glance says.
    hash: Option<String>,
}

impl Kept {
    fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was noted of the image can't be read: {error}")))
    }

    /// What is not as it was, and what to do about it.
    async fn problems(&self, calls: &Calls<'_>) -> Result<Vec<String>, Error> {
        let id = calls.physical_id("image")?;
        let (name, then) = (&self.name, self.hash.as_deref().unwrap_or("not known"));
        let Some(image) = calls.find(calls.glance.image(id)).await? else {
            return Ok(vec![if calls.ctx.may_move {
                format!(
                    "image {id} ({name}) is not there any more, and only its id was kept: upload it anew (hash {then}) and \
                     name it in the stack by its id"
                )
            } else {
                format!(
                    "image {id} ({name}) is not there any more, and the stack is Heat's: have Heat make it anew (openstack \
                     stack resource mark unhealthy, then openstack stack update --existing), then restore"
                )
            }]);
        };
        let mut problems = Vec::new();
        if image.status != "active" {
            problems.push(format!("image {id} ({name}) is {}", image.status));
        } else if image.hash() != self.hash {
            let now = image.hash().unwrap_or_else(|| "not known".to_owned());
            problems
                .push(format!("image {id} ({name}) has another content than then: its hash is {now} and was {then}"));
        }
        Ok(problems)
    }
}

#[async_trait]
impl Driver for Image {
    fn describe(&self) -> Describe {
        Describe {
            types: &["OS::Glance::WebImage", "OS::Glance::Image"],
            quiesce: false,
            consistency: Consistency::Application,
            local: false,
        }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let image = target(&Calls::open(ctx).await?).await?;
        let warnings = match image.status.as_str() {
            "active" => Vec::new(),
            status => vec![format!("Glance shows image {} as {status}", image.id)],
        };
        Ok(Checked { warnings })
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        ctx.go_on()?;
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _cut: Cut) -> Result<Outcome<Artifact>, Error> {
        let image = target(&Calls::open(ctx).await?).await?;
        let (id, status) = (&image.id, image.status.as_str());
        if COMING.contains(&status) {
            let wait = Wait::deserialize(&ctx.checkpoint).unwrap_or_default();
            let Some((wait, after)) = wait.on(&self.patience, ctx.now) else {
                return Err(self.patience.is_over(&format!("image {id} is still {status}")));
            };
            let checkpoint = serde_json::to_value(wait);
            let checkpoint = checkpoint.map_err(|error| Error::permanent(format!("a checkpoint: {error}")))?;
            return Ok(Outcome::Later { after, checkpoint });
        }
        if status != "active" {
            return Err(Error::Unreadable(format!("image {id} is {status}, so that nobody can use it")));
        }
        let kept = Kept {
            captures: "reference".to_owned(),
            image: id.clone(),
            name: image.name.clone(),
            size: image.size.unwrap_or_default(),
            hash: image.hash(),
        };
        let warning =
            format!("image {id} itself is not copied: a restore only makes sure that it is there and the same");
        let data =
            serde_json::to_value(&kept).map_err(|error| Error::permanent(format!("the image's facts: {error}")))?;
        Ok(Outcome::Done(Artifact {
            consistency: Consistency::Application,
            digest: kept.hash,
            warnings: vec![warning],
            data,
            ..ctx.made()
        }))
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let blockers = Kept::of(artifact)?.problems(&Calls::open(ctx).await?).await?;
        Ok(Outcome::Done(Preview { unchanged: u64::from(blockers.is_empty()), blockers, ..Preview::default() }))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let problems = Kept::of(artifact)?.problems(&Calls::open(ctx).await?).await?;
        match problems.is_empty() {
            true => Ok(Outcome::Done(Preview { unchanged: 1, ..Preview::default() })),
            false => Err(Error::permanent(problems.join("; "))),
        }
    }

    async fn discard(&self, _ctx: &Ctx, _made_by: StepId, _artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        Ok(Outcome::Done(()))
    }

    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        let problems = Kept::of(artifact)?.problems(&Calls::open(ctx).await?).await?;
        Ok(Outcome::Done(Verdict { ok: problems.is_empty(), bytes: 0, problems }))
    }
}

async fn target(calls: &Calls<'_>) -> Result<stacksnap_openstack::glance::Image, Error> {
    let id = calls.physical_id("image")?;
    let found = calls.find(calls.glance.image(id)).await?;
    found.ok_or_else(|| Error::Gone(format!("there is no image {id} that this project of the cloud can see")))
}
