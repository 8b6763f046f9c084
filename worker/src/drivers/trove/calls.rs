//! Trove as one run of one step asks it, and what its refusals mean.

use std::future::Future;

use stacksnap_openstack::trove::{Instance, Trove};
use stacksnap_openstack::{Error as Cloud, StatusCode};

use crate::driver::{Ctx, Error};
use crate::drivers::openstack::call;

/// Cheap to make: a session keeps its token.
pub(super) struct Calls<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) trove: Trove,
}

impl<'a> Calls<'a> {
    pub(super) async fn open(ctx: &'a Ctx) -> Result<Self, Error> {
        ctx.go_on()?;
        Ok(Self { ctx, trove: Trove::new(ctx.cloud.session().await?) })
    }

    /// A question. It is given up when the step must end.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<T, Error> {
        tokio::select! {
            () = self.ctx.cancel.cancelled() => Err(Error::Cancelled),
            answer = question => answer.map_err(refused),
        }
    }

    /// The same; `None`: there is no such thing (any more).
    pub(super) async fn find<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<Option<T>, Error> {
        tokio::select! {
            () = self.ctx.cancel.cancelled() => Err(Error::Cancelled),
            answer = question => match answer {
                Ok(found) => Ok(Some(found)),
                Err(why) if why.is_gone() => Ok(None),
                Err(why) => Err(refused(why)),
            },
        }
    }

    pub(super) async fn act<T>(&self, deed: impl Future<Output = Result<T, Cloud>>) -> Result<Result<T, Cloud>, Error> {
        call::act(self.ctx, deed).await
    }

    /// The instance itself.
    pub(super) async fn target(&self) -> Result<Instance, Error> {
        let id = call::physical_id(self.ctx, "instance")?;
        let found = self.find(self.trove.instance(id)).await?;
        found.ok_or_else(|| Error::Gone(format!("there is no instance {id} in this project of the cloud")))
    }
}

/// Trove is at something else (`UnprocessableEntity`, `trove/common/exception.py`): it is asked again later.
pub(super) fn is_busy(error: &Cloud) -> bool {
    error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY)
}

/// A refusal as the step's error. Some are not what their status says (`trove/common/wsgi.py`, `exception_map`): 401 and 404
/// are also Trove's words for an object store that it may not use, or that is not there.
pub(super) fn refused(error: Cloud) -> Error {
    let said = error.to_string();
    let about = |text: &str| said.contains(text);
    if let Cloud::NoEndpoint { .. } = &error {
        return Error::permanent(format!("{said}; without the database service no instance is protected"));
    }
    if about("Swift account not accessible") {
        return Error::permanent(format!(
            "{said}; Trove keeps backups in the project's object store, and whoever asks may not use that: give a role for it"
        ));
    }
    if about("Swift is disabled") {
        return Error::permanent(format!("{said}; Trove has no object store there to keep backups in"));
    }
    if error.status() == Some(StatusCode::NOT_IMPLEMENTED) {
        return Error::permanent(format!("{said}; Trove makes no backups of such an instance"));
    }
    call::error(error)
}
