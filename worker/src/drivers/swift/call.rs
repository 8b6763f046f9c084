//! Swift as one run of one step asks it, from async code and from threads that block, and its refusals as the step's errors.

use std::future::Future;
use std::time::Duration;

use stacksnap_openstack::swift::{Container, Swift};
use stacksnap_openstack::{Error as Cloud, StatusCode};
use tokio::runtime::Handle;

use crate::driver::{Ctx, Error};

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) ctx: Ctx,
    pub(super) swift: Swift,
    runtime: Handle,
}

impl Calls {
    pub(super) async fn open(ctx: &Ctx) -> Result<Self, Error> {
        ctx.go_on()?;
        // What runs on threads ends when nobody waits for this run any more: see [`Calls::guard`].
        let ctx = Ctx { cancel: ctx.cancel.child_token(), ..ctx.clone() };
        let swift = Swift::new(ctx.cloud.session().await?);
        Ok(Self { ctx, swift, runtime: Handle::current() })
    }

    /// Cancels the run when dropped.
    pub(super) fn guard(&self) -> tokio_util::sync::DropGuard {
        self.ctx.cancel.clone().drop_guard()
    }

    /// A question, or a deed that may be broken off and done again: all of Swift's are. It is begun only while the step is
    /// ours, and given up when it must end.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<T, Error> {
        self.raw(question).await?.map_err(error)
    }

    /// The same; `None`: there is no such thing (any more).
    pub(super) async fn find<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<Option<T>, Error> {
        match self.raw(question).await? {
            Ok(found) => Ok(Some(found)),
            Err(why) if why.is_gone() => Ok(None),
            Err(why) => Err(error(why)),
        }
    }

    /// The same, with Swift's own word.
    pub(super) async fn raw<T>(
        &self,
        question: impl Future<Output = Result<T, Cloud>>,
    ) -> Result<Result<T, Cloud>, Error> {
        self.ctx.go_on()?;
        tokio::select! {
            biased;
            () = self.ctx.cancel.cancelled() => Err(self.ctx.go_on().err().unwrap_or(Error::Cancelled)),
            () = self.ctx.lease.lost() => Err(Error::LeaseLost),
            answer = question => Ok(answer),
        }
    }

    pub(super) async fn pause(&self, length: Duration) -> Result<(), Error> {
        self.ask(async {
            tokio::time::sleep(length).await;
            Ok(())
        })
        .await
    }

    /// For a thread that may block.
    pub(super) fn block<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs what blocks on a thread that may.
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let calls = self.clone();
        match tokio::task::spawn_blocking(move || act(&calls)).await {
            Ok(result) => result,
            Err(failed) => Err(Error::transient(format!("a thread of the Swift driver ended: {failed}"))),
        }
    }

    /// The container's name: a container has no other id.
    pub(super) fn name(&self) -> Result<&str, Error> {
        let name = self.ctx.resource.external_id.as_deref();
        name.ok_or_else(|| Error::Gone("there is no container yet".to_owned()))
    }

    /// The container itself.
    pub(super) async fn target(&self) -> Result<Container, Error> {
        let name = self.name()?;
        let found = self.find(self.swift.container(name)).await?;
        found.ok_or_else(|| Error::Gone(format!("there is no container {name:?} in this project of the cloud")))
    }
}

/// What Swift, or the way to it, says. Not for what is looked for and may be gone.
pub(super) fn error(error: Cloud) -> Error {
    if error.is_transient() {
        return Error::of_service(&error);
    }
    let hint = match error.status() {
        Some(StatusCode::UNAUTHORIZED) => {
            "; the right to act was taken back: a token revoked, a trust or a user deleted. Ask again with a new token"
        }
        Some(StatusCode::FORBIDDEN) => {
            "; the role by which this service acts may not do that: Swift wants one of its operator_roles"
        }
        Some(StatusCode::PAYLOAD_TOO_LARGE) => {
            "; a quota of the container or the account is full, or the object is larger than this Swift takes: make room, or \
             have it raised"
        }
        Some(StatusCode::INSUFFICIENT_STORAGE) => "; Swift has no room",
        _ if matches!(error, Cloud::NoEndpoint { .. }) => {
            "; without the object storage service no container is protected"
        }
        _ => "",
    };
    match error.status() {
        // What was sent is not what arrived, or the same object was written at the same time.
        Some(StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT) => Error::transient(error.to_string()),
        _ if error.is_gone() => Error::Gone(error.to_string()),
        _ => Error::permanent(format!("{error}{hint}")),
    }
}
