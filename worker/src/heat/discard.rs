//! Heat deletes the stack, after all its snapshots are gone.

use std::time::Duration;

use serde_json::{Value, json};
use stacksnap_common::store::Ended;

use super::At;
use crate::driver::Error;
use crate::verbs::{Ran, done};

/// A pause between two looks grows up to this.
const LONGEST: u64 = 10;

pub(super) async fn run(at: &At<'_>) -> Result<Ran, Error> {
    // How often it was looked at since the delete was sent.
    let looks = at.ctx.checkpoint["looks"].as_u64();
    let stack = match at.stack().await {
        Ok(stack) => stack,
        Err(Error::Gone(_)) => return Ok(done(None, Value::Null)),
        Err(error) => return Err(error),
    };
    match (stack.stack_status.as_str(), looks) {
        ("DELETE_COMPLETE", _) => return Ok(done(None, Value::Null)),
        ("DELETE_IN_PROGRESS", _) => {}
        ("DELETE_FAILED", Some(looks)) if looks > 0 => {
            at.note(&at.seen(&stack).await?).await?;
            let reason = stack.stack_status_reason.as_deref().unwrap_or("no reason given");
            return Err(Error::permanent(format!("Heat could not delete the stack: {reason}")));
        }
        // Sent again while Heat shows nothing of it: deleting twice is deleting once.
        _ => {
            at.ctx.go_on()?;
            at.heat.delete(&at.name, &at.id).await.map_err(super::cloud)?;
        }
    }
    let looks = looks.map_or(0, |looks| looks + 1);
    let after = Duration::from_secs((1 + looks / 5).min(LONGEST));
    Ok(Ended::Later { after, checkpoint: json!({"looks": looks}) }.into())
}
