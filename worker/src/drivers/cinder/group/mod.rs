//! Volumes of one group are cut at once, by a Cinder snapshot of the group, if all of the group are in the snapshot.
//!
//! Each volume has a step of its own, so one of them, the *leader* (the first of the group in the stage), takes the group's
//! snapshot; the others wait for it. Then each takes its own part of it for its own: an ordinary snapshot, which gets the
//! step's name and marks. The group's snapshot has no metadata: it is found by the leader's name.
//!
//! - *Together or alone* is asked once, by the same facts for all: the group's volumes, as Cinder has them, and what else the
//!   stage works on, as the records have it. A volume that is not in the snapshot would get one all the same, which nobody
//!   asked for and which its owner could not delete; so then each is cut by itself.
//! - *A leader that does not get there*: Cinder refuses to take the group's snapshot, so the leader cuts its own volume
//!   by itself. Its step has ended then, and there is none of the group's: so do the others.
//! - *Parts go as a whole*: Cinder deletes no part alone. Where a backup has been made of it, a part is marked as done, and
//!   whoever marks the last one deletes the group's snapshot. A discard deletes it whatever is marked: a snapshot is discarded as
//!   a whole. Neither does it while a part is at work, for Cinder would not wait for that.
//!
//! Which group type it is, and so whether its backend cuts all at one moment or one right after the other, Cinder tells to
//! administrators only; either is nearer to one moment than steps are.

mod whole;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_openstack::cinder::{GroupSnapshot, Volume};

use self::whole::AGroupSnapshot;
pub(super) use self::whole::{Over, is_done_with, made_by, remove_whole};
use super::things::is;
use super::{Settings, TYPE};
use crate::driver::Error;
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::{Is, Making, Step, make};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::Wait;

/// Whether a volume that is in a group is cut with it.
pub(super) enum Way {
    Together(Cutting),
    /// And why.
    Alone(String),
}

/// How far it is; part of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cutting {
    leader: StepId,
    #[serde(default)]
    making: Making,
    #[serde(default)]
    wait: Wait,
}

/// What one run got to.
pub(super) enum Now {
    Cut {
        group_snapshot: String,
        part: String,
    },
    Later(Duration, Cutting),
    /// It can't be done together, and why.
    Alone(String),
}

pub(super) async fn way(calls: &Calls<'_>, group: &str) -> Result<Way, Error> {
    let ctx = calls.ctx;
    let members = calls.ask(calls.cinder.volumes_in(group)).await?;
    let mut beside = ctx.records.beside(&ctx.project, ctx.step).await?;
    beside
        .retain(|it| it.resource.kind == TYPE && members.iter().any(|member| is_it(member, &it.resource.external_id)));
    let of = |member: &Volume| beside.iter().find(|it| is_it(member, &it.resource.external_id));
    let others: Vec<_> = members.iter().filter(|it| of(it).is_none()).map(|it| it.id.as_str()).collect();
    if !others.is_empty() {
        let others = others.join(", ");
        return Ok(Way::Alone(format!("what else is in the group is not in this snapshot (volume {others})")));
    }
    if let Some(leaves) = beside.iter().find(|it| it.leaves) {
        let name = &leaves.resource.name;
        return Ok(Way::Alone(format!("{name} leaves the stack, and Cinder deletes no volume that has a snapshot")));
    }
    match beside.iter().map(|it| it.step).min() {
        Some(leader) => Ok(Way::Together(Cutting { leader, making: Making::default(), wait: Wait::default() })),
        None => Ok(Way::Alone("nobody knows what else is cut now".to_owned())),
    }
}

fn is_it(volume: &Volume, physical_id: &Option<String>) -> bool {
    physical_id.as_ref() == Some(&volume.id)
}

/// One run of the cut of a volume that is cut with its group.
pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    pub(super) calls: &'a Calls<'a>,
    pub(super) group: &'a str,
    pub(super) volume: &'a str,
}

impl Run<'_> {
    pub(super) async fn cut(&self, cutting: Cutting) -> Result<Now, Error> {
        let Self { settings, calls, group, .. } = *self;
        if cutting.leader != calls.ctx.step {
            return self.follow(cutting).await;
        }
        let thing = AGroupSnapshot { calls, group };
        match make(&settings.patience, calls.ctx, &thing, cutting.making.clone()).await {
            Ok(Step::There(found)) => self.claim(&found.id, cutting).await,
            Ok(Step::Later(after, making)) => Ok(Now::Later(after, Cutting { making, ..cutting })),
            Err(Error::Unsupported(why)) => Ok(Now::Alone(why)),
            Err(error) => Err(error),
        }
    }

    /// Waits for what the leader takes.
    async fn follow(&self, cutting: Cutting) -> Result<Now, Error> {
        let (calls, ctx) = (self.calls, self.calls.ctx);
        // Asked first: it may end between two questions.
        let ended = ctx.records.has_ended(&ctx.project, cutting.leader).await?;
        let mut found = calls.ask(calls.cinder.group_snapshots_of(self.group)).await?;
        found.retain(|it| of_stage(it, ctx.step) && it.status != "deleting");
        found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        // Of two one goes yet, as long as the leader is at it.
        let settled = ended || found.len() == 1;
        match found.iter().find(|it| it.status == "available") {
            Some(one) if settled => self.claim(&one.id, cutting).await,
            // What has come to nothing is left to who made it.
            None if ended => Ok(Now::Alone("the step that was to cut the whole group has ended without it".to_owned())),
            _ => self.again(cutting, "the snapshot of the whole group is not there yet"),
        }
    }

    /// The volume's part of what was taken becomes this step's own.
    async fn claim(&self, group_snapshot: &str, cutting: Cutting) -> Result<Now, Error> {
        let (calls, ctx) = (self.calls, self.calls.ctx);
        let parts = calls.ask(calls.cinder.snapshots_of(self.volume)).await?;
        let Some(part) = parts.into_iter().find(|it| it.group_snapshot_id.as_deref() == Some(group_snapshot)) else {
            return Ok(Now::Alone(format!("it was in the group no more when {group_snapshot} was taken")));
        };
        let name = marks::name(ctx.step);
        if part.name != name || !marks::is_ours(&part.metadata) {
            let (description, metadata) = (marks::description(ctx), marks::metadata(ctx));
            calls.act(calls.cinder.rename_snapshot(&part.id, &name, &description)).await?.map_err(call::error)?;
            calls.act(calls.cinder.mark_snapshot(&part.id, &metadata)).await?.map_err(call::error)?;
        }
        let (id, status) = (part.id, part.status);
        match is(&status) {
            Is::There => Ok(Now::Cut { group_snapshot: group_snapshot.to_owned(), part: id }),
            Is::Coming => self.again(cutting, &format!("snapshot {id} is still {status}")),
            Is::Leaving | Is::Stuck | Is::Failed => Err(Error::permanent(format!(
                "snapshot {id} is {status}; it is a part of the group's snapshot {group_snapshot}"
            ))),
        }
    }

    /// Looked at again after a pause; `what` is going on.
    fn again(&self, cutting: Cutting, what: &str) -> Result<Now, Error> {
        match cutting.wait.on(&self.settings.patience, self.calls.ctx.now) {
            Some((wait, after)) => Ok(Now::Later(after, Cutting { wait, ..cutting })),
            None => Err(self.settings.patience.is_over(what)),
        }
    }
}

/// Whoever of the stage has made it.
fn of_stage(snapshot: &GroupSnapshot, step: StepId) -> bool {
    marks::step(&snapshot.name).is_some_and(|it| (it.operation, it.stage) == (step.operation, step.stage))
}
