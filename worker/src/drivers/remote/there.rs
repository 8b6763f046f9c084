//! The other service as one run of one step asks it.

use std::future::Future;

use serde_json::Value;
use stacksnap_openstack::heat::{Heat, Snapshot, Stack};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use super::TYPE;
use crate::driver::{Ctx, Error};

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
        let url = session.endpoint("orchestration").await.map_err(error)?;
        Ok(Self { ctx, heat: Heat::of_project(session, url) })
    }

    /// A question. It is given up when the step must end.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<T, Error> {
        tokio::select! {
            () = self.ctx.cancel.cancelled() => Err(Error::Cancelled),
            answer = question => answer.map_err(error),
        }
    }

    /// The same; `None`: there is no such thing (any more).
    pub(super) async fn find<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<Option<T>, Error> {
        tokio::select! {
            () = self.ctx.cancel.cancelled() => Err(Error::Cancelled),
            answer = question => match answer {
                Ok(found) => Ok(Some(found)),
                Err(why) if why.is_gone() => Ok(None),
                Err(why) => Err(error(why)),
            },
        }
    }

    /// What can't be taken back: begun only while the step is ours, and its answer is waited for.
    pub(super) async fn act<T>(&self, deed: impl Future<Output = Result<T, Cloud>>) -> Result<Result<T, Cloud>, Error> {
        self.ctx.go_on()?;
        Ok(deed.await)
    }

    pub(super) fn id(&self) -> Result<&str, Error> {
        self.ctx.resource.external_id.as_deref().ok_or_else(|| Error::Gone("there is no stack yet".to_owned()))
    }

    pub(super) async fn stack(&self) -> Result<Stack, Error> {
        let id = self.id()?;
        let found = self.ask(self.heat.find_stack(id)).await?;
        found.ok_or_else(|| Error::Gone(format!("there is no stack {id} in this project of that service")))
    }

    /// Those of `name`, the oldest first.
    pub(super) async fn named(&self, stack: &Stack, name: &str) -> Result<Vec<Snapshot>, Error> {
        let mut found = self.ask(self.heat.snapshots(&stack.stack_name, &stack.id)).await?;
        found.retain(|snapshot| snapshot.name.as_deref() == Some(name));
        found.sort_by(|a, b| (&a.creation_time, &a.id).cmp(&(&b.creation_time, &b.id)));
        Ok(found)
    }
}

/// Whether something is being done to it: that is waited for.
pub(super) fn busy(stack: &Stack) -> Option<String> {
    let status = &stack.stack_status;
    status.ends_with("_IN_PROGRESS").then(|| format!("stack {} is {status} there", stack.stack_name))
}

/// What that service, or the way to it, says.
pub(super) fn error(error: Cloud) -> Error {
    if error.is_transient() {
        return Error::Transient { reason: error.to_string(), after: error.after() };
    }
    let hint = match error.status() {
        Some(StatusCode::UNAUTHORIZED) => "; the right to act was taken back. Ask again with a new token",
        Some(StatusCode::FORBIDDEN) => "; the role by which this service acts may not do that there",
        _ if matches!(error, Cloud::NoEndpoint { .. }) => "; see the property context.region_name",
        _ => "",
    };
    match error.is_gone() {
        true => Error::Gone(error.to_string()),
        false => Error::permanent(format!("{error}{hint}")),
    }
}

/// Whether it is not known what became of what was asked.
pub(super) fn is_unknown(error: &Cloud) -> bool {
    match error {
        Cloud::NoAnswer { sent, .. } => *sent,
        Cloud::Garbled { .. } => true,
        Cloud::Answered(answer) => matches!(answer.status.as_u16(), 500 | 502 | 504),
        _ => false,
    }
}
