//! What a step left over there is taken away, and waited for until it is gone. With the stack its snapshots are gone too.

use std::time::Duration;

use serde::Deserialize;
use stacksnap_common::ids::StepId;

use super::there::{ASnapshot, There};
use super::{Kept, Settings};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, act, ask, find, physical_id};
use crate::drivers::openstack::make::{Found, Is, Thing};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, later};

pub(super) async fn discard(
    settings: &Settings,
    there: &There<'_>,
    made_by: StepId,
    kept: Option<&Kept>,
) -> Result<Outcome<()>, Error> {
    let ctx = there.ctx;
    let id = kept.map_or_else(|| physical_id(ctx, "stack"), |kept| Ok(&kept.stack))?;
    let Some(stack) = ask(ctx, there.heat.find_stack(id)).await? else { return Ok(Outcome::Done(())) };
    let snapshots = ASnapshot { there, stack: &stack, name: marks::name(made_by) };
    let mut found = ask(ctx, snapshots.named()).await?;
    if let Some(kept) = kept
        && !found.iter().any(|snapshot| snapshot.id == kept.snapshot)
    {
        found.extend(find(ctx, snapshots.get(&kept.snapshot)).await?);
    }
    let Some(Found { id, status, .. }) = found.first() else { return Ok(Outcome::Done(())) };
    let wait = Wait::deserialize(&ctx.checkpoint).unwrap_or_default();
    let Some((wait, after)) = wait.on(&settings.patience, ctx.now) else {
        let what = format!("snapshot {id} of stack {} is still there ({status})", stack.stack_name);
        return Err(settings.patience.is_over(&what));
    };
    for snapshot in found.iter().filter(|snapshot| !matches!(snapshot.is, Is::Coming | Is::Leaving)) {
        act(ctx, snapshots.delete(&snapshot.id)).await?.map_err(call::error)?;
    }
    later(after.max(Duration::from_millis(1)), &wait)
}
