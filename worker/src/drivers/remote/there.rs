//! The other service as one run of one step asks it, and a snapshot there as something that is made once.

use async_trait::async_trait;
use serde_json::Value;
use stacksnap_openstack::heat::{Heat, Snapshot, Stack};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use super::TYPE;
use crate::driver::{Ctx, Error};
use crate::drivers::openstack::call::{self, ask, physical_id};
use crate::drivers::openstack::make::{Found, Free, Is, Thing};
use crate::drivers::openstack::marks;

pub(super) struct There<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) heat: Heat,
}

impl<'a> There<'a> {
    pub(super) async fn open(ctx: &'a Ctx) -> Result<Self, Error> {
        ctx.go_on()?;
        let context = ctx.resource.properties.get("context").unwrap_or(&Value::Null);
        if !context["credential_secret_id"].is_null() {
            return Err(Error::Unsupported(format!(
                "the context of this {TYPE} names a secret with other credentials (credential_secret_id), which this \
                 service does not read"
            )));
        }
        let mut session = ctx.cloud.session().await?;
        if let Some(region) = context["region_name"].as_str() {
            session = session.in_region(region);
        }
        let url = session.endpoint("orchestration").await.map_err(call::error)?;
        Ok(Self { ctx, heat: Heat::of_project(session, url) })
    }

    pub(super) async fn stack(&self) -> Result<Stack, Error> {
        let id = physical_id(self.ctx, "stack")?;
        let found = ask(self.ctx, self.heat.find_stack(id)).await?;
        found.ok_or_else(|| Error::Gone(format!("there is no stack {id} in this project of that service")))
    }
}

/// Whether something is being done to it: that is waited for.
pub(super) fn busy(stack: &Stack) -> Option<String> {
    let status = &stack.stack_status;
    status.ends_with("_IN_PROGRESS").then(|| format!("stack {} is {status} there", stack.stack_name))
}

/// A snapshot over there.
pub(super) struct ASnapshot<'a> {
    pub(super) there: &'a There<'a>,
    pub(super) stack: &'a Stack,
    /// `stacksnap-` and the step that it is of.
    pub(super) name: String,
}

impl ASnapshot<'_> {
    pub(super) async fn all(&self) -> Result<Vec<Snapshot>, Cloud> {
        let mut found = self.there.heat.snapshots(&self.stack.stack_name, &self.stack.id).await?;
        found.retain(|snapshot| snapshot.name.as_deref() == Some(&self.name));
        Ok(found)
    }
}

/// Our own snapshot of the step that is run.
pub(super) fn of_step<'a>(there: &'a There<'a>, stack: &'a Stack) -> ASnapshot<'a> {
    ASnapshot { there, stack, name: marks::name(there.ctx.step) }
}

#[async_trait]
impl Thing for ASnapshot<'_> {
    fn word(&self) -> &'static str {
        "snapshot"
    }

    fn maker(&self) -> &'static str {
        "the other service"
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        Ok(self.all().await?.into_iter().map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.there.heat.snapshot(&self.stack.stack_name, &self.stack.id, id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        Ok(busy(self.stack).map_or(Free::Yes, Free::NotYet))
    }

    async fn make(&self) -> Result<String, Cloud> {
        self.there.heat.create_snapshot(&self.stack.stack_name, &self.stack.id, &self.name).await
    }

    /// What can't be removed while something else is done to the stack is still there when it is looked for again.
    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        match self.there.heat.delete_snapshot(&self.stack.stack_name, &self.stack.id, id).await {
            Err(error) if matches!(error.status(), Some(StatusCode::BAD_REQUEST | StatusCode::CONFLICT)) => {
                tracing::debug!(%error, snapshot = id, "a snapshot over there can't be removed yet");
                Ok(())
            }
            deleted => deleted,
        }
    }
}

impl From<Snapshot> for Found {
    fn from(snapshot: Snapshot) -> Self {
        let deleting = snapshot.action.as_deref() == Some("DELETE");
        let is = match snapshot.status.as_str() {
            "COMPLETE" => Is::There,
            "IN_PROGRESS" if deleting => Is::Leaving,
            "IN_PROGRESS" => Is::Coming,
            _ if deleting => Is::Stuck,
            _ => Is::Failed,
        };
        Self {
            id: snapshot.id,
            status: snapshot.status,
            is,
            created: snapshot.creation_time.unwrap_or_default(),
            why: snapshot.status_reason.unwrap_or_default(),
        }
    }
}
