//! Where stacks come from: the registry, or a real Heat. Handlers of snapshots ask here for the stack as it is now, and
//! need not know which it is.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use stacksnap_common::ids::{ProjectId, StackId};
use stacksnap_common::record::Answer;
use stacksnap_common::store::{self, Request};

use crate::Api;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::heat::{Begins, Ready};
use crate::stacks::StackPath;

/// The source, as one caller may use it.
pub(crate) struct Stacks {
    api: Arc<Api>,
    /// Holds the caller's token.
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Api>> for Stacks {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(Self { api: Arc::clone(api), headers: parts.headers.clone() })
    }
}

impl Stacks {
    /// The stack, if it is there and not deleted.
    pub(crate) async fn find(&self, path: &StackPath, caller: &Caller) -> Result<StackId, Fault> {
        Ok(self.begin(path, caller, Begins::Own).await?.stack)
    }

    /// The stack, ready for an operation to begin on it.
    pub(crate) async fn begin(&self, path: &StackPath, caller: &Caller, begins: Begins) -> Result<Ready, Fault> {
        match &self.api.heat {
            // Of both sources the larger by far.
            Some(heat) => Box::pin(heat.begin(&self.api, caller, path, &self.headers, begins)).await,
            None => Ok(Ready { stack: path.live(&self.api, &caller.project).await?.id, heat: None }),
        }
    }

    /// Refuses (409) while Heat works on the stack.
    pub(crate) async fn idle(&self, path: &StackPath, project: &ProjectId) -> Result<(), Fault> {
        match &self.api.heat {
            Some(heat) => heat.idle(project, path, &self.headers).await,
            None => Ok(()),
        }
    }

    /// Takes back what was made for an operation that was not accepted.
    pub(crate) async fn settle(
        &self,
        ready: &Ready,
        result: Result<Answer, store::Error>,
    ) -> Result<Answer, store::Error> {
        if let (Err(_), Some(heat), Some(begin)) = (&result, &self.api.heat, &ready.heat) {
            heat.gave_up(&self.api, begin.grant.as_ref(), &self.headers).await;
        }
        result
    }
}

impl Ready {
    /// The request, with what was learned of the stack.
    pub(crate) fn request<'a>(&self, request: Request<'a>) -> Request<'a> {
        Request { heat: self.heat.clone(), ..request }
    }
}
