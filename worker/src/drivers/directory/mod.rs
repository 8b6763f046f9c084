//! `Stacksnap::Directory`: a directory of this worker's host, copied into the vault and restored in place.
//!
//! The way of a copy: [`policy`] says whether the project may, and opens the directory; [`walk`] meets every entry;
//! [`source`] gives them to the vault with their content ([`reader`]); [`notes`] keeps what a person should know. The
//! way of a restore is told in [`restore`], which works from the difference between two trees ([`compare`]).
//!
//! - **Point in time**: there is none. A file that changes or vanishes while it is copied is named in the artifact, whose
//!   consistency is `none`.
//! - **Whole or not**: what can't be read fails the copy, unless the property `unreadable: skip` says otherwise; then it
//!   is named, and a restore leaves it alone.
//! - **Exclusion**: an flock in the control directory ([`control`]), per-run temporary names, and the lease before each
//!   rename. Adoption is the vault's: an entry carries the step.
//! - **Cancel**: a copy leaves nothing. A restore stops between two entries, each of which is old or new as a whole; what
//!   was done and what was not is kept ([`Driver::half_restored`]), and a restore of the same or another snapshot goes on from
//!   there.
//! - **Reach**: only below the roots that the operator allows for the project; no link is followed, no mount crossed.
//!
//! Linux only, 5.8 or later (`openat2`, `STATX_MNT_ID`), with `/proc` mounted.

mod archive;
mod artifact;
mod beneath;
mod check;
mod compare;
mod control;
mod errors;
mod exclude;
mod inspect;
mod names;
mod notes;
mod policy;
mod properties;
mod reader;
mod recorded;
mod restore;
mod rights;
pub mod sample;
mod source;
mod summary;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Resource, Verdict};
use tokio_util::sync::DropGuard;

use self::artifact::Data;
use self::control::{Control, Lock, Use};
use self::notes::Notes;
use self::policy::Place;
use self::recorded::Recorded;
use self::restore::Order;
use self::rights::Rights;
use self::source::Source;
use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use crate::vault::{EntryId, Label, Stored, Vault, Work};

pub use self::policy::AllowedRoot;
pub use self::properties::Properties;
pub use self::restore::record::{FileState, Half};

/// The resource type.
pub const KIND: &str = "Stacksnap::Directory";

/// What the operator's config says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where projects' directories may lie. Empty: nowhere.
    #[serde(default)]
    pub roots: Vec<AllowedRoot>,
    /// Locks and records of restores; the same for all workers of a host, and outside of every root.
    pub control: PathBuf,
    /// What else is this service's own, directories and files: vault, store, keys, passwords. A directory that holds one of
    /// them is nobody's to copy, and one that lies in one of these directories is not either.
    #[serde(default)]
    pub own: Vec<PathBuf>,
}

/// How long a step waits in its slot for another that has the directory, and after how long it is looked at again.
const WAIT: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(5);
/// After so long the wait counts as a failed attempt.
const PATIENCE: Duration = Duration::from_secs(600);

/// The driver of [`KIND`].
#[derive(Debug, Clone)]
pub struct Directory {
    roots: Arc<Vec<AllowedRoot>>,
    control: Control,
    own: Arc<Vec<PathBuf>>,
}

impl Directory {
    pub fn new(settings: Settings) -> Self {
        let Settings { roots, control, own } = settings;
        Self { roots: Arc::new(roots), control: Control::new(control), own: Arc::new(own) }
    }

    /// What every method begins with.
    fn job(&self, ctx: &Ctx) -> Result<Job, Error> {
        ctx.go_on()?;
        let properties = Properties::parse(&ctx.resource.properties).map_err(Error::Permanent)?;
        Ok(Job {
            place: place(&self.roots, &ctx.project, &ctx.resource)?,
            properties: Arc::new(properties),
            control: self.control.clone(),
            own: Arc::clone(&self.own),
            ctx: Ctx { cancel: ctx.cancel.child_token(), ..ctx.clone() },
        })
    }

    /// The directory's lock; `Later` while another step has it.
    async fn lock(&self, job: &Job, purpose: Use) -> Result<Result<Lock, Outcome<()>>, Error> {
        let begun = tokio::time::Instant::now();
        loop {
            job.ctx.go_on()?;
            let (control, place) = (self.control.clone(), job.place.clone());
            let lock = blocking(move || control.lock(&place, purpose).map_err(|error| errors::control(&error))).await?;
            if let Some(lock) = lock {
                return Ok(Ok(lock));
            }
            if begun.elapsed() >= WAIT {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let since = job.ctx.checkpoint.get("waiting_since").and_then(Value::as_u64);
        let since = since.unwrap_or(job.ctx.now.0);
        if job.ctx.now.0.saturating_sub(since) > PATIENCE.as_millis() as u64 {
            return Err(Error::transient(format!(
                "another snapshot or restore has had {} for more than 10 minutes, or a worker that did is stopped",
                job.place.path()
            )));
        }
        Ok(Err(Outcome::Later { after: AGAIN, checkpoint: json!({ "waiting_since": since }) }))
    }

    /// The artifact of what an earlier run of this step left in the vault: whole, or it would not be there. Without its
    /// notes it can't be known what it left out; then it is forgotten, and copied again.
    async fn adopt(&self, job: &Job, vault: &Vault) -> Result<Option<Artifact>, Error> {
        let ctx = &job.ctx;
        let mut adopted = None;
        for entry in vault.find(ctx.step).await? {
            let fence = entry.label.as_ref().map_or(0, |label| label.fence);
            let notes = Notes::load(&self.control.notes(ctx.step, fence));
            match notes {
                Some(notes) if adopted.is_none() => {
                    let tree = vault.open_tree(&entry.id).await?;
                    let stored = Stored {
                        entry: entry.id,
                        bytes: tree.bytes,
                        bytes_added: 0,
                        files: tree.files,
                        files_unchanged: 0,
                        digest: String::new(),
                        warnings: Vec::new(),
                    };
                    let unfinished = restore::record::unfinished(&self.control.restores(&job.place));
                    let mut artifact = artifact::of(ctx, &job.properties, &notes, stored, &unfinished);
                    artifact.fence = fence;
                    adopted = Some(artifact);
                }
                _ => vault.forget(&entry.id).await?,
            }
        }
        Ok(adopted)
    }

    async fn recorded(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Recorded, Error> {
        let vault = ctx.vault.vault(&ctx.project).await?;
        let tree = vault.open_tree(&entry_of(artifact)?).await?;
        Ok(Recorded::new(tree, work(ctx)))
    }
}

/// One method's run. Its threads stop when the caller no longer waits for it (see [`Job::guard`]).
struct Job {
    place: Place,
    properties: Arc<Properties>,
    control: Control,
    own: Arc<Vec<PathBuf>>,
    ctx: Ctx,
}

impl Job {
    /// Cancels the run when dropped: what blocks on a thread goes on only as long as somebody waits for it.
    fn guard(&self) -> DropGuard {
        self.ctx.cancel.clone().drop_guard()
    }

    /// Does something with a restore's order, in which all that is known of the artifact went.
    fn ordered<T>(
        &self,
        recorded: &Recorded,
        artifact: &Artifact,
        act: impl FnOnce(&Order<'_, Recorded>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let data = Data::of(artifact)?;
        let left_out: HashSet<_> = data.left_out()?;
        let then = exclude::Excludes::new(data.exclude.iter().map(String::as_str)).map_err(Error::Permanent)?;
        let ctx = &self.ctx;
        act(&Order {
            archive: recorded,
            place: &self.place,
            exclude: &self.properties.exclude.clone().and(then),
            left_out: &left_out,
            owners: self.properties.owners,
            rights: &Rights::of_this_process(),
            step: ctx.step,
            fence: ctx.lease.fence(),
            progress: &ctx.progress,
            go_on: &|| ctx.go_on(),
            restores: &self.control.restores(&self.place),
        })
    }
}

#[async_trait]
impl Driver for Directory {
    fn describe(&self) -> Describe {
        Describe { types: &[KIND], quiesce: false, consistency: Consistency::None, local: true }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        let job = self.job(ctx)?;
        let _guard = job.guard();
        blocking(move || check::check(&job)).await
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        let job = self.job(ctx)?;
        let _guard = job.guard();
        blocking(move || check::open(&job).map(drop)).await?;
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _cut: Cut) -> Result<Outcome<Artifact>, Error> {
        let job = self.job(ctx)?;
        let _guard = job.guard();
        let vault = ctx.vault.vault(&ctx.project).await?;
        if let Some(adopted) = self.adopt(&job, &vault).await? {
            return Ok(Outcome::Done(adopted));
        }
        let lock = match self.lock(&job, Use::Read).await? {
            Ok(lock) => lock,
            Err(later) => return Ok(wait(later)),
        };
        let Some(snapshot) = ctx.snapshot else {
            return Err(Error::permanent("a copy belongs to a snapshot, and this step has none"));
        };
        let (job, tree) = blocking(move || check::open(&job).map(|tree| (job, Arc::new(tree)))).await?;
        job.control.tidy_notes().map_err(|error| errors::control(&error))?;
        let notes = Arc::new(Notes::kept_in(job.control.notes(ctx.step, ctx.lease.fence())));
        let source = Source::new(tree.clone(), job.properties.clone(), notes.clone(), job.ctx.clone());
        let unfinished = restore::record::unfinished(&job.control.restores(&job.place));
        let label = Label {
            project: ctx.project.clone(),
            stack: ctx.stack,
            snapshot,
            resource: Some(ctx.resource.name.clone()),
            step: ctx.step,
            fence: ctx.lease.fence(),
        };
        let stored = vault.put_tree(&label, Arc::new(source), work(&job.ctx)).await;
        // What came through the vault as an I/O error is known here with its kind.
        let stored = stored.map_err(|error| notes.fault().unwrap_or_else(|| error.into()))?;
        let still = job.place.clone();
        let same = blocking(move || still.still(&tree)).await;
        drop(lock);
        if let Err(error) = same {
            vault.forget(&stored.entry).await?;
            return Err(error);
        }
        Ok(Outcome::Done(artifact::of(ctx, &job.properties, &notes, stored, &unfinished)))
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let job = self.job(ctx)?;
        let _guard = job.guard();
        let (recorded, artifact) = (self.recorded(&job.ctx, artifact).await?, artifact.clone());
        let preview = blocking(move || {
            let tree = restore::open(&job.place)?;
            if let Some(tree) = &tree {
                check::apart(&job, tree)?;
            }
            job.ordered(&recorded, &artifact, |order| {
                restore::plan(order, tree.as_ref(), &mut |_| Ok(())).map(summary::Summary::preview)
            })
        });
        Ok(Outcome::Done(preview.await?))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let job = self.job(ctx)?;
        let _guard = job.guard();
        let lock = match self.lock(&job, Use::Restore).await? {
            Ok(lock) => lock,
            Err(later) => return Ok(wait(later)),
        };
        let (recorded, artifact) = (self.recorded(&job.ctx, artifact).await?, artifact.clone());
        let done = blocking(move || {
            // Held until the last effect, also when nobody waits for this any more.
            let _lock = lock;
            if let Some(tree) = restore::open(&job.place)? {
                check::apart(&job, &tree)?;
            }
            job.ordered(&recorded, &artifact, restore::run)
        });
        Ok(Outcome::Done(done.await?))
    }

    async fn half_restored(&self, ctx: &Ctx) -> Value {
        let Ok(place) = place(&self.roots, &ctx.project, &ctx.resource) else { return Value::Null };
        let (restores, step) = (self.control.restores(&place), ctx.step);
        let half = blocking(move || restore::record::half(&restores, step).map_err(|error| errors::control(&error)));
        match half.await {
            Ok(half) => half.map_or(Value::Null, |half| json!(half)),
            Err(error) => {
                tracing::warn!(%step, %error, "what a restore did and did not can't be told");
                Value::Null
            }
        }
    }

    async fn discard(&self, ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        let vault = ctx.vault.vault(&ctx.project).await?;
        for entry in vault.find(made_by).await? {
            vault.forget(&entry.id).await?;
        }
        self.control.forget_notes(made_by).map_err(|error| errors::control(&error))?;
        if let Some(artifact) = artifact
            && artifact.entry.is_some()
        {
            vault.forget(&entry_of(artifact)?).await?;
        }
        Ok(Outcome::Done(()))
    }

    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        let vault = ctx.vault.vault(&ctx.project).await?;
        Ok(Outcome::Done(vault.verify(&entry_of(artifact)?, true, work(ctx)).await?))
    }
}

/// The place that a resource names, if its project may use it.
fn place(
    roots: &[AllowedRoot],
    project: &stacksnap_common::ids::ProjectId,
    resource: &Resource,
) -> Result<Place, Error> {
    let Some(path) = &resource.external_id else {
        return Err(Error::permanent(format!("{KIND} needs an external_id: the directory's absolute path")));
    };
    Place::find(roots, project, path)
}

fn entry_of(artifact: &Artifact) -> Result<EntryId, Error> {
    let Some(entry) = &artifact.entry else {
        return Err(Error::permanent("this artifact names no entry of the vault"));
    };
    Ok(entry.parse::<EntryId>()?)
}

fn work(ctx: &Ctx) -> Work {
    Work { progress: ctx.progress.clone(), cancel: ctx.cancel.clone(), lease: ctx.lease.clone() }
}

fn wait<T>(later: Outcome<()>) -> Outcome<T> {
    match later {
        Outcome::Later { after, checkpoint } => Outcome::Later { after, checkpoint },
        Outcome::Done(()) => Outcome::Later { after: AGAIN, checkpoint: Value::Null },
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(act).await {
        Ok(result) => result,
        Err(failed) => Err(Error::transient(format!("a thread of the directory driver ended: {failed}"))),
    }
}
