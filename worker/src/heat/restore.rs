//! Heat brings the stack back to the snapshot's template, by an ordinary update (`PATCH`, which keeps what it does not
//! name). Nothing is rewritten in the template, so the user's next update works.
//!
//! 1. The stack is as it was last seen: that is written down as the state *before*.
//! 2. Still as before: the update is sent. No longer as before, and its template is the one we were about to send: a
//!    run of ours sent it and died. Anything else is somebody else's change.
//! 3. Sent: looked at with growing pauses until Heat has ended. Then it is noted where the stack's resources are now.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stacksnap_common::heat::Seen;
use stacksnap_common::store::Ended;
use stacksnap_openstack::heat::Stack;

use super::At;
use crate::driver::Error;
use crate::verbs::{Ran, done};

/// A pause between two looks grows up to this.
const LONGEST: Duration = Duration::from_secs(10);
/// Looks after which an update that Heat accepted and shows no trace of is taken for lost.
const NO_TRACE: u32 = 30;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checkpoint {
    before: Seen,
    sent: bool,
    looks: u32,
}

pub(super) async fn run(at: &At<'_>) -> Result<Ran, Error> {
    let stack = at.stack().await?;
    match serde_json::from_value::<Checkpoint>(at.ctx.checkpoint.clone()) {
        Err(_) => begin(at, &stack).await,
        Ok(checkpoint) if !checkpoint.sent => send(at, &stack, checkpoint).await,
        Ok(checkpoint) => look(at, &stack, checkpoint).await,
    }
}

async fn begin(at: &At<'_>, stack: &Stack) -> Result<Ran, Error> {
    let now = at.seen(stack).await?;
    if now.in_progress() || !at.shadow().await?.seen.same(&now) {
        at.note(&now).await?;
        return Err(super::changed(&now));
    }
    Ok(later(Duration::ZERO, &Checkpoint { before: now, sent: false, looks: 0 }))
}

async fn send(at: &At<'_>, stack: &Stack, checkpoint: Checkpoint) -> Result<Ran, Error> {
    let target = at.target().await?;
    let sent = Checkpoint { sent: true, ..checkpoint };
    let now = super::state(stack);
    if !sent.before.same(&now) {
        let template = at.heat.template(&at.name, &at.id).await.map_err(super::cloud)?;
        if now.action() == "UPDATE" && target.is(&template) {
            tracing::info!(step = %at.ctx.step, "the update was sent by an earlier run");
            return Ok(later(Duration::ZERO, &sent));
        }
        at.note(&at.seen(stack).await?).await?;
        return Err(super::changed(&now));
    }
    at.ctx.go_on()?;
    at.heat.update(&at.name, &at.id, &target.update()).await.map_err(super::cloud)?;
    Ok(later(Duration::from_secs(1), &sent))
}

async fn look(at: &At<'_>, stack: &Stack, checkpoint: Checkpoint) -> Result<Ran, Error> {
    let now = at.seen(stack).await?;
    let looks = checkpoint.looks + 1;
    let no_trace = checkpoint.before.same(&now) && checkpoint.before.event == now.event;
    if now.in_progress() || (no_trace && looks < NO_TRACE) {
        // 1 s for the first few, then longer.
        let pause = Duration::from_secs(u64::from(1 + looks / 5)).min(LONGEST);
        return Ok(later(pause, &Checkpoint { looks, ..checkpoint }));
    }
    at.note(&now).await?;
    if no_trace {
        return Err(Error::permanent("Heat accepted the update to the snapshot's template and never began it"));
    }
    if now.status == "UPDATE_COMPLETE" {
        at.find_resources().await?;
        return Ok(done(None, Value::Null));
    }
    let reason = stack.stack_status_reason.as_deref().unwrap_or("no reason given");
    let (status, reason) = (&now.status, reason);
    Err(Error::permanent(format!("Heat could not bring the stack back to the snapshot's template: {status}: {reason}")))
}

fn later(after: Duration, checkpoint: &Checkpoint) -> Ran {
    Ended::Later { after, checkpoint: json!(checkpoint) }.into()
}
