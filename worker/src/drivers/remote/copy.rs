//! A snapshot of the stack over there, made once: looked for by its name, made if it is not there, waited for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::Artifact;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::heat::{Snapshot, Stack};

use super::there::{self, There};
use super::{Kept, Settings, Wait, later, name};
use crate::driver::{Error, Outcome};

/// The checkpoint.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Copying {
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn copy(settings: &Settings, there: &There<'_>) -> Result<Outcome<Artifact>, Error> {
    let copying = Copying::deserialize(&there.ctx.checkpoint).unwrap_or_default();
    let again = |what: &str| {
        let (wait, pause) = copying.wait.on(settings, there.ctx.now, what)?;
        later(pause, &Copying { wait })
    };
    there.ctx.progress.expect(0, 1);
    let stack = there.stack().await?;
    let name = name(there.ctx.step);
    let named = there.named(&stack, &name).await?;
    // What failed and could not be removed yet is not what counts.
    let Some(first) = named.iter().find(|found| found.status != "FAILED").or(named.first()) else {
        if let Some(what) = there::busy(&stack) {
            return again(&what);
        }
        let made = there.act(there.heat.create_snapshot(&stack.stack_name, &stack.id, &name)).await?;
        return match made {
            Ok(_) => later(settings.pace.0, &Copying::default()),
            // Something was begun there since we looked.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => again(&error.to_string()),
            // It may come to be though nobody told us: it is looked for by its name.
            Err(error) if there::is_unknown(&error) => again(&format!("it can't be told what became of it: {error}")),
            Err(error) => Err(there::error(error)),
        };
    };
    match first.status.as_str() {
        "COMPLETE" => match extra(there, &stack, &named, first).await? {
            None => {
                there.ctx.progress.add_files(1);
                Ok(Outcome::Done(artifact(there, &stack, first)))
            }
            Some(extra) => again(&format!("snapshot {extra} is one too many, and can't be removed yet")),
        },
        "FAILED" => {
            let why = first.status_reason.clone().unwrap_or_else(|| "it gives no reason".to_owned());
            remove(there, &stack, &first.id).await?;
            Err(Error::transient(format!("the snapshot of stack {} failed there: {why}", stack.stack_name)))
        }
        status => again(&format!("snapshot {} of stack {} is still {status}", first.id, stack.stack_name)),
    }
}

fn artifact(there: &There<'_>, stack: &Stack, made: &Snapshot) -> Artifact {
    let kept = Kept { stack: stack.id.clone(), stack_name: stack.stack_name.clone(), snapshot: made.id.clone() };
    let mut warnings = Vec::new();
    if made.consistency.is_none() {
        warnings.push("the service over there does not say what its snapshot covers".to_owned());
    }
    kept.artifact(there.ctx, made.consistency.as_deref(), warnings)
}

/// Removes whatever a second self made beside the one that counts. One that can't be removed yet is returned.
async fn extra(there: &There<'_>, stack: &Stack, named: &[Snapshot], kept: &Snapshot) -> Result<Option<String>, Error> {
    let mut left = None;
    for other in named.iter().filter(|other| other.id != kept.id) {
        if other.status == "IN_PROGRESS" || !remove(there, stack, &other.id).await? {
            left = Some(other.id.clone());
        }
    }
    Ok(left)
}

/// Whether its removal has begun: not while something else is done to the stack.
pub(super) async fn remove(there: &There<'_>, stack: &Stack, snapshot: &str) -> Result<bool, Error> {
    let deleted = there.act(there.heat.delete_snapshot(&stack.stack_name, &stack.id, snapshot)).await?;
    match deleted {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.status(), Some(StatusCode::BAD_REQUEST | StatusCode::CONFLICT)) => {
            tracing::debug!(%error, snapshot, "a snapshot over there can't be removed yet");
            Ok(false)
        }
        Err(error) => Err(there::error(error)),
    }
}

/// A pause that is never nothing: what is looked at again at once has not changed.
pub(super) fn pause(pause: Duration) -> Duration {
    pause.max(Duration::from_millis(1))
}
