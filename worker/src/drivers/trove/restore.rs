//! Another instance, made from the backup.
//!
//! 1. *Begin*: the backup is there and well, with all that it is built on.
//! 2. *Make*: an instance of the same flavor, volume, datastore, network, configuration group and access, under a name that
//!    says whose it is. Trove takes its time: it copies and starts the database, and says `ACTIVE` when that answers.
//! 3. *Name*: it gets the old one's name. Its id is in the checkpoint by now.
//! 4. *Clear*: what an earlier restore of this resource left half-made, because it was stopped, is taken away. Trove deletes
//!    nothing that it is building, so that one is waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Preview};

use super::Settings;
use super::calls::{self, Calls};
use super::kept::{Kept, NOT_IN_HEAT};
use super::marks;
use super::things::AnInstance;
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::{Wait, later};

/// How far a restore is; its checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Restoring {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
    /// Half-made instances that Trove was told to delete.
    #[serde(default)]
    asked: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Begin,
    Make(Making),
    Name {
        instance: String,
    },
    Clear {
        instance: String,
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
    calls.ctx.progress.expect(artifact.bytes, 0);
    let state = Restoring::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let run = Run { settings, calls, kept, state };
    match run.state.phase.clone() {
        Phase::Begin => run.begin().await,
        Phase::Make(making) => run.make(making).await,
        Phase::Name { instance } => run.name(instance).await,
        Phase::Clear { instance } => run.clear(instance, artifact.bytes).await,
    }
}

/// What is wrong with the backup, or with what it is built on.
pub(super) async fn problems(calls: &Calls<'_>, kept: &Kept) -> Result<Vec<String>, Error> {
    let (mut problems, mut seen, mut next) = (Vec::new(), BTreeSet::new(), Some(kept.backup.clone()));
    while let Some(id) = next.take().filter(|id| seen.insert(id.clone())) {
        let what =
            if id == kept.backup { format!("backup {id}") } else { format!("backup {id}, which it is built on,") };
        let Some(backup) = calls.find(calls.trove.backup(&id)).await? else {
            problems.push(format!("{what} is not there any more: somebody else removed it"));
            break;
        };
        if !["COMPLETED", "RESTORED"].contains(&backup.status.as_str()) {
            problems.push(format!("{what} is {}", backup.status));
        }
        if id == kept.backup && backup.size.is_some_and(|size| size != kept.size) {
            let (now, then) = (backup.size.unwrap_or_default(), kept.size);
            problems.push(format!("{what} has {now} GB and had {then}"));
        }
        next = backup.parent_id;
    }
    Ok(problems)
}

impl Run<'_> {
    /// The next phase, at once or after a pause.
    fn then(&self, phase: Phase, after: Duration) -> Result<Outcome<Preview>, Error> {
        later(after, &Restoring { phase, wait: Wait::default(), ..self.state.clone() })
    }

    async fn begin(self) -> Result<Outcome<Preview>, Error> {
        if !self.calls.ctx.may_move {
            return Err(Error::permanent(by_hand(&self.kept)));
        }
        let problems = problems(self.calls, &self.kept).await?;
        if !problems.is_empty() {
            return Err(Error::permanent(problems.join("; ")));
        }
        self.then(Phase::Make(Making::default()), Duration::ZERO)
    }

    async fn make(self, making: Making) -> Result<Outcome<Preview>, Error> {
        let calls = self.calls;
        let new = self.kept.new_instance(marks::half_made(calls.ctx));
        let thing = AnInstance { ctx: calls.ctx, trove: &calls.trove, new };
        match make(&self.settings.patience, calls.ctx, &thing, making).await? {
            Step::Later(after, making) => later(after, &Restoring { phase: Phase::Make(making), ..self.state.clone() }),
            Step::There(found) => self.then(Phase::Name { instance: found.id }, Duration::ZERO),
        }
    }

    async fn name(self, id: String) -> Result<Outcome<Preview>, Error> {
        let calls = self.calls;
        let renamed = calls.act(calls.trove.rename_instance(&id, &self.kept.facts.name)).await?;
        match renamed {
            Ok(()) => self.then(Phase::Clear { instance: id }, Duration::ZERO),
            Err(error) if error.is_gone() => {
                Err(Error::permanent(format!("instance {id} was deleted when it was just restored")))
            }
            Err(error) if calls::is_busy(&error) => self.again(&format!("instance {id} can't be named: {error}")),
            Err(error) => Err(calls::refused(error)),
        }
    }

    async fn clear(mut self, id: String, bytes: u64) -> Result<Outcome<Preview>, Error> {
        let calls = self.calls;
        let mut left = calls.ask(calls.trove.all_instances(false)).await?;
        left.retain(|it| it.id != id && marks::is_left(calls.ctx, &it.name));
        for half in &left {
            if half.status == "SHUTDOWN" || self.state.asked.contains(&half.id) {
                continue;
            }
            match calls.act(calls.trove.delete_instance(&half.id)).await? {
                Ok(()) => drop(self.state.asked.insert(half.id.clone())),
                Err(error) if calls::is_busy(&error) => {}
                Err(error) => return Err(calls::refused(error)),
            }
        }
        if let Some(half) = left.first() {
            let (id, status) = (&half.id, &half.status);
            return self.again(&format!("instance {id}, which an earlier restore left half-made, is still {status}"));
        }
        calls.ctx.progress.add_bytes(bytes);
        Ok(Outcome::Done(Preview {
            creates: 1,
            bytes,
            sample: vec![format!("create instance {id} from backup {}", self.kept.backup)],
            notes: stays(calls, &self.kept).await?.into_iter().collect(),
            physical_id: Some(id),
            ..Preview::default()
        }))
    }

    /// The same phase after a pause; `what` is going on, for whoever reads that it took too long.
    fn again(&self, what: &str) -> Result<Outcome<Preview>, Error> {
        match self.state.wait.on(&self.settings.patience, self.calls.ctx.now) {
            Some((wait, pause)) => later(pause, &Restoring { wait, ..self.state.clone() }),
            None => Err(self.settings.patience.is_over(what)),
        }
    }
}

/// Of the instance that is in the stack now, if it is there.
pub(super) async fn stays(calls: &Calls<'_>, kept: &Kept) -> Result<Option<String>, Error> {
    let now = calls.ctx.current.as_ref().and_then(|current| current.external_id.clone());
    let id = now.or_else(|| calls.ctx.resource.external_id.clone()).unwrap_or_else(|| kept.facts.instance.clone());
    let found = calls.find(calls.trove.instance(&id)).await?;
    Ok(found.map(|_| {
        format!(
            "instance {id} stays as it is, with its address and its data, and is no member of the stack any more: nobody \
             but you deletes it (openstack database instance delete {id})"
        )
    }))
}

/// Where the stack's record can't take another instance.
pub(super) fn by_hand(kept: &Kept) -> String {
    let Kept { facts, backup, .. } = kept;
    format!(
        "{NOT_IN_HEAT}. Make one beside it (openstack database instance create --backup {backup} --flavor {} …), and restore \
         the stack's other resources by their names",
        facts.flavor
    )
}
