//! What a step left is taken away, and waited for until it is gone.
//!
//! Trove deletes what is built on a backup together with it, a user's own included, and asks nobody. So one that anything
//! wanted is built on is *condemned*: it stays, out of our sight, until the last of those others goes. Nothing can be written on
//! a backup of Trove's to say so; which are wanted the records know ([`Standing`]):
//!
//! - Of those that are built on it, a user's own and a kept one keep it. One that is being deleted just now is waited for. What
//!   no record knows may go with it.
//! - When it is gone, what it was built on is looked at: if no record knows that, and nothing else needs it, it goes too. One
//!   that is itself being deleted just now is left to that, and looked at again when that has come to its end.
//!
//! Each backup is asked to be deleted once: Trove shows no difference until it is gone, and counts every request.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::trove::Backup;

use super::Settings;
use super::calls::{self, Calls};
use super::chain::descendants;
use super::copy::standing;
use super::kept::Kept;
use super::marks::Mark;
use crate::driver::{Error, Outcome, Standing};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, gone_or_later};

/// The checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Discarding {
    #[serde(default)]
    wait: Wait,
    /// What Trove was told to delete.
    #[serde(default)]
    asked: BTreeSet<String>,
    /// What those were built on.
    #[serde(default)]
    parents: BTreeSet<String>,
}

pub(super) async fn discard(
    settings: &Settings,
    calls: &Calls<'_>,
    made_by: StepId,
    artifact: Option<&Artifact>,
) -> Result<Outcome<()>, Error> {
    let kept = artifact.and_then(|artifact| Kept::of(artifact).ok());
    let state = Discarding::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let all = calls.ask(calls.trove.all_backups(false)).await?;
    let mut run = Run { calls, all: &all, state };
    let name = marks::name(made_by);
    let recorded = |it: &Backup| kept.as_ref().is_some_and(|kept| kept.backup == it.id);
    let own: Vec<_> = all.iter().filter(|it| (it.name == name || recorded(it)) && Mark::of(it).is_some()).collect();
    if own.is_empty() {
        run.state.parents.extend(kept.and_then(|kept| kept.parent));
    }
    let mut going = Vec::new();
    for backup in own {
        going.extend(run.remove(backup).await?);
    }
    if going.is_empty() {
        going = run.sweep().await?;
    }
    let Run { state, .. } = run;
    gone_or_later(&settings.patience, calls.ctx.now, state.wait, &going, |wait| Discarding { wait, ..state })
}

/// One run.
struct Run<'a> {
    calls: &'a Calls<'a>,
    /// Every backup of the project, whoever made it.
    all: &'a [Backup],
    state: Discarding,
}

/// What is built on a backup lets it
enum Lets {
    Go,
    /// Not yet; in words.
    Wait(String),
    Stay,
}

impl Run<'_> {
    /// What is going on still; `None`: it is gone as far as anybody sees.
    async fn remove(&mut self, backup: &Backup) -> Result<Option<String>, Error> {
        let id = &backup.id;
        if backup.status == "DELETE_FAILED" {
            return Err(Error::permanent(format!(
                "Trove could not delete backup {id} (DELETE_FAILED), and says no reason: see to the object store; an \
                 administrator has to clean up"
            )));
        }
        if self.state.asked.contains(id) {
            return Ok(Some(format!("backup {id} ({})", backup.status)));
        }
        match self.lets(id).await? {
            Lets::Stay => {
                tracing::info!(backup = id, "others are built on this backup; it is removed with the last of them");
                return Ok(None);
            }
            Lets::Wait(what) => return Ok(Some(what)),
            Lets::Go => {}
        }
        match self.calls.act(self.calls.trove.delete_backup(id)).await? {
            Ok(()) => {
                self.state.asked.insert(id.clone());
                self.state.parents.extend(backup.parent_id.clone());
                Ok(Some(format!("backup {id}")))
            }
            // It is still being made.
            Err(error) if calls::is_busy(&error) => Ok(Some(format!("backup {id}: {error}"))),
            Err(error) => Err(calls::refused(error)),
        }
    }

    async fn lets(&self, id: &str) -> Result<Lets, Error> {
        let mut wait = None;
        for other in descendants(self.all, id) {
            let Some(mark) = Mark::of(other) else { return Ok(Lets::Stay) };
            match standing(self.calls, &mark).await? {
                Standing::Kept => return Ok(Lets::Stay),
                Standing::Forgotten if !self.state.asked.contains(&other.id) => {}
                _ => wait = Some(format!("backup {}, which is built on {id}", other.id)),
            }
        }
        Ok(wait.map_or(Lets::Go, Lets::Wait))
    }

    /// What the removed were built on, if nobody knows of it any more.
    async fn sweep(&mut self) -> Result<Vec<String>, Error> {
        let mut going = Vec::new();
        for id in self.state.parents.clone() {
            let found = self.all.iter().find(|backup| backup.id == id);
            let Some((backup, mark)) = found.and_then(|it| Some((it, Mark::of(it)?))) else { continue };
            match standing(self.calls, &mark).await? {
                Standing::Kept => {}
                _ if backup.status == "DELETE_FAILED" => {
                    tracing::warn!(backup = id, "a condemned backup could not be deleted");
                }
                Standing::Forgotten => going.extend(self.remove(backup).await?),
                Standing::Leaving if matches!(self.lets(&id).await?, Lets::Stay) => {}
                Standing::Leaving => going.push(format!("backup {id}, which is being deleted")),
            }
        }
        Ok(going)
    }
}
