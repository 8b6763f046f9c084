//! A worker in front of a real Heat: the steps of the stack as a whole.
//!
//! - `check.rs`: has anything changed in Heat that we did not do?
//! - `preview.rs`: what would Heat change to bring the stack back?
//! - `restore.rs`: Heat brings the stack back, by an ordinary update; `update.rs`: to what; `found.rs`: what it has then.
//! - `discard.rs`: Heat deletes the stack.
//! - `grants.rs`: what callers gave us to act by, taken back when it is not needed any more.
//!
//! Heat has no place where an update could carry a step's id. What keeps two selves apart is Heat's own state: an update
//! is sent only while the stack is as it was seen before, which is written down first; what is found changed afterwards
//! is ours if it is what we were about to make.

mod check;
mod discard;
mod found;
pub(crate) mod grants;
mod preview;
mod restore;
mod update;

use std::time::Duration;

use serde_json::json;
use stacksnap_common::heat::{By, Grant, Seen, Shadow};
use stacksnap_common::ids::ProjectId;
use stacksnap_common::operation::Verb;
use stacksnap_common::store::{Claimed, Ended};
use stacksnap_openstack::{Error as Cloud, Http, Url, heat};

use crate::Shared;
use crate::cloud::Clouds;
use crate::driver::{Ctx, Error};
use crate::verbs::Ran;

/// The Heat that the service stands in front of.
#[derive(Debug, Clone)]
pub struct Heat {
    http: Http,
    /// Up to `/v1`.
    url: Url,
}

impl Heat {
    pub fn new(http: Http, url: Url) -> Self {
        Self { http, url }
    }

    /// One project's, by what its caller gave us.
    fn of(&self, clouds: &Clouds, project: &ProjectId, grant: Option<&Grant>) -> Result<heat::Heat, Error> {
        let token = match grant.map(|grant| &grant.by) {
            None => None,
            Some(By::Token(token)) => Some(token.as_str().into()),
            Some(By::Trust { .. } | By::Operator) => {
                let session = grant.map(|grant| clouds.by(grant)).transpose()?;
                let session = session.ok_or_else(|| Error::permanent("there is no grant"))?;
                return Ok(heat::Heat::with_session(session, &self.url, project.as_str()));
            }
        };
        Ok(heat::Heat::with_token(self.http.clone(), token, &self.url, project.as_str()))
    }
}

/// A stack in Heat, as one step may act on it.
pub(crate) struct At<'a> {
    shared: &'a Shared,
    ctx: &'a Ctx,
    claimed: &'a Claimed,
    heat: heat::Heat,
    name: String,
    id: String,
}

pub(crate) async fn run(shared: &Shared, ctx: &Ctx, claimed: &Claimed) -> Result<Ran, Error> {
    let at = At::new(shared, ctx, claimed).await?;
    match claimed.verb {
        Verb::Check => check::run(&at).await,
        Verb::Preview => preview::run(&at).await,
        Verb::Restore => restore::run(&at).await,
        Verb::Discard => discard::run(&at).await,
        other => Err(Error::permanent(format!("Heat's stack has no step {}", other.as_str()))),
    }
}

impl<'a> At<'a> {
    async fn new(shared: &'a Shared, ctx: &'a Ctx, claimed: &'a Claimed) -> Result<Self, Error> {
        let Some(settings) = &shared.heat else {
            return Err(Error::permanent("the stack is a Heat's, and this worker is set up with none (heat.url)"));
        };
        let operation = &claimed.operation;
        let grant = match operation.grant {
            Some(id) => {
                let grant = shared.store.grant(&ctx.project, id).await.map_err(store)?;
                Some(grant.ok_or_else(|| Error::permanent("what the caller gave us to act by is not there any more"))?)
            }
            None => None,
        };
        let heat = settings.of(&shared.clouds, &ctx.project, grant.as_ref())?;
        let (name, id) = (operation.stack_name.to_string(), operation.stack.to_string());
        Ok(Self { shared, ctx, claimed, heat, name, id })
    }

    async fn stack(&self) -> Result<heat::Stack, Error> {
        self.heat.stack(&self.name, &self.id).await.map_err(cloud)
    }

    /// With its newest event.
    async fn seen(&self, stack: &heat::Stack) -> Result<Seen, Error> {
        let event = self.heat.newest_event(&self.name, &self.id).await.map_err(cloud)?;
        Ok(Seen { event: event.map(|event| event.id), ..state(stack) })
    }

    /// What was seen of it last, for this operation.
    async fn shadow(&self) -> Result<Shadow, Error> {
        let stack = self.shared.store.shadow(&self.ctx.project, self.ctx.stack).await.map_err(store)?;
        stack.and_then(|stack| stack.heat).ok_or_else(|| Error::permanent("there is no record of the stack"))
    }

    /// Whether the stack is as it was seen last. If it is not: the moment that was found goes into the checkpoint first, and
    /// is noted and told of in the next run. So a worker that dies in between can't make the change look like what was
    /// seen. The value is the end of this run.
    async fn unchanged(&self, now: &Seen) -> Result<Option<Ran>, Error> {
        if let Some(found) = self.ctx.checkpoint.get("changed") {
            self.note(now).await?;
            return Err(changed(&serde_json::from_value(found.clone()).unwrap_or_default()));
        }
        if self.shadow().await?.seen.same(now) {
            return Ok(None);
        }
        Ok(Some(Ended::Later { after: Duration::ZERO, checkpoint: json!({"changed": now}) }.into()))
    }

    async fn note(&self, seen: &Seen) -> Result<(), Error> {
        let operation = self.claimed.operation.id;
        self.shared.store.note_seen(&self.ctx.project, self.ctx.stack, operation, seen).await.map_err(store)
    }
}

/// As far as two moments are compared.
fn state(stack: &heat::Stack) -> Seen {
    Seen { status: stack.stack_status.clone(), updated: stack.updated_time.clone(), event: None }
}

fn changed(seen: &Seen) -> Error {
    let at = seen.updated.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
    Error::permanent(format!("the stack was changed in Heat meanwhile, not through this service: {}{at}", seen.status))
}

fn store(error: stacksnap_common::store::Error) -> Error {
    if error.is_transient() { Error::transient(error.to_string()) } else { Error::permanent(error.to_string()) }
}

fn cloud(error: Cloud) -> Error {
    if error.is_gone() {
        return Error::Gone(error.to_string());
    }
    if error.is_transient() {
        return Error::of_service(&error);
    }
    Error::permanent(error.to_string())
}
