//! What a step left over there is taken away, and waited for until it is gone. With the stack its snapshots are gone too.

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;

use super::copy::{pause, remove};
use super::there::There;
use super::{Kept, Settings, Wait, later, name};
use crate::driver::{Error, Outcome};

/// The checkpoint.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Discarding {
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn discard(
    settings: &Settings,
    there: &There<'_>,
    made_by: StepId,
    kept: Option<&Kept>,
) -> Result<Outcome<()>, Error> {
    let id = kept.map_or_else(|| there.id(), |kept| Ok(&kept.stack))?;
    let Some(stack) = there.ask(there.heat.find_stack(id)).await? else { return Ok(Outcome::Done(())) };
    let mut found = there.named(&stack, &name(made_by)).await?;
    if let Some(kept) = kept
        && !found.iter().any(|snapshot| snapshot.id == kept.snapshot)
    {
        found.extend(there.find(there.heat.snapshot(&stack.stack_name, &stack.id, &kept.snapshot)).await?);
    }
    let Some(first) = found.first() else { return Ok(Outcome::Done(())) };
    let state = Discarding::deserialize(&there.ctx.checkpoint).unwrap_or_default();
    let what = format!("snapshot {} of stack {} is still there ({})", first.id, stack.stack_name, first.status);
    let (wait, after) = state.wait.on(settings, there.ctx.now, &what)?;
    for snapshot in found.iter().filter(|snapshot| snapshot.status != "IN_PROGRESS") {
        remove(there, &stack, &snapshot.id).await?;
    }
    later(pause(after), &Discarding { wait })
}
