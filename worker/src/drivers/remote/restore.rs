//! The stack over there is made what it was.
//!
//! 1. *Begin*: the snapshot is there and well, nothing is in progress on the stack; what the stack looks like is noted.
//! 2. *Send*: the note is in the checkpoint by now. A restore that is newer than the note is a dead self's, and is waited
//!    for; else it is sent.
//! 3. *Watch* until it has ended, and see how.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::types::Preview;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::heat::Stack;

use super::there::{self, There};
use super::{Kept, Settings};
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, act, ask, find};
use crate::drivers::openstack::wait::{Wait, later};

/// How far it is; the checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Restoring {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Begin,
    /// Next it is sent; it may have been.
    Send {
        before: Option<String>,
    },
    Watch {
        before: Option<String>,
    },
}

struct Run<'a> {
    settings: &'a Settings,
    there: &'a There<'a>,
    kept: &'a Kept,
    state: Restoring,
}

pub(super) async fn preview(there: &There<'_>, kept: &Kept) -> Result<Preview, Error> {
    let mut preview = Preview::default();
    match ask(there.ctx, there.heat.find_stack(&kept.stack)).await? {
        None => preview.blockers.push(gone(kept)),
        Some(stack) => {
            preview.overwrites = 1;
            let Kept { snapshot, .. } = kept;
            preview.sample.push(format!("restore stack {} there from its snapshot {snapshot}", stack.stack_name));
            preview.notes.extend(there::busy(&stack).map(|busy| format!("{busy}: that is waited for")));
            preview.blockers.extend(unfit(there, kept).await?);
        }
    }
    Ok(preview)
}

pub(super) async fn restore(settings: &Settings, there: &There<'_>, kept: &Kept) -> Result<Outcome<Preview>, Error> {
    let state = Restoring::deserialize(&there.ctx.checkpoint).unwrap_or_default();
    there.ctx.progress.expect(0, 1);
    let run = Run { settings, there, kept, state };
    let found = ask(there.ctx, there.heat.find_stack(&kept.stack)).await?;
    let stack = found.ok_or_else(|| Error::permanent(gone(kept)))?;
    match run.state.phase.clone() {
        Phase::Begin => run.begin(&stack).await,
        Phase::Send { before } => run.send(&stack, before).await,
        Phase::Watch { before } => run.watch(&stack, before).await,
    }
}

fn gone(kept: &Kept) -> String {
    format!("stack {} ({}) is gone there, and its snapshots with it", kept.stack_name, kept.stack)
}

/// Why the snapshot can't be restored from.
async fn unfit(there: &There<'_>, kept: &Kept) -> Result<Option<String>, Error> {
    let id = &kept.snapshot;
    Ok(match find(there.ctx, there.heat.snapshot(&kept.stack_name, &kept.stack, id)).await? {
        None => Some(format!("snapshot {id} is not there any more: somebody else removed it")),
        Some(found) if found.status != "COMPLETE" => Some(format!("snapshot {id} is {}", found.status)),
        Some(_) => None,
    })
}

impl Run<'_> {
    async fn begin(self, stack: &Stack) -> Result<Outcome<Preview>, Error> {
        if let Some(why) = unfit(self.there, self.kept).await? {
            return Err(Error::permanent(why));
        }
        if let Some(what) = there::busy(stack) {
            return self.again(&what);
        }
        let before = self.newest(stack).await?;
        later(Duration::ZERO, &Restoring { phase: Phase::Send { before }, wait: Wait::default() })
    }

    async fn send(self, stack: &Stack, before: Option<String>) -> Result<Outcome<Preview>, Error> {
        if self.newest(stack).await? != before {
            if stack.stack_status.starts_with("RESTORE_") {
                return self.watched(before);
            }
            // Somebody else did something since: that, too, is gone when this ends.
            if let Some(what) = there::busy(stack) {
                return self.again(&what);
            }
        }
        let sent = self.there.heat.restore_snapshot(&stack.stack_name, &stack.id, &self.kept.snapshot);
        match act(self.there.ctx, sent).await? {
            Ok(()) => self.watched(before),
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => self.again(&error.to_string()),
            Err(error) if call::is_unknown(&error) => {
                self.again(&format!("it can't be told what became of the restore: {error}"))
            }
            Err(error) => Err(call::error(error)),
        }
    }

    async fn watch(self, stack: &Stack, before: Option<String>) -> Result<Outcome<Preview>, Error> {
        if let Some(what) = there::busy(stack) {
            return self.again(&what);
        }
        if self.newest(stack).await? == before {
            return self.again("the restore was accepted there and has not begun");
        }
        let name = &stack.stack_name;
        match stack.stack_status.as_str() {
            "RESTORE_COMPLETE" => {
                self.there.ctx.progress.add_files(1);
                Ok(Outcome::Done(Preview {
                    overwrites: 1,
                    sample: vec![format!("restored stack {name} there from its snapshot {}", self.kept.snapshot)],
                    ..Preview::default()
                }))
            }
            "RESTORE_FAILED" => {
                let why = stack.stack_status_reason.as_deref().unwrap_or("it gives no reason");
                Err(Error::permanent(format!("the restore of stack {name} failed there: {why}")))
            }
            other => Err(Error::permanent(format!("stack {name} was to be restored there, and is {other} now"))),
        }
    }

    async fn newest(&self, stack: &Stack) -> Result<Option<String>, Error> {
        let event = ask(self.there.ctx, self.there.heat.newest_event(&stack.stack_name, &stack.id)).await?;
        Ok(event.map(|event| event.id))
    }

    fn watched(&self, before: Option<String>) -> Result<Outcome<Preview>, Error> {
        later(self.settings.patience.pace.0, &Restoring { phase: Phase::Watch { before }, wait: Wait::default() })
    }

    fn again(&self, what: &str) -> Result<Outcome<Preview>, Error> {
        match self.state.wait.on(&self.settings.patience, self.there.ctx.now) {
            Some((wait, pause)) => later(pause, &Restoring { wait, ..self.state.clone() }),
            None => Err(self.settings.patience.is_over(what)),
        }
    }
}
