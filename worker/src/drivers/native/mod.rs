//! `OS::Heat::TestResource`, `RandomString`, `Value` and `None`: their whole state is in the stack's own record.
//!
//! What they are was decided when their stack was accepted (`common/src/native/`). Here is what a worker adds: the end of
//! the wait and the failure that a test resource is told to have, the copy of a state into an artifact, and the
//! comparison of one with what is there now.
//!
//! - **Adoption**: there is no effect outside. A copy returns the state as the artifact, inline, so that it is in the
//!   manifest with all others: one write into the vault for the whole stack. A restore returns what it would do, and the
//!   store puts the state back in the very commit that ends the operation.
//! - **Exclusion**: the stack is held by the operation, and every commit requires the versions that it read.
//! - **Consistency**: a snapshot captures all native resources of a stack in one commit, so they are of one moment.
//! - Nothing has to be removed; what is verified is the digest, and that the manifest in the vault holds the same.

mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stacksnap_common::ids::StepId;
use stacksnap_common::native::{self, Effort};
use stacksnap_common::operation::Kind;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::seal::Manifest;
use state::State;

/// How long a wait is at most before it is looked at again.
const LONGEST_LOOK: f64 = 3600.0;

#[derive(Debug, Default)]
pub struct Native;

const TYPES: &[&str] = &["OS::Heat::None", "OS::Heat::RandomString", "OS::Heat::TestResource", "OS::Heat::Value"];

#[async_trait]
impl Driver for Native {
    fn describe(&self) -> Describe {
        Describe { types: TYPES, quiesce: false, consistency: Consistency::Application, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        match ctx.resource.external_id {
            Some(_) => Ok(Checked::default()),
            None => Err(Error::Gone("Resource not created".to_owned())),
        }
    }

    async fn act(&self, ctx: &Ctx, doing: Kind) -> Result<Outcome<Checked>, Error> {
        let action = match doing {
            Kind::Create => "create",
            Kind::Update => "update",
            _ => return Ok(Outcome::Done(self.check(ctx).await?)),
        };
        ctx.go_on()?;
        let Effort { seconds, fails } = native::effort(&ctx.resource, action);
        let since = ctx.checkpoint["since"].as_u64().unwrap_or(ctx.now.0);
        let waited = ctx.now.0.saturating_sub(since) as f64 / 1000.0;
        let left = seconds.unwrap_or(f64::INFINITY) - waited;
        if left > 0.0 {
            let after = Duration::from_secs_f64(left.min(LONGEST_LOOK));
            return Ok(Outcome::Later { after, checkpoint: json!({ "since": since }) });
        }
        if fails {
            return Err(Error::permanent(native::failure(&ctx.resource)));
        }
        Ok(Outcome::Done(Checked::default()))
    }

    async fn cut(&self, _ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _cut: Cut) -> Result<Outcome<Artifact>, Error> {
        ctx.go_on()?;
        let Some(current) = &ctx.current else {
            return Err(Error::Gone(format!("the stack has no {} of this name any more", ctx.resource.kind)));
        };
        if current.external_id.is_none() {
            let why = "it was never made, so there is no value to keep";
            return Ok(Outcome::Done(Artifact::unprotected(current, ctx.step, ctx.lease.fence(), why)));
        }
        let state = State::of(current).text()?;
        Ok(Outcome::Done(Artifact {
            consistency: Consistency::Application,
            bytes: state.len() as u64,
            digest: Some(state::digest(&state)),
            inline: true,
            data: json!({ "state": state }),
            ..Artifact::made(current, ctx.step, ctx.lease.fence())
        }))
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let kept = State::kept(artifact)?;
        let mut preview = Preview::default();
        let what = match &ctx.current {
            None => {
                preview.creates = 1;
                "create"
            }
            Some(current) if State::of(current) == kept => {
                preview.unchanged = 1;
                return Ok(Outcome::Done(preview));
            }
            Some(_) => {
                preview.overwrites = 1;
                "overwrite"
            }
        };
        preview.bytes = artifact.bytes;
        preview.sample.push(format!("{what} {}", ctx.resource.name));
        Ok(Outcome::Done(preview))
    }

    /// The store puts the state back when the operation ends: here it is made sure that there is one.
    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        ctx.go_on()?;
        self.preview(ctx, artifact).await
    }

    async fn discard(&self, _ctx: &Ctx, _made_by: StepId, _artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        Ok(Outcome::Done(()))
    }

    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        let mut problems = Vec::new();
        if let Err(error) = State::kept(artifact) {
            problems.push(error.to_string());
        }
        if let Some(problem) = not_in_manifest(ctx, artifact).await? {
            problems.push(problem);
        }
        Ok(Outcome::Done(Verdict { ok: problems.is_empty(), bytes: artifact.bytes, problems }))
    }
}

/// What is wrong with the copy that the vault has of the artifact.
async fn not_in_manifest(ctx: &Ctx, artifact: &Artifact) -> Result<Option<String>, Error> {
    let Some(snapshot) = ctx.snapshot else { return Ok(None) };
    let Some(manifest) = ctx.vault.vault(&ctx.project).await?.manifest(snapshot).await? else {
        return Ok(Some("the vault has no manifest of the snapshot".to_owned()));
    };
    let manifest: Manifest = match serde_json::from_slice(&manifest.bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Some(format!("the snapshot's manifest can't be read: {error}"))),
    };
    let same = |kept: &Artifact| {
        let value =
            |artifact: &Artifact| -> (Option<String>, Value) { (artifact.digest.clone(), artifact.data.clone()) };
        kept.resource == artifact.resource && value(kept) == value(artifact)
    };
    Ok((!manifest.artifacts.iter().any(same))
        .then(|| "the snapshot's manifest does not hold the same value".to_owned()))
}
