//! Cinder as one run of one step asks it, and its refusals as the step's errors.

use std::future::Future;

use stacksnap_openstack::cinder::{Cinder, Volume};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use crate::driver::{Ctx, Error};

/// Cheap to make: a session keeps its token.
pub(super) struct Calls<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) cinder: Cinder,
}

impl<'a> Calls<'a> {
    pub(super) async fn open(ctx: &'a Ctx) -> Result<Self, Error> {
        ctx.go_on()?;
        Ok(Self { ctx, cinder: Cinder::new(ctx.cloud.session().await?) })
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

    /// Something that can't be taken back, and that must not be left half-way: it is begun only while the step is ours,
    /// and its answer is waited for.
    pub(super) async fn act<T>(&self, deed: impl Future<Output = Result<T, Cloud>>) -> Result<Result<T, Cloud>, Error> {
        self.ctx.go_on()?;
        Ok(deed.await)
    }

    /// Where the volume is to be found: as the stack has it now, else as it was.
    pub(super) fn volume_id(&self) -> Result<&str, Error> {
        let now = self.ctx.current.as_ref().and_then(|current| current.external_id.as_deref());
        now.or(self.ctx.resource.external_id.as_deref()).ok_or_else(|| Error::Gone("there is no volume yet".to_owned()))
    }

    /// The volume itself.
    pub(super) async fn target(&self) -> Result<Volume, Error> {
        let id = self.volume_id()?;
        let found = self.find(self.cinder.volume(id)).await?;
        found.ok_or_else(|| Error::Gone(format!("there is no volume {id} in this project of the cloud")))
    }
}

/// What Cinder, or the way to it, says. Not for what is looked for and may be gone.
pub(super) fn error(error: Cloud) -> Error {
    if error.is_transient() {
        return Error::Transient { reason: error.to_string(), after: error.after() };
    }
    let hint = match error.status() {
        Some(StatusCode::UNAUTHORIZED) => {
            "; the right to act was taken back: a token revoked, a trust or a user deleted. Ask again with a new token"
        }
        Some(StatusCode::FORBIDDEN) => "; the role by which this service acts may not do that",
        Some(StatusCode::PAYLOAD_TOO_LARGE) => "; the project's quota is full: remove something, or have it raised",
        Some(StatusCode::NOT_ACCEPTABLE) => "; this Cinder is too old: 3.43 of its API is needed (Pike)",
        _ if matches!(error, Cloud::NoEndpoint { .. }) => "; without the block storage service no volume is protected",
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
