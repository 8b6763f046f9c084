//! `Driver`: the code that knows one resource type, and the laws that every driver keeps.
//!
//! `drivers/contract` checks these laws for each of them:
//!
//! - **Twice is once.** Each method may be called again for the same step, by this process or another, after any crash,
//!   and leaves one effect. Every external effect carries [`Ctx::step`] and is looked for before it is made again
//!   (adoption). Extra ones are removed at the end.
//! - **A second self does no harm.** A paused worker may wake up after its lease is over and its successor is at work.
//!   What can't be taken back is guarded by [`Lease::held`] right before it, and by what the driver names as its
//!   exclusion (a lock file, an advisory lock).
//! - **Whole or not.** An artifact is returned only when it is whole. A reader that fails half-way makes `copy` fail;
//!   after `discard` nothing of it is left.
//! - **Streams only.** A resource's bytes never sit in memory.
//! - **Cancel is seen within a second** and answered with [`Error::Cancelled`]; nothing half-done is left that a later
//!   `discard` (or, for a restore, a later `restore`) would not find.
//! - Progress never goes back.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use stacksnap_common::ids::{ProjectId, SnapshotId, StackId, StepId};
use stacksnap_common::operation;
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Consistency, Preview, Resource, ServerMode, Verdict, VolumeMode};
use stacksnap_openstack::Session;
use tokio_util::sync::CancellationToken;

use crate::lease::Lease;
use crate::progress::Progress;
use crate::vault::Vault;

/// What a driver's method is given, for one run of one step.
#[derive(Clone)]
pub struct Ctx {
    pub step: StepId,
    pub project: ProjectId,
    pub stack: StackId,
    /// The snapshot that the step makes, restores or deletes; none for `check`.
    pub snapshot: Option<SnapshotId>,
    pub resource: Arc<Resource>,
    /// Of a native type, and of one that a restore may make anew under another physical id: the resource as the stack has
    /// it now. None if the stack has it no more, and for every other type.
    pub current: Option<Arc<Resource>>,
    /// Whether the stack's record can take another physical id for the resource: it can't where the stack is Heat's.
    pub may_move: bool,
    /// What a safety snapshot has to do with the step.
    pub safety: Safety,
    /// What the request wants to be made of volumes; `None`: what the configuration says.
    pub volumes: Option<VolumeMode>,
    /// What is done to servers while they are cut.
    pub servers: ServerMode,
    /// The operation takes the resource out of its stack, so whatever is kept of it has to outlive it.
    pub leaves: bool,
    /// What the last run of this step left in [`Outcome::Later`] or by [`Ctx::checkpoint`]; `Null` at the first.
    pub checkpoint: Value,
    pub progress: Progress,
    /// Cancelled when the step must end: the operation was cancelled, the lease is lost, the worker shuts down.
    pub cancel: CancellationToken,
    pub lease: Lease,
    /// The project's repository.
    pub vault: Arc<dyn VaultSource>,
    /// The cloud, in the name of whoever asked.
    pub cloud: Arc<dyn CloudSource>,
    /// What the records know of things that other steps made.
    pub records: Arc<dyn Records>,
    /// The store's clock, at the start of this run.
    pub now: Millis,
}

/// What a safety snapshot has to do with a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Safety {
    /// Nothing, as far as anybody knows: a plan is of a restore that nobody has asked for yet.
    #[default]
    None,
    /// One is taken before the resource is restored.
    Before,
    /// The step is of one.
    This,
}

impl Ctx {
    /// Of a copy that the step has made, of which nothing else is to be told yet.
    pub fn made(&self) -> Artifact {
        Artifact::made(&self.resource, self.step, self.lease.fence())
    }

    /// Where nothing can be kept of the resource, and why.
    pub fn unprotected(&self, why: impl Into<String>) -> Artifact {
        Artifact::unprotected(&self.resource, self.step, self.lease.fence(), why)
    }

    /// Cheap; to be asked between any two pieces of work.
    pub fn go_on(&self) -> Result<(), Error> {
        if !self.lease.held() {
            return Err(Error::LeaseLost);
        }
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

/// Opens the project's vault when a driver first asks for it: a step that needs none opens none.
#[async_trait]
pub trait VaultSource: Send + Sync {
    async fn vault(&self, project: &ProjectId) -> Result<Vault, Error>;

    /// The projects that have one.
    async fn projects(&self) -> Result<Vec<ProjectId>, Error>;
}

/// Opens a session with the cloud when a driver first asks for it, for the step's project and by what the step's operation
/// was given to act by.
#[async_trait]
pub trait CloudSource: Send + Sync {
    async fn session(&self) -> Result<Session, Error>;
}

/// For a type whose things are built on each other, in a service that keeps no note of which are still wanted, and for one
/// of which several resources are worked on at once.
#[async_trait]
pub trait Records: Send + Sync {
    /// What the step's stage works on, the step's own resource among them, in the order of the steps.
    async fn beside(&self, project: &ProjectId, step: StepId) -> Result<Vec<Beside>, Error>;

    /// Whether a step has come to its end, well or not.
    async fn has_ended(&self, project: &ProjectId, step: StepId) -> Result<bool, Error>;

    /// Of what `step` made for a snapshot of the project.
    async fn standing(&self, project: &ProjectId, snapshot: SnapshotId, step: StepId) -> Result<Standing, Error>;
}

/// A resource that is worked on in the same stage.
#[derive(Debug, Clone)]
pub struct Beside {
    pub step: StepId,
    /// As the stack has it now.
    pub resource: Resource,
    /// See [`Ctx::leaves`].
    pub leaves: bool,
}

/// Whether a thing that is there is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A snapshot has it, or the operation that made it runs still.
    Kept,
    /// Its snapshot, or that one's stack, is being deleted now: somebody else is about to remove it, or to leave it to those
    /// that are built on it.
    Leaving,
    /// No record knows of it, and nobody will remove it.
    Forgotten,
}

/// Done, or to be looked at again later: a long wait is a timer, not a sleeping worker.
#[derive(Debug)]
pub enum Outcome<T> {
    Done(T),
    /// Not an attempt that failed: the step is run again after `after`, by any worker of the pool, with `checkpoint`.
    Later {
        after: Duration,
        checkpoint: Value,
    },
}

/// Why a step did not get there. The text is for a person: what happened, and what to do about it. No secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Worth trying again; not before `after`, if given. `away`: what the step needs (the vault, the cloud, the database's
    /// server, the store) does not answer now. A step that has something to lose waits for that, and it is no attempt.
    #[error("{reason}")]
    Transient { reason: String, after: Option<Duration>, away: bool },
    /// Trying again would not help.
    #[error("{0}")]
    Permanent(String),
    /// The resource is not there.
    #[error("{0}")]
    Gone(String),
    /// It is there, and can't be read as it is (permissions, damage). A safety snapshot goes on without it.
    #[error("{0}")]
    Unreadable(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("cancelled")]
    Cancelled,
    /// The lease is over: another worker may be at work. Nothing is recorded.
    #[error("the lease on this step is over")]
    LeaseLost,
}

impl Error {
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), after: None, away: false }
    }

    /// What the step needs does not answer now.
    pub fn away(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), after: None, away: true }
    }

    /// A service of the cloud can't do it now, or does not answer.
    pub(crate) fn of_service(error: &stacksnap_openstack::Error) -> Self {
        Self::Transient { reason: error.to_string(), after: error.after(), away: true }
    }

    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent(reason.into())
    }
}

/// What a driver can.
#[derive(Debug, Clone, Copy)]
pub struct Describe {
    /// The resource types, as templates name them.
    pub types: &'static [&'static str],
    /// It can freeze and thaw.
    pub quiesce: bool,
    /// The best level that a cut of this type gives.
    pub consistency: Consistency,
    /// What it takes to run a step touches the worker's own host, so that only workers of the resource's pool can.
    pub local: bool,
}

/// A point in time of a resource.
pub enum Cut {
    /// Any worker can copy from it later; the value says what it is.
    Durable(Value),
    /// Only this process can, while it holds the session. The same worker goes on to `copy` at once.
    Held(Box<dyn Any + Send>),
    /// There is no point in time; `copy` reads what is there.
    None,
}

/// What `check` found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// What a person should know, though the resource can be protected.
    pub warnings: Vec<String>,
}

#[async_trait]
pub trait Driver: Send + Sync + 'static {
    fn describe(&self) -> Describe;

    /// Does it exist, and may this project use it? [`Error::Gone`] if not there, [`Error::Permanent`] if not allowed.
    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error>;

    /// What a create, an update or the like does to the resource. A type that names what exists is looked at, as by
    /// `check`; the end of the wait of one that is made here is this method's to tell.
    async fn act(&self, ctx: &Ctx, _doing: operation::Kind) -> Result<Outcome<Checked>, Error> {
        Ok(Outcome::Done(self.check(ctx).await?))
    }

    /// Freezes the resource. A `thaw` is owed from now on, whatever this returns.
    async fn quiesce(&self, _ctx: &Ctx) -> Result<Outcome<()>, Error> {
        Err(Error::Unsupported("this type can't be frozen".to_owned()))
    }

    /// Thaws. Thawing what is not frozen is fine.
    async fn thaw(&self, _ctx: &Ctx) -> Result<Outcome<()>, Error> {
        Ok(Outcome::Done(()))
    }

    /// Takes the point in time.
    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error>;

    /// Copies what was cut to where it is safe. `artifact.consistency` is what this copy really got.
    async fn copy(&self, ctx: &Ctx, cut: Cut) -> Result<Outcome<Artifact>, Error>;

    /// What a restore would do, without doing it.
    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error>;

    /// Makes the resource what it was. Called again after a crash, it finishes what it began.
    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error>;

    /// Of a restore that has just failed or was stopped: what was done and what was not, for a person. `Null`: nothing
    /// was touched, or it can't be told. Kept with the step; at most some thousand lines.
    async fn half_restored(&self, _ctx: &Ctx) -> Value {
        Value::Null
    }

    /// Removes what the step `made_by` left, whether an artifact was recorded or not. What is not there is fine.
    async fn discard(&self, ctx: &Ctx, made_by: StepId, artifact: Option<&Artifact>) -> Result<Outcome<()>, Error>;

    /// Reads the artifact back and compares.
    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error>;
}
