//! A cloud as one run of one step asks it, and its refusals as the step's errors. [`Calls`] has the services of a region that
//! servers, volumes and shares live on.

use std::future::Future;

use stacksnap_openstack::{Cinder, Error as Cloud, Glance, Manila, Nova, StatusCode};

use crate::driver::{Ctx, Error};

/// Cheap to make: a session keeps its token.
pub(crate) struct Calls<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) cinder: Cinder,
    pub(crate) nova: Nova,
    pub(crate) glance: Glance,
    pub(crate) manila: Manila,
}

impl<'a> Calls<'a> {
    pub(crate) async fn open(ctx: &'a Ctx) -> Result<Self, Error> {
        ctx.go_on()?;
        let session = ctx.cloud.session().await?;
        let (cinder, nova) = (Cinder::new(session.clone()), Nova::new(session.clone()));
        let (glance, manila) = (Glance::new(session.clone()), Manila::new(session));
        Ok(Self { ctx, cinder, nova, glance, manila })
    }

    /// See [`ask`].
    pub(crate) async fn ask<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<T, Error> {
        ask(self.ctx, question).await
    }

    /// See [`find`].
    pub(crate) async fn find<T>(&self, question: impl Future<Output = Result<T, Cloud>>) -> Result<Option<T>, Error> {
        find(self.ctx, question).await
    }

    /// See [`act`].
    pub(crate) async fn act<T>(&self, deed: impl Future<Output = Result<T, Cloud>>) -> Result<Result<T, Cloud>, Error> {
        act(self.ctx, deed).await
    }

    /// See [`physical_id`].
    pub(crate) fn physical_id(&self, what: &str) -> Result<&str, Error> {
        physical_id(self.ctx, what)
    }
}

/// A question. It is given up when the step must end.
pub(crate) async fn ask<T>(ctx: &Ctx, question: impl Future<Output = Result<T, Cloud>>) -> Result<T, Error> {
    tokio::select! {
        () = ctx.cancel.cancelled() => Err(Error::Cancelled),
        answer = question => answer.map_err(error),
    }
}

/// The same; `None`: there is no such thing (any more).
pub(crate) async fn find<T>(ctx: &Ctx, question: impl Future<Output = Result<T, Cloud>>) -> Result<Option<T>, Error> {
    tokio::select! {
        () = ctx.cancel.cancelled() => Err(Error::Cancelled),
        answer = question => match answer {
            Ok(found) => Ok(Some(found)),
            Err(why) if why.is_gone() => Ok(None),
            Err(why) => Err(error(why)),
        },
    }
}

/// Something that can't be taken back, and that must not be left half-way: it is begun only while the step is ours, and
/// its answer is waited for.
pub(crate) async fn act<T>(ctx: &Ctx, deed: impl Future<Output = Result<T, Cloud>>) -> Result<Result<T, Cloud>, Error> {
    ctx.go_on()?;
    Ok(deed.await)
}

/// Where the resource is to be found: as the stack has it now, else as it was. `what`: a volume, in words.
pub(crate) fn physical_id<'a>(ctx: &'a Ctx, what: &str) -> Result<&'a str, Error> {
    let now = ctx.current.as_ref().and_then(|current| current.external_id.as_deref());
    now.or(ctx.resource.external_id.as_deref()).ok_or_else(|| Error::Gone(format!("there is no {what} yet")))
}

/// What a service, or the way to it, says. Not for what is looked for and may be gone.
pub(crate) fn error(error: Cloud) -> Error {
    if error.is_transient() {
        return Error::of_service(&error);
    }
    let hint = match error.status() {
        Some(StatusCode::UNAUTHORIZED) => {
            "; the right to act was taken back: a token revoked, a trust or a user deleted. Ask again with a new token"
        }
        Some(StatusCode::FORBIDDEN) => "; the role by which this service acts may not do that",
        Some(StatusCode::PAYLOAD_TOO_LARGE) => "; the project's quota is full: remove something, or have it raised",
        Some(StatusCode::NOT_ACCEPTABLE) => {
            "; the service is too old: of Cinder's API 3.43 (Pike) is needed, of Nova's 2.79 (Train), and of Manila's \
             2.45 (Queens)"
        }
        _ => match &error {
            Cloud::NoEndpoint { service, .. } if service == "block-storage" => {
                "; without the block storage service no volume is protected"
            }
            Cloud::NoEndpoint { service, .. } if service == "shared-file-system" => {
                "; without the shared file system service no share is protected"
            }
            Cloud::NoEndpoint { service, .. } if service == "orchestration" => {
                "; the region is that of the property context.region_name"
            }
            Cloud::NoEndpoint { .. } => "; without the compute and the image service no server is protected",
            _ => "",
        },
    };
    match error.is_gone() {
        true => Error::Gone(error.to_string()),
        false => Error::permanent(format!("{error}{hint}")),
    }
}

/// Whether it is not known what became of what was asked.
pub(crate) fn is_unknown(error: &Cloud) -> bool {
    match error {
        Cloud::NoAnswer { sent, .. } => *sent,
        Cloud::Garbled { .. } => true,
        Cloud::Answered(answer) => matches!(answer.status.as_u16(), 500 | 502 | 504),
        _ => false,
    }
}
