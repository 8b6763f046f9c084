//! Something is made in a cloud once, whatever happens meanwhile.
//!
//! 1. *Look*: is there one of our name? It is ours, of an earlier run or of one whose answer got lost.
//! 2. *Make* it. If the outcome is not known, it is looked for after a pause, not made again at once.
//! 3. *Watch* it until it is there. Then whatever else has our name is removed: a second self may have made one too.
//! 4. One that ends in error, or that somebody deletes meanwhile, is *removed* and made again, a few times; then the step
//!    fails with the service's own reason, and nothing is left.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use super::call;
use super::wait::{Patience, Wait};
use crate::driver::{Ctx, Error};

/// How often one is made before the step fails.
const TRIES: u32 = 3;
/// How many answers that say nothing are sat out; at the usual pace, some minutes of them.
const UNKNOWN: u32 = 60;

/// Something that can be made: a backup, a snapshot, a volume.
#[async_trait]
pub(crate) trait Thing: Send + Sync {
    /// `backup`
    fn word(&self) -> &'static str;

    /// Who makes it: `Cinder`.
    fn maker(&self) -> &'static str;

    /// All that carry the step's name.
    async fn named(&self) -> Result<Vec<Found>, Cloud>;

    async fn get(&self, id: &str) -> Result<Found, Cloud>;

    /// Whether the service would take it now: what is worked on by somebody else is waited for.
    async fn is_free(&self) -> Result<Free, Cloud>;

    /// Makes it; its id.
    async fn make(&self) -> Result<String, Cloud>;

    async fn delete(&self, id: &str) -> Result<(), Cloud>;

    /// Whether a refusal says that somebody else is at work: it is asked again later.
    fn is_busy(&self, error: &Cloud) -> bool {
        error.status() == Some(StatusCode::CONFLICT)
    }

    /// A refusal that is for good, as the step's error.
    fn refused(&self, error: Cloud) -> Error {
        call::error(error)
    }

    /// Why one that was begun may be gone before it was there.
    fn gone(&self, id: &str) -> String {
        format!("{} {id} was deleted while it was made", self.word())
    }
}

/// Something of ours in the cloud.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) id: String,
    /// In the service's own word.
    pub(crate) status: String,
    pub(crate) is: Is,
    pub(crate) created: String,
    /// The service's reason, where it gives one.
    pub(crate) why: String,
}

/// How far something is, whatever its service ctx that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    There,
    /// On its way.
    Coming,
    Leaving,
    /// It was to be deleted and can't be.
    Stuck,
    Failed,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Free {
    Yes,
    /// Worth waiting for; in words.
    NotYet(String),
    Never(String),
}

/// How far it is; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Making {
    #[serde(default)]
    phase: Phase,
    #[serde(default)]
    wait: Wait,
    /// How many have come to nothing.
    #[serde(default)]
    failed: u32,
    /// Of how many requests nobody knows what became.
    #[serde(default)]
    unknown: u32,
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
        /// The service has taken the order; not every one shows that.
        #[serde(default)]
        asked: bool,
    },
}

/// What one run got to.
#[derive(Debug)]
pub(crate) enum Step {
    There(Found),
    Later(Duration, Making),
}

pub(crate) async fn make(patience: &Patience, ctx: &Ctx, thing: &dyn Thing, making: Making) -> Result<Step, Error> {
    let word = thing.word();
    match making.phase.clone() {
        Phase::Look => look(patience, ctx, thing, making).await,
        Phase::Watch { id } => watch(patience, ctx, thing, making, &id).await.map_err(|error| naming(error, word, &id)),
        Phase::Remove { id, why, asked } => {
            remove(patience, ctx, thing, making, (&id, asked), why).await.map_err(|error| naming(error, word, &id))
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
    /// Of one that is made already, as far as anybody knows.
    pub(crate) fn of(id: String) -> Self {
        Self { phase: Phase::Watch { id }, ..Self::default() }
    }

    /// Whether one came to nothing, and another was made.
    pub(crate) fn was_again(&self) -> bool {
        self.failed > 0
    }

    /// The same phase after a pause.
    fn again(self, patience: &Patience, ctx: &Ctx, what: &str) -> Result<Step, Error> {
        match self.wait.on(patience, ctx.now) {
            Some((wait, pause)) => Ok(Step::Later(pause, Self { wait, ..self })),
            None => Err(patience.is_over(what)),
        }
    }

    fn then(self, phase: Phase, pause: Duration) -> Step {
        Step::Later(pause, Self { phase, wait: Wait::default(), ..self })
    }
}

async fn look(patience: &Patience, ctx: &Ctx, thing: &dyn Thing, making: Making) -> Result<Step, Error> {
    let mut found = call::ask(ctx, thing.named()).await?;
    found.retain(|found| found.is != Is::Leaving);
    found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    if let Some(first) = found.into_iter().next() {
        return watch(patience, ctx, thing, making, &first.id).await;
    }
    match call::ask(ctx, thing.is_free()).await? {
        Free::Yes => {}
        Free::NotYet(why) => return making.again(patience, ctx, &why),
        Free::Never(why) => return Err(Error::permanent(why)),
    }
    match call::act(ctx, thing.make()).await? {
        Ok(id) => Ok(making.then(Phase::Watch { id }, patience.pace.0)),
        // It may come to be though nobody told us: what is looked for next time is what was asked for now.
        Err(error) if call::is_unknown(&error) && making.unknown < UNKNOWN => {
            let making = Making { unknown: making.unknown + 1, ..making };
            making.again(patience, ctx, &format!("it can't be told whether there is a {}: {error}", thing.word()))
        }
        // Somebody else was faster.
        Err(error) if thing.is_busy(&error) => {
            making.again(patience, ctx, &format!("there is no {} yet: {error}", thing.word()))
        }
        Err(error) => Err(thing.refused(error)),
    }
}

async fn watch(patience: &Patience, ctx: &Ctx, thing: &dyn Thing, making: Making, id: &str) -> Result<Step, Error> {
    let word = thing.word();
    let Some(found) = call::find(ctx, thing.get(id)).await? else {
        return failed(making, thing, &thing.gone(id), patience);
    };
    match found.is {
        Is::There => match extra(ctx, thing, id).await? {
            None => Ok(Step::There(found)),
            Some(extra) => {
                let making = Making { phase: Phase::Watch { id: id.to_owned() }, ..making };
                making.again(patience, ctx, &format!("{word} {extra} is one too many, and can't be removed yet"))
            }
        },
        Is::Coming => {
            let making = Making { phase: Phase::Watch { id: id.to_owned() }, ..making };
            making.again(patience, ctx, &format!("{word} {id} is still {}", found.status))
        }
        Is::Leaving => failed(making, thing, &thing.gone(id), patience),
        Is::Stuck | Is::Failed => {
            let why = if found.why.is_empty() { &format!("{} gives no reason", thing.maker()) } else { &found.why };
            let why = format!("{word} {id} ended in {}: {why}", found.status);
            Ok(making.then(Phase::Remove { id: id.to_owned(), why, asked: false }, Duration::ZERO))
        }
    }
}

/// One has come to nothing, and is gone.
fn failed(making: Making, thing: &dyn Thing, why: &str, patience: &Patience) -> Result<Step, Error> {
    let failed = making.failed + 1;
    if failed >= TRIES {
        let (maker, word) = (thing.maker(), thing.word());
        return Err(Error::permanent(format!("{maker} made no {word} in {TRIES} tries; the last time: {why}")));
    }
    tracing::warn!(failed, "{why}; it is tried again");
    Ok(Making { failed, ..making }.then(Phase::Look, patience.pace.0))
}

async fn remove(
    patience: &Patience,
    ctx: &Ctx,
    thing: &dyn Thing,
    making: Making,
    (id, asked): (&str, bool),
    why: String,
) -> Result<Step, Error> {
    let Some(found) = call::find(ctx, thing.get(id)).await? else { return failed(making, thing, &why, patience) };
    if found.is == Is::Stuck {
        let (maker, status) = (thing.maker(), found.status);
        return Err(Error::permanent(format!(
            "{why}; and {maker} can't delete it ({status}): an administrator has to"
        )));
    }
    let still = format!("{why}; it is still being deleted");
    if asked || found.is == Is::Leaving {
        return making.again(patience, ctx, &still);
    }
    match call::act(ctx, thing.delete(id)).await? {
        Ok(()) => {
            let phase = Phase::Remove { id: id.to_owned(), why, asked: true };
            Making { phase, ..making }.again(patience, ctx, &still)
        }
        Err(error) if thing.is_busy(&error) => making.again(patience, ctx, &format!("{why}; {error}")),
        Err(error) => Err(thing.refused(error)),
    }
}

/// Removes whatever a second self made beside the one that counts: the younger is never what the older is built on. One
/// that can't be removed yet is returned.
async fn extra(ctx: &Ctx, thing: &dyn Thing, kept: &str) -> Result<Option<String>, Error> {
    let mut left = None;
    for other in call::ask(ctx, thing.named()).await? {
        match other.is {
            _ if other.id == kept => {}
            Is::Leaving => {}
            Is::There | Is::Failed => {
                tracing::warn!(kept, extra = other.id, "a {} too many is removed", thing.word());
                call::act(ctx, thing.delete(&other.id)).await?.map_err(call::error)?;
            }
            Is::Coming | Is::Stuck => left = Some(other.id),
        }
    }
    Ok(left)
}
