//! A snapshot of the stack over there, made once.

use serde::Deserialize;
use stacksnap_common::types::Artifact;

use super::there::{There, of_step};
use super::{Kept, Settings};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::ask;
use crate::drivers::openstack::make::{Making, Step, make};
use crate::drivers::openstack::wait::later;

pub(super) async fn copy(settings: &Settings, there: &There<'_>) -> Result<Outcome<Artifact>, Error> {
    let making = Making::deserialize(&there.ctx.checkpoint).unwrap_or_default();
    there.ctx.progress.expect(0, 1);
    let stack = there.stack().await?;
    let found = match make(&settings.patience, there.ctx, &of_step(there, &stack), making).await? {
        Step::Later(after, making) => return later(after, &making),
        Step::There(found) => found,
    };
    let made = ask(there.ctx, there.heat.snapshot(&stack.stack_name, &stack.id, &found.id)).await?;
    there.ctx.progress.add_files(1);
    let mut warnings = Vec::new();
    if made.consistency.is_none() {
        warnings.push("the service over there does not say what its snapshot covers".to_owned());
    }
    let kept = Kept { stack: stack.id, stack_name: stack.stack_name, snapshot: made.id };
    Ok(Outcome::Done(kept.artifact(there.ctx, made.consistency.as_deref(), warnings)))
}
