//! A share is made what it was.
//!
//! 1. *Begin*: what earlier restores of the resource left half-way goes; the way is looked for (`../way.rs`).
//! 2. In place (`back.rs`): that the revert is about to be *sent* is in the checkpoint by now; it is *watched* until the share
//!    is free again. A share that had grown since is *extended* to what it was before the restore.
//! 3. As a new one (`anew.rs`): what is kept as a share of its own is snapshotted first, a *bridge*; the share is *made* from the
//!    snapshot, named as the step's until it is finished; the bridge goes.
//! 4. *Rules* and *finish* (`finish.rs`): access rules and metadata as they were; name and description of a new one last.

mod anew;
mod back;
mod finish;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Preview};
use stacksnap_openstack::manila::{Metadata, Share};

use super::kept::Kept;
use super::marks as ours;
use super::way::{Way, way};
use super::{Settings, discard, preview};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::Making;
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, later};

/// How far a restore is; its checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Restoring {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
    /// The share that was made for it.
    #[serde(default)]
    made: Option<String>,
    /// The snapshot of the copy that it is made from.
    #[serde(default)]
    bridge: Option<String>,
    /// How large the share was before it was taken back, where that was more. GiB.
    #[serde(default)]
    grown: Option<u64>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Begin,
    /// Next the revert is sent; it may have been.
    Send {
        share: String,
        snapshot: String,
    },
    Watch {
        share: String,
    },
    Extend {
        share: String,
        to: u64,
    },
    /// The copy is snapshotted.
    Bridge(Making),
    /// Another share is made.
    Make(Making),
    Unbridge {
        share: String,
    },
    Rules {
        share: String,
        /// How many have come to nothing.
        failed: u32,
    },
    Finish {
        share: String,
    },
}

/// One run of a restore.
struct Run<'a> {
    settings: &'a Settings,
    calls: &'a Calls<'a>,
    kept: Kept,
    state: Restoring,
}

pub(super) async fn restore(
    settings: &Settings,
    calls: &Calls<'_>,
    artifact: &Artifact,
) -> Result<Outcome<Preview>, Error> {
    let kept = Kept::of(artifact)?;
    calls.ctx.progress.expect(kept.bytes(), 0);
    let state = Restoring::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let run = Run { settings, calls, kept, state };
    match run.state.phase.clone() {
        Phase::Begin => run.begin().await,
        Phase::Send { share, snapshot } => run.send(share, snapshot).await,
        Phase::Watch { share } => run.watch(share).await,
        Phase::Extend { share, to } => run.extend(share, to).await,
        Phase::Bridge(making) => run.bridge(making).await,
        Phase::Make(making) => run.make(making).await,
        Phase::Unbridge { share } => run.unbridge(share).await,
        Phase::Rules { share, failed } => run.rules(share, failed).await,
        Phase::Finish { share } => run.finish(share).await,
    }
}

impl Run<'_> {
    /// The next phase, at once or after a pause.
    fn then(&self, phase: Phase, after: Duration) -> Result<Outcome<Preview>, Error> {
        later(after, &Restoring { phase, wait: Wait::default(), ..self.state.clone() })
    }

    /// The same phase after a pause; `what` is going on, for whoever reads that it took too long.
    fn again(&self, what: &str) -> Result<Outcome<Preview>, Error> {
        match self.state.wait.on(&self.settings.patience, self.calls.ctx.now) {
            Some((wait, pause)) => later(pause, &Restoring { wait, ..self.state.clone() }),
            None => Err(self.named(self.settings.patience.is_over(what))),
        }
    }

    /// Whoever has to clean up by hand is told what: what was made, if something was.
    fn named(&self, error: Error) -> Error {
        match (error, &self.state.made) {
            (Error::Permanent(why), Some(made)) => Error::Permanent(format!(
                "{why}. Share {made} was made for the restore and is not the stack's; the next restore removes it"
            )),
            (error, _) => error,
        }
    }

    /// The share, which must be there: it was looked at before.
    async fn share(&self, id: &str) -> Result<Share, Error> {
        let found = self.calls.find(self.calls.manila.share(id)).await?;
        found.ok_or_else(|| Error::permanent(format!("share {id} was deleted while it was restored")))
    }

    async fn begin(mut self) -> Result<Outcome<Preview>, Error> {
        if let Some(left) = self.left_half_way().await? {
            return self.again(&format!("what an earlier restore left is still there: {left}"));
        }
        match way(self.calls, &self.kept).await? {
            Way::Back { share, snapshot } => {
                self.state.grown = Some(share.size).filter(|size| *size > self.kept.facts.size);
                self.then(Phase::Send { share: share.id, snapshot }, Duration::ZERO)
            }
            Way::New(why) => {
                let old = self.calls.physical_id("share")?;
                self.state.notes = preview::new(&why, old, &self.kept);
                let phase = if self.kept.copy.is_some() { Phase::Bridge } else { Phase::Make };
                self.then(phase(Making::default()), Duration::ZERO)
            }
            // A revert that is ours and was sent before its checkpoint was lost looks like this too.
            Way::NotYet(why) => self.again(&why),
            Way::Never(why) => Err(Error::permanent(why)),
        }
    }

    /// Shares that other restores of the same resource made and did not finish, and bridges of theirs: taken away. What is
    /// left of them, in words.
    async fn left_half_way(&self) -> Result<Option<String>, Error> {
        let (ctx, step) = (self.calls.ctx, self.calls.ctx.step.to_string());
        let other = |metadata: &Metadata| ours::is_of(ctx, metadata) && metadata.get(marks::STEP) != Some(&step);
        let mut left = Vec::new();
        for share in self.calls.ask(self.calls.manila.all_shares(false)).await? {
            if ours::of_share(&share).is_some_and(|metadata| metadata.contains_key(ours::HALF) && other(metadata)) {
                left.extend(discard::share(self.calls, &share).await?);
            }
        }
        if let Some(copy) = &self.kept.copy {
            for snapshot in self.calls.ask(self.calls.manila.snapshots_of(copy)).await? {
                if ours::of_snapshot(&snapshot).is_some_and(|metadata| other(&metadata)) {
                    left.extend(discard::snapshot(self.calls, &snapshot).await?);
                }
            }
        }
        Ok(if left.is_empty() { None } else { Some(left.join(", ")) })
    }

    fn done(self, share: String) -> Outcome<Preview> {
        self.calls.ctx.progress.add_bytes(self.kept.bytes());
        let made = self.state.made.is_some();
        let (what, count) = if made { ("create", (1, 0)) } else { ("overwrite", (0, 1)) };
        Outcome::Done(Preview {
            creates: count.0,
            overwrites: count.1,
            bytes: self.kept.bytes(),
            sample: vec![format!("{what} share {share}")],
            physical_id: Some(share),
            notes: self.state.notes,
            ..Preview::default()
        })
    }
}
