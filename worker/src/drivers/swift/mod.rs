//! `OS::Swift::Container`: a container of the cloud's, its objects copied into the vault and restored in place.
//!
//! ```text
//! copy     list.rs → source.rs (what has changed since the copy before: fetch.rs) → the vault; then compare.rs
//! restore  the vault's tree beside the listing (compare.rs) → restore.rs → write.rs
//! ```
//!
//! - `call.rs`: Swift's refusals as a step's errors; `ahead.rs`: a few calls at the same time.
//! - `names.rs`, `kept.rs`: an object as an entry of a tree, its headers as attributes. `previous.rs`: the tree before.
//! - `wanted.rs`: segments of large objects in other containers, which are copied and restored with it.
//! - `summary.rs`: what a plan shows.
//!
//! **Large objects** stay manifests (docs/decisions/010): of a dynamic one its prefix is kept, of a static one the list of
//! its segments, from which Swift makes it again after it has compared each of them.
//!
//! **Point in time**: objects are read one after the other. If none has changed since the reading began (etag and time of
//! each, in the listing afterwards), that is a point in time, and the consistency is `crash`; else it is `none`, and what
//! changed is named.
//!
//! **Adoption** is the vault's: an entry carries the step. A copy that is found there again is made again, from what the
//! first one left: that costs a listing.
//!
//! **Exclusion**: nothing is left half-way by a write that ends too early, and the lease is looked at before each one. A
//! second self could write only what the first wrote.
//!
//! **Orphans**: all that a copy leaves is an entry of the vault, and is found there (`../../orphans/vault.rs`); in Swift
//! nothing of ours is left.
//!
//! **Not kept**: older versions of objects, the storage policy of a container that is there with another one, the access
//! lists of containers that hold only segments.

mod ahead;
mod call;
mod compare;
mod copy;
mod fetch;
mod kept;
mod list;
mod names;
mod previous;
mod restore;
mod source;
mod summary;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod wanted;
mod write;

use async_trait::async_trait;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::vault::{EntryId, Tree};
use call::Calls;
use restore::Recorded;

const TYPE: &str = "OS::Swift::Container";

#[derive(Debug, Default)]
pub struct Container;

#[async_trait]
impl Driver for Container {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::Crash, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let calls = Calls::open(ctx).await?;
        let _guard = calls.guard();
        let found = calls.target().await?;
        Ok(Checked { warnings: copy::older_versions(&found.headers).into_iter().collect() })
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        let calls = Calls::open(ctx).await?;
        let _guard = calls.guard();
        calls.target().await?;
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _cut: Cut) -> Result<Outcome<Artifact>, Error> {
        let calls = Calls::open(ctx).await?;
        let _guard = calls.guard();
        copy::copy(&calls).await
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let calls = Calls::open(ctx).await?;
        let _guard = calls.guard();
        let (tree, name) = (tree(&calls, artifact).await?, calls.name()?.to_owned());
        let preview = calls.on_thread(move |calls| Recorded::open(calls, &tree, &name)?.preview());
        Ok(Outcome::Done(preview.await?))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let calls = Calls::open(ctx).await?;
        let _guard = calls.guard();
        let (tree, name) = (tree(&calls, artifact).await?, calls.name()?.to_owned());
        let done = calls.on_thread(move |calls| Recorded::open(calls, &tree, &name)?.restore());
        Ok(Outcome::Done(done.await?))
    }

    async fn discard(&self, ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        let vault = ctx.vault.vault(&ctx.project).await?;
        for entry in vault.find(made_by).await? {
            vault.forget(&entry.id).await?;
        }
        if let Some(artifact) = artifact.filter(|artifact| artifact.entry.is_some()) {
            vault.forget(&entry(artifact)?).await?;
        }
        Ok(Outcome::Done(()))
    }

    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        ctx.go_on()?;
        let vault = ctx.vault.vault(&ctx.project).await?;
        let work =
            crate::vault::Work { progress: ctx.progress.clone(), cancel: ctx.cancel.clone(), lease: ctx.lease.clone() };
        Ok(Outcome::Done(vault.verify(&entry(artifact)?, true, work).await?))
    }
}

fn entry(artifact: &Artifact) -> Result<EntryId, Error> {
    let Some(entry) = &artifact.entry else {
        return Err(Error::permanent("this artifact names no entry of the vault"));
    };
    Ok(entry.parse::<EntryId>()?)
}

async fn tree(calls: &Calls, artifact: &Artifact) -> Result<Tree, Error> {
    let vault = calls.ctx.vault.vault(&calls.ctx.project).await?;
    Ok(vault.open_tree(&entry(artifact)?).await?)
}
