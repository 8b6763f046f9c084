//! Something is made in Cinder once, whatever happens meanwhile.
//!
//! 1. *Look*: is there one of our name? It is ours, of an earlier run or of one whose answer got lost.
//! 2. *Make* it. If the outcome is not known, it is looked for after a pause, not made again at once.
//! 3. *Watch* it until it is there. Then whatever else has our name is removed: a second self may have made one too.
//! 4. One that ends in error, or that somebody deletes meanwhile, is *removed* and made again, a few times; then the step
//!    fails with Cinder's own reason, and nothing is left.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stacksnap_openstack::Error as Cloud;

use super::Settings;
use super::call::{self, Calls};
use super::wait::Wait;
use crate::driver::Error;

/// How often one is made before the step fails.
const TRIES: u32 = 3;

/// Something that can be made: a backup, a snapshot, a volume.
#[async_trait]
pub(super) trait Thing: Send + Sync {
    /// `backup`
    fn word(&self) -> &'static str;

    /// All that carry the step's name.
    async fn named(&self) -> Result<Vec<Found>, Cloud>;

    async fn get(&self, id: &str) -> Result<Found, Cloud>;

    /// Whether Cinder would take it now: what is worked on by somebody else is waited for.
    async fn is_free(&self) -> Result<Free, Cloud>;

    /// Makes it; its id.
    async fn make(&self) -> Result<String, Cloud>;

    async fn delete(&self, id: &str) -> Result<(), Cloud>;
}

/// Something of ours in Cinder.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) created: String,
    /// Cinder's reason, where it gives one.
    pub(super) why: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Free {
    Yes,
    /// Worth waiting for; in words.
    NotYet(String),
    Never(String),
}

/// How far it is; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Making {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
    /// How many have come to nothing.
    #[serde(default)]
    failed: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    Look,
    Watch {
        id: String,
    },
    Remove {
        id: String,
        why: String,
    },
}

/// What one run got to.
#[derive(Debug)]
pub(super) enum Step {
    There(Found),
    Later(Duration, Making),
}

pub(super) async fn make(
    settings: &Settings,
    calls: &Calls<'_>,
    thing: &dyn Thing,
    making: Making,
) -> Result<Step, Error> {
    let word = thing.word();
    match making.phase.clone() {
        Phase::Look => look(settings, calls, thing, making).await,
        Phase::Watch { id } => {
            watch(settings, calls, thing, making, &id).await.map_err(|error| naming(error, word, &id))
        }
        Phase::Remove { id, why } => {
            remove(settings, calls, thing, making, &id, why).await.map_err(|error| naming(error, word, &id))
        }
    }
}

/// Whoever has to clean up by hand is told what: the right to do it ourselves may be what is gone.
fn naming(error: Error, word: &str, id: &str) -> Error {
    match error {
        Error::Permanent(why) if !why.contains(id) => Error::Permanent(format!("{why}; {word} {id} had been begun")),
        other => other,
    }
}

impl Making {
    /// The same phase after a pause.
    fn again(self, settings: &Settings, calls: &Calls<'_>, what: &str) -> Result<Step, Error> {
        match self.wait.on(settings, calls.ctx.now) {
            Some((wait, pause)) => Ok(Step::Later(pause, Self { wait, ..self })),
            None => Err(Error::permanent(format!(
                "{what}, and that for longer than {} s (cinder.longest_wait)",
                settings.longest_wait.as_secs()
            ))),
        }
    }

    fn then(self, phase: Phase, pause: Duration) -> Step {
        Step::Later(pause, Self { phase, wait: Wait::default(), ..self })
    }
}

async fn look(settings: &Settings, calls: &Calls<'_>, thing: &dyn Thing, making: Making) -> Result<Step, Error> {
    let mut found = calls.ask(thing.named()).await?;
    found.retain(|found| found.status != "deleting");
    found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    if let Some(first) = found.into_iter().next() {
        return watch(settings, calls, thing, making, &first.id).await;
    }
    match calls.ask(thing.is_free()).await? {
        Free::Yes => {}
        Free::NotYet(why) => return making.again(settings, calls, &why),
        Free::Never(why) => return Err(Error::permanent(why)),
    }
    match calls.act(thing.make()).await? {
        Ok(id) => Ok(making.then(Phase::Watch { id }, settings.pace.0)),
        // It may come to be though nobody told us: what is looked for next time is what was asked for now.
        Err(error) if call::is_unknown(&error) => {
            making.again(settings, calls, &format!("it can't be told whether there is a {}: {error}", thing.word()))
        }
        Err(error) => Err(call::error(error)),
    }
}

async fn watch(
    settings: &Settings,
    calls: &Calls<'_>,
    thing: &dyn Thing,
    making: Making,
    id: &str,
) -> Result<Step, Error> {
    let word = thing.word();
    let Some(found) = calls.find(thing.get(id)).await? else {
        return failed(making, word, &format!("{word} {id} was deleted while it was made"), Phase::Look, settings);
    };
    match found.status.as_str() {
        "available" => match extra(calls, thing, id).await? {
            None => Ok(Step::There(found)),
            Some(extra) => {
                let making = Making { phase: Phase::Watch { id: id.to_owned() }, ..making };
                making.again(settings, calls, &format!("{word} {extra} is one too many, and can't be removed yet"))
            }
        },
        // All that a thing passes through on its way.
        "creating" | "downloading" | "backing-up" => {
            let making = Making { phase: Phase::Watch { id: id.to_owned() }, ..making };
            making.again(settings, calls, &format!("{word} {id} is still {}", found.status))
        }
        "deleting" => {
            failed(making, word, &format!("{word} {id} was deleted while it was made"), Phase::Look, settings)
        }
        status => {
            let why = if found.why.is_empty() { "Cinder gives no reason" } else { &found.why };
            let why = format!("{word} {id} ended in {status}: {why}");
            Ok(making.then(Phase::Remove { id: id.to_owned(), why }, Duration::ZERO))
        }
    }
}

/// One has come to nothing, and is gone.
fn failed(making: Making, word: &str, why: &str, phase: Phase, settings: &Settings) -> Result<Step, Error> {
    let failed = making.failed + 1;
    if failed >= TRIES {
        return Err(Error::permanent(format!("Cinder made no {word} in {TRIES} tries; the last time: {why}")));
    }
    tracing::warn!(failed, "{why}; it is tried again");
    Ok(Making { failed, ..making }.then(phase, settings.pace.0))
}

async fn remove(
    settings: &Settings,
    calls: &Calls<'_>,
    thing: &dyn Thing,
    making: Making,
    id: &str,
    why: String,
) -> Result<Step, Error> {
    match calls.find(thing.get(id)).await?.map(|found| found.status).as_deref() {
        None => failed(making, thing.word(), &why, Phase::Look, settings),
        Some("error_deleting") => Err(Error::permanent(format!(
            "{why}; and Cinder can't delete it (error_deleting): an administrator has to"
        ))),
        Some("deleting") => making.again(settings, calls, &format!("{why}; it is still being deleted")),
        Some(_) => {
            calls.act(thing.delete(id)).await?.map_err(call::error)?;
            making.again(settings, calls, &format!("{why}; it is still being deleted"))
        }
    }
}

/// Removes whatever a second self made beside the one that counts: the younger is never what the older is built on. One
/// that can't be removed yet is returned.
async fn extra(calls: &Calls<'_>, thing: &dyn Thing, kept: &str) -> Result<Option<String>, Error> {
    let mut left = None;
    for other in calls.ask(thing.named()).await? {
        match other.status.as_str() {
            _ if other.id == kept => {}
            "deleting" => {}
            "available" | "error" => {
                tracing::warn!(kept, extra = other.id, "a {} too many is removed", thing.word());
                calls.act(thing.delete(&other.id)).await?.map_err(call::error)?;
            }
            _ => left = Some(other.id),
        }
    }
    Ok(left)
}
