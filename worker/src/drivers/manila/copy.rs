//! Cut and copy.
//!
//! A cut is a Manila snapshot. A copy has nothing more to do, but for a safety snapshot of a share that can be taken back, or
//! that leaves the stack: from its snapshot a share is made, which is the copy, and the snapshot goes, since it would be in the
//! way. What the share is besides its bytes is noted when it is first looked at, and goes through the checkpoints into the
//! artifact.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::manila::Share;

use super::kept::{Facts, Kept};
use super::things::{AShare, ASnapshot, or_on_its_way};
use super::{Settings, state};
use crate::driver::{Cut, Error, Outcome, Safety};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::{Wait, later};

/// A cut, and the checkpoint of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Snapped {
    facts: Facts,
    /// The copy is to be a share.
    #[serde(default)]
    apart: bool,
    #[serde(default)]
    making: Making,
    /// Once it is there.
    #[serde(default)]
    snapshot: Option<String>,
}

/// The checkpoint of a copy that is a share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Copying {
    #[serde(default)]
    sharing: Making,
    /// Once it is there: how long its snapshot has been waited for to go.
    #[serde(default)]
    copy: Option<String>,
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn cut(settings: &Settings, calls: &Calls<'_>) -> Result<Outcome<Cut>, Error> {
    let cutting = match Snapped::deserialize(&calls.ctx.checkpoint) {
        Ok(cutting) => cutting,
        Err(_) => {
            let share = state::target(calls).await?;
            if why_not(calls, &share).is_some() {
                return Ok(Outcome::Done(Cut::None));
            }
            let rules = calls.ask(calls.manila.rules(&share.id)).await?;
            let can = share.create_share_from_snapshot_support;
            let in_the_way = share.revert_to_snapshot_support || calls.ctx.leaves;
            let apart = can && in_the_way && calls.ctx.safety == Safety::This;
            Snapped { facts: Facts::new(&share, &rules), apart, making: Making::default(), snapshot: None }
        }
    };
    let thing = ASnapshot { ctx: calls.ctx, manila: &calls.manila, share: &cutting.facts.share };
    match make(&settings.patience, calls.ctx, &thing, cutting.making.clone()).await? {
        Step::There(found) => Ok(Outcome::Done(Cut::Durable(json!(Snapped { snapshot: Some(found.id), ..cutting })))),
        Step::Later(after, making) => later(after, &Snapped { making, ..cutting }),
    }
}

/// Why nothing is kept of a share.
fn why_not(calls: &Calls<'_>, share: &Share) -> Option<String> {
    if !share.snapshot_support {
        return Some(state::no_snapshots(share));
    }
    // Manila deletes no share that has a snapshot, and Heat is about to delete this one.
    (calls.ctx.leaves && !share.create_share_from_snapshot_support).then(|| {
        format!(
            "the restore takes share {} out of the stack, and no share can be made from a snapshot of it: its share type is \
             not one with create_share_from_snapshot_support",
            share.id
        )
    })
}

pub(super) async fn copy(settings: &Settings, calls: &Calls<'_>, cut: Cut) -> Result<Outcome<Artifact>, Error> {
    let ctx = calls.ctx;
    let Cut::Durable(cut) = cut else {
        let share = state::target(calls).await?;
        let why = why_not(calls, &share).unwrap_or_else(|| state::no_snapshots(&share));
        return Ok(Outcome::Done(ctx.unprotected(why)));
    };
    let unreadable =
        |error: &dyn std::fmt::Display| Error::permanent(format!("what was noted of the cut can't be read: {error}"));
    let snapped = Snapped::deserialize(&cut).map_err(|error| unreadable(&error))?;
    let snapshot = snapped.snapshot.ok_or_else(|| unreadable(&"it names no snapshot"))?;
    ctx.progress.expect(snapped.facts.size * super::GIB, 0);
    if !snapped.apart {
        return done(calls, Kept { facts: snapped.facts, snapshot: Some(snapshot), copy: None });
    }
    let copying = Copying::deserialize(&ctx.checkpoint).unwrap_or_default();
    match copying.copy.clone() {
        None => set_apart(settings, calls, snapped.facts, &snapshot, copying).await,
        Some(copy) => drop_snapshot(settings, calls, snapped.facts, &snapshot, copy, copying).await,
    }
}

async fn set_apart(
    settings: &Settings,
    calls: &Calls<'_>,
    facts: Facts,
    snapshot: &str,
    copying: Copying,
) -> Result<Outcome<Artifact>, Error> {
    let (ctx, manila) = (calls.ctx, &calls.manila);
    let thing = AShare { ctx, manila, snapshot, protocol: &facts.protocol, size: facts.size, half: false };
    let made = make(&settings.patience, ctx, &thing, copying.sharing.clone()).await.map_err(|error| match error {
        // The share itself may be there all the same: it is not to be gone without.
        Error::Gone(why) => Error::Permanent(format!("{why}; it was deleted while a copy was made from it")),
        other => other,
    });
    match made? {
        Step::Later(after, sharing) => later(after, &Copying { sharing, ..copying }),
        Step::There(found) => later(Duration::ZERO, &Copying { copy: Some(found.id), ..copying }),
    }
}

/// The copy is there: its snapshot goes. One that does not go is in the way of the restore that the copy is made for.
async fn drop_snapshot(
    settings: &Settings,
    calls: &Calls<'_>,
    facts: Facts,
    snapshot: &str,
    copy: String,
    copying: Copying,
) -> Result<Outcome<Artifact>, Error> {
    let found = calls.find(calls.manila.snapshot(snapshot)).await?;
    let status = match found.map(|found| found.status) {
        None => return done(calls, Kept { facts, snapshot: None, copy: Some(copy) }),
        Some(status) => status,
    };
    if ["error_deleting", "error_deferred_deleting"].contains(&status.as_str()) {
        return Err(Error::permanent(format!(
            "Manila could not delete snapshot {snapshot} ({status}), from which share {copy} was made to keep what is there \
             now: it would be in the way of the restore. An administrator has to see to it; a restore without a safety \
             snapshot (--no-safety) needs none"
        )));
    }
    if ["available", "error"].contains(&status.as_str()) {
        let deleted = calls.act(calls.manila.delete_snapshot(snapshot)).await?;
        or_on_its_way(deleted).map_err(call::error)?;
    }
    match copying.wait.on(&settings.patience, calls.ctx.now) {
        Some((wait, after)) => later(after, &Copying { wait, ..copying }),
        None => Err(settings.patience.is_over(&format!("snapshot {snapshot} is still there ({status})"))),
    }
}

fn done(calls: &Calls<'_>, kept: Kept) -> Result<Outcome<Artifact>, Error> {
    calls.ctx.progress.add_bytes(kept.bytes());
    Ok(Outcome::Done(kept.artifact(calls.ctx)?))
}
