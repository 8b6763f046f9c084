//! Types that are configuration and hold no data (networks, ports, key pairs, projects): what their services say of them is
//! kept in the artifact itself, is compared field by field when a restore is planned, and is set again where an update of
//! the service can do that without cutting anything off. The rest is named and left.
//!
//! `table.rs`: the types and their fields. `drift.rs`: what is not as it was.
//!
//! - **What it is called**: the artifact `captures` `configuration`, as it does where the stack is Heat's and no driver looks.
//! - **What can't be read** (no such service, no right, no such thing) is no reason to fail a snapshot: it is written down as
//!   not protected, as a type without a driver is. Where the stack is Heat's, Heat brings it back with the template, whether
//!   anybody can read it or not: there it is protected by that, and a warning says what could not be read.
//! - **Adoption**: there is no effect outside but the update, and an update that is made twice is made once.
//! - **Exclusion**: an update names the revision that it was planned for, where the service has them (Neutron).
//! - A thing that is gone is not made again: what it was made with is the template's, and an update of the stack makes it.

mod drift;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;

use std::future::Future;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stacksnap_common::heat::Captures;
use stacksnap_common::ids::StepId;
use stacksnap_common::types::{Artifact, Consistency, Preview, Verdict};
use stacksnap_openstack::{Error as Cloud, StatusCode, Things};

use crate::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome};
use drift::Drift;
use table::{Kind, TYPES};

#[derive(Debug, Default)]
pub struct Configuration;

/// An artifact's `data`.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    captures: String,
    id: String,
    properties: Map<String, Value>,
}

impl Kept {
    fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was kept of the configuration can't be read: {error}")))
    }
}

/// Its service, for one run of one step.
struct Calls<'a> {
    ctx: &'a Ctx,
    kind: &'static Kind,
    things: Things,
}

/// Why there is nothing to be kept, or compared with.
enum Missing {
    /// It is not there, or nobody may say what it is.
    Because(String),
    Failed(Error),
}

impl<'a> Calls<'a> {
    async fn open(ctx: &'a Ctx) -> Result<Self, Error> {
        ctx.go_on()?;
        let kind = table::get(&ctx.resource.kind);
        let kind = kind.ok_or_else(|| Error::permanent(format!("{} is no type of this driver", ctx.resource.kind)))?;
        Ok(Self { ctx, kind, things: Things::new(ctx.cloud.session().await?) })
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<Result<T, Cloud>, Error> {
        self.ctx.go_on()?;
        tokio::select! {
            () = self.ctx.cancel.cancelled() => Err(Error::Cancelled),
            answer = question => Ok(answer),
        }
    }

    fn id(&self) -> Option<&str> {
        let now = self.ctx.current.as_ref().and_then(|current| current.external_id.as_deref());
        now.or(self.ctx.resource.external_id.as_deref())
    }

    async fn now(&self) -> Result<(String, Map<String, Value>), Missing> {
        let Some(id) = self.id() else {
            return Err(Missing::Because(format!("it names no {} that exists (external_id)", self.kind.place.key)));
        };
        let answer = self.ask(self.things.thing(&self.kind.place, id)).await.map_err(Missing::Failed)?;
        match answer {
            Ok(thing) => Ok((id.to_owned(), thing)),
            Err(error) if error.is_transient() => Err(Missing::Failed(Error::of_service(&error))),
            Err(error) => Err(Missing::Because(format!("its configuration can't be read: {error}"))),
        }
    }

    /// What is not as it was, and the revision that was looked at. `Err`: it can't be told why.
    async fn drift(&self, kept: &Kept) -> Result<Result<(Drift, Option<u64>), String>, Error> {
        match self.now().await {
            Ok((_, now)) => {
                let revision = now.get("revision_number").and_then(Value::as_u64);
                Ok(Ok((drift::drift(self.kind, &kept.properties, &now), revision)))
            }
            Err(Missing::Because(why)) => Ok(Err(why)),
            Err(Missing::Failed(error)) => Err(error),
        }
    }
}

/// Whether the stack is Heat's: its record takes no other physical id.
fn is_heats(ctx: &Ctx) -> bool {
    !ctx.may_move
}

fn preview(name: &str, found: &Result<(Drift, Option<u64>), String>) -> Preview {
    let mut preview = Preview::default();
    match found {
        Ok((drift, _)) => {
            preview.overwrites = u64::from(!drift.set.is_empty());
            preview.unchanged = u64::from(drift.set.is_empty());
            preview.sample = drift.sets.iter().map(|line| format!("{name}: {line}")).collect();
            preview.notes = drift.fixed.iter().map(|line| format!("{name}: {line}")).collect();
        }
        Err(why) => preview.notes.push(format!("{name}: {why}; not changed")),
    }
    preview
}

#[async_trait]
impl Driver for Configuration {
    fn describe(&self) -> Describe {
        Describe { types: TYPES, quiesce: false, consistency: Consistency::Crash, local: false }
    }

    async fn check(&self, ctx: &Ctx) -> Result<Checked, Error> {
        match Calls::open(ctx).await?.now().await {
            Ok(_) => Ok(Checked::default()),
            Err(Missing::Because(why)) => Ok(Checked { warnings: vec![why] }),
            Err(Missing::Failed(error)) => Err(error),
        }
    }

    async fn cut(&self, ctx: &Ctx) -> Result<Outcome<Cut>, Error> {
        ctx.go_on()?;
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, ctx: &Ctx, _cut: Cut) -> Result<Outcome<Artifact>, Error> {
        let calls = Calls::open(ctx).await?;
        let (id, properties, warnings) = match calls.now().await {
            Ok((id, thing)) => (id, drift::configuration(calls.kind, &thing), Vec::new()),
            Err(Missing::Failed(error)) => return Err(error),
            Err(Missing::Because(why)) if is_heats(ctx) => {
                let id = calls.id().unwrap_or_default().to_owned();
                (id, Map::new(), vec![format!("{why}; Heat brings it back with the template")])
            }
            Err(Missing::Because(why)) => {
                return Ok(Outcome::Done(ctx.unprotected(why)));
            }
        };
        ctx.go_on()?;
        let kept = Kept { captures: Captures::Configuration.as_str().to_owned(), id, properties };
        let data = serde_json::to_value(&kept).map_err(|error| Error::permanent(error.to_string()))?;
        let mut artifact = ctx.unprotected("");
        (artifact.protected, artifact.why, artifact.inline) = (true, None, true);
        (artifact.consistency, artifact.bytes) = (Consistency::Crash, data.to_string().len() as u64);
        (artifact.warnings, artifact.data) = (warnings, data);
        Ok(Outcome::Done(artifact))
    }

    async fn preview(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let calls = Calls::open(ctx).await?;
        let found = calls.drift(&Kept::of(artifact)?).await?;
        Ok(Outcome::Done(preview(ctx.resource.name.as_str(), &found)))
    }

    async fn restore(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Preview>, Error> {
        let calls = Calls::open(ctx).await?;
        let found = calls.drift(&Kept::of(artifact)?).await?;
        let mut done = preview(ctx.resource.name.as_str(), &found);
        let (Ok((drift, revision)), Some(id)) = (&found, calls.id()) else { return Ok(Outcome::Done(done)) };
        if drift.set.is_empty() {
            return Ok(Outcome::Done(done));
        }
        match calls.ask(calls.things.set(&calls.kind.place, id, &drift.set, *revision)).await? {
            Ok(()) => {}
            Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) || error.is_transient() => {
                return Err(Error::of_service(&error));
            }
            // It has no data that would be lost: the restore of what has goes on.
            Err(error) => {
                let name = &ctx.resource.name;
                done.notes.extend(drift.sets.iter().map(|line| format!("{name}: could not {line}")));
                done.notes.push(format!("{name}: {error}; not changed"));
                (done.overwrites, done.sample) = (0, Vec::new());
            }
        }
        Ok(Outcome::Done(done))
    }

    async fn discard(&self, _ctx: &Ctx, _made_by: StepId, _artifact: Option<&Artifact>) -> Result<Outcome<()>, Error> {
        Ok(Outcome::Done(()))
    }

    /// All of it is in the record, which the manifest has too.
    async fn verify(&self, ctx: &Ctx, artifact: &Artifact) -> Result<Outcome<Verdict>, Error> {
        ctx.go_on()?;
        let problems: Vec<_> = Kept::of(artifact).err().map(|error| error.to_string()).into_iter().collect();
        Ok(Outcome::Done(Verdict { ok: problems.is_empty(), bytes: artifact.bytes, problems }))
    }
}
