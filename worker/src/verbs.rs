//! What each verb asks of a driver, and what its answer means for the record.

use std::sync::Arc;

use serde_json::{Value, json};
use stacksnap_common::kinds::CutKind;
use stacksnap_common::metrics;
use stacksnap_common::operation::{Kind, Verb};
use stacksnap_common::store::{Claimed, Ended};
use stacksnap_common::types::{Artifact, Consistency, Preview, Resource};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::{Ctx, Cut, Driver, Error, Outcome, Safety};
use crate::heat;
use crate::lease::Lease;
use crate::orphans::known::OfStore;
use crate::progress::Progress;
use crate::seal;
use crate::slots::Slot;

/// A cut that this process holds, and the right to hold one.
pub(crate) struct Session {
    held: Box<dyn std::any::Any + Send>,
    slot: Slot,
}

/// How a run ended, and the session if it was a cut that is held.
pub(crate) struct Ran {
    pub(crate) ended: Option<Ended>,
    pub(crate) session: Option<Session>,
}

impl From<Ended> for Ran {
    fn from(ended: Ended) -> Self {
        Self { ended: Some(ended), session: None }
    }
}

pub(crate) fn context(
    shared: &Shared,
    claimed: &Claimed,
    lease: Lease,
    cancel: CancellationToken,
    progress: Progress,
) -> Ctx {
    let nothing = || Resource {
        name: shared.whole.clone(),
        kind: String::new(),
        external_id: None,
        properties: Default::default(),
        depends_on: Vec::new(),
        pool: claimed.item.pool.clone(),
        data: Value::Null,
    };
    Ctx {
        step: claimed.step,
        project: claimed.operation.project.clone(),
        stack: claimed.operation.stack,
        snapshot: claimed.snapshot,
        resource: Arc::new(claimed.item.resource.clone().unwrap_or_else(nothing)),
        current: claimed.current.clone().map(Arc::new),
        may_move: shared.heat.is_none(),
        safety: safety(claimed),
        volumes: claimed.operation.options.volumes,
        servers: claimed.operation.options.servers,
        leaves: claimed.item.leaves,
        checkpoint: claimed.item.checkpoint.clone(),
        progress,
        cancel,
        lease,
        vault: Arc::clone(&shared.vaults),
        cloud: shared.clouds.of_step(&shared.store, &claimed.operation.project, claimed.operation.grant),
        records: Arc::new(OfStore(shared.store.clone())),
        now: claimed.at,
    }
}

fn safety(claimed: &Claimed) -> Safety {
    match claimed.operation.safety {
        None => Safety::None,
        safety if safety == claimed.snapshot => Safety::This,
        Some(_) => Safety::Before,
    }
}

pub(crate) async fn run(shared: &Shared, ctx: &Ctx, claimed: &Claimed, session: Option<Session>) -> Result<Ran, Error> {
    if claimed.verb.of_whole() {
        return seal::run(shared, ctx, claimed).await;
    }
    if claimed.item.resource.is_none() {
        return heat::run(shared, ctx, claimed).await;
    }
    let Some(driver) = shared.drivers.get(&ctx.resource.kind) else {
        return Err(Error::Transient {
            reason: format!("this worker has no driver for {}", ctx.resource.kind),
            after: None,
            away: false,
        });
    };
    match claimed.verb {
        Verb::Check => {
            let found = driver.act(ctx, doing(claimed)).await?;
            Ok(outcome(found, |found| done(None, json!({ "warnings": found.warnings }))))
        }
        Verb::Quiesce => Ok(simple(driver.quiesce(ctx).await?)),
        Verb::Thaw => Ok(simple(driver.thaw(ctx).await?)),
        Verb::Cut => cut(shared, ctx, &*driver).await,
        Verb::Copy => copy(shared, ctx, claimed, &*driver, session).await,
        Verb::Preview => preview(ctx, claimed, &*driver).await,
        Verb::Restore => {
            let did = outcome(driver.restore(ctx, artifact(claimed)?).await?, |did| {
                metrics::bytes(metrics::Direction::Restored, did.bytes);
                done(None, to_value(&did))
            });
            Ok(did)
        }
        Verb::Discard => discard(ctx, claimed, &*driver).await,
        Verb::Verify => {
            let verdict = driver.verify(ctx, artifact(claimed)?).await?;
            Ok(outcome(verdict, |verdict| {
                if verdict.ok {
                    return done(None, to_value(&verdict));
                }
                let reason = format!("the snapshot's data is damaged: {}", verdict.problems.join("; "));
                Ended::Failed { reason, gone: false }.into()
            }))
        }
        Verb::Seal | Verb::Unseal => Err(Error::permanent("a resource can't be sealed")),
    }
}

/// What an operation does to the resource: what an update adds is created.
fn doing(claimed: &Claimed) -> Kind {
    let operation = &claimed.operation;
    let is_new = claimed.item.resource.as_ref().is_some_and(|it| operation.changes.added.contains(&it.name));
    if operation.kind == Kind::Update && is_new { Kind::Create } else { operation.kind }
}

async fn cut(shared: &Shared, ctx: &Ctx, driver: &dyn Driver) -> Result<Ran, Error> {
    let (cut, slot) = held_cut(shared, ctx, driver).await?;
    let at = shared.now().await?;
    Ok(match cut {
        Outcome::Later { after, checkpoint } => Ended::Later { after, checkpoint }.into(),
        Outcome::Done(Cut::Durable(cut)) => Ended::Cut { cut, at }.into(),
        Outcome::Done(Cut::None) => Ended::Cut { cut: Value::Null, at }.into(),
        Outcome::Done(Cut::Held(held)) => {
            let slot = slot.ok_or_else(|| Error::permanent("a type that is not held returned a held cut"))?;
            Ran { ended: Some(Ended::Held { at }), session: Some(Session { held, slot }) }
        }
    })
}

/// Cuts; of a type whose cuts are held only when one more may be held here.
async fn held_cut(shared: &Shared, ctx: &Ctx, driver: &dyn Driver) -> Result<(Outcome<Cut>, Option<Slot>), Error> {
    let mut slot = None;
    if is_held(shared, ctx) {
        slot = tokio::select! {
            () = ctx.cancel.cancelled() => return Err(Error::Cancelled),
            slot = shared.slots.hold() => slot,
        };
    }
    Ok((driver.cut(ctx).await?, slot))
}

fn is_held(shared: &Shared, ctx: &Ctx) -> bool {
    shared.store.kinds.get(&ctx.resource.kind).is_some_and(|kind| kind.cut == CutKind::Held)
}

async fn copy(
    shared: &Shared,
    ctx: &Ctx,
    claimed: &Claimed,
    driver: &dyn Driver,
    session: Option<Session>,
) -> Result<Ran, Error> {
    let item = &claimed.item;
    let mut lost = item.cut_lost;
    let mut cut_at = item.cut_at;
    let (cut, slot) = match session {
        Some(Session { held, slot }) => (Cut::Held(held), Some(slot)),
        None if is_held(shared, ctx) => {
            // The worker that held the cut is gone: another one, outside of any freeze.
            lost = true;
            let (cut, slot) = held_cut(shared, ctx, driver).await?;
            cut_at = Some(shared.now().await?);
            match cut {
                Outcome::Later { after, checkpoint } => return Ok(Ended::Later { after, checkpoint }.into()),
                Outcome::Done(cut) => (cut, slot),
            }
        }
        None if item.cut.is_null() => (Cut::None, None),
        None => (Cut::Durable(item.cut.clone()), None),
    };
    let began = shared.now().await?;
    let copied = driver.copy(ctx, cut).await?;
    drop(slot);
    Ok(outcome(copied, |mut artifact: Artifact| {
        artifact.cut_at = cut_at.or(Some(began));
        if lost {
            artifact.consistency = artifact.consistency.min(Consistency::Crash);
        }
        metrics::bytes(metrics::Direction::Protected, artifact.bytes);
        done(Some(Box::new(artifact)), Value::Null)
    }))
}

/// A restore is refused here, before anything is touched, if something stands in its way.
async fn preview(ctx: &Ctx, claimed: &Claimed, driver: &dyn Driver) -> Result<Ran, Error> {
    let preview = driver.preview(ctx, artifact(claimed)?).await?;
    Ok(outcome(preview, |preview| previewed(claimed, preview)))
}

pub(crate) fn previewed(claimed: &Claimed, preview: Preview) -> Ran {
    if claimed.operation.kind == Kind::Restore && !preview.blockers.is_empty() {
        let reason = format!("can't be restored: {}", preview.blockers.join("; "));
        return Ended::Failed { reason, gone: false }.into();
    }
    done(None, to_value(&preview))
}

/// What a restore that has not come to its end did and did not.
pub(crate) async fn half_restored(shared: &Shared, ctx: &Ctx) -> Value {
    match shared.drivers.get(&ctx.resource.kind) {
        Some(driver) => driver.half_restored(ctx).await,
        None => Value::Null,
    }
}

/// Removes what every step that tried left behind, recorded or not.
async fn discard(ctx: &Ctx, claimed: &Claimed, driver: &dyn Driver) -> Result<Ran, Error> {
    let artifact = claimed.artifact.as_ref().filter(|artifact| artifact.protected);
    let mut made_by = claimed.item.tried.clone();
    made_by.extend(claimed.artifact.iter().flat_map(Artifact::made_by));
    made_by.sort();
    made_by.dedup();
    for step in made_by {
        let of_step = artifact.filter(|artifact| artifact.step == step);
        if let Outcome::Later { after, checkpoint } = driver.discard(ctx, step, of_step).await? {
            return Ok(Ended::Later { after, checkpoint }.into());
        }
    }
    Ok(done(None, Value::Null))
}

fn artifact(claimed: &Claimed) -> Result<&Artifact, Error> {
    claimed
        .artifact
        .as_ref()
        .filter(|artifact| artifact.protected)
        .ok_or_else(|| Error::Gone("the snapshot holds nothing of this resource".to_owned()))
}

fn simple(done_or_later: Outcome<()>) -> Ran {
    outcome(done_or_later, |()| done(None, Value::Null))
}

fn outcome<T>(outcome: Outcome<T>, then: impl FnOnce(T) -> Ran) -> Ran {
    match outcome {
        Outcome::Done(value) => then(value),
        Outcome::Later { after, checkpoint } => Ended::Later { after, checkpoint }.into(),
    }
}

pub(crate) fn done(artifact: Option<Box<Artifact>>, result: Value) -> Ran {
    Ended::Done { artifact, result }.into()
}

fn to_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
