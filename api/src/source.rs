//! Where stacks come from: the registry, or a real Heat. Handlers of snapshots ask here for the stack as it is now, and
//! need not know which it is.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use stacksnap_common::heat::Grant;
use stacksnap_common::ids::{ProjectId, StackId};
use stacksnap_common::record::Answer;
use stacksnap_common::store::{self, Request};
use stacksnap_common::types::Resource;

use crate::Api;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::heat::{self, Begins, Ready};
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
        if let Some(heat) = &self.api.heat {
            return Box::pin(heat.begin(&self.api, caller, path, &self.headers, begins)).await;
        }
        let stack = path.live(&self.api, &caller.project).await?;
        let grant = match begins {
            Begins::Own => None,
            Begins::Snapshot => self.act(caller, &stack.resources).await?,
            // A snapshot may hold more than the stack has now.
            Begins::Restore(_) | Begins::Plan | Begins::Kept | Begins::StackDelete => self.act_anywhere(caller).await?,
        };
        Ok(Ready { stack: stack.id, heat: None, grant })
    }

    /// What lets a worker act for the caller, where it has to do with any of these resources in a cloud. For stacks that
    /// are held here.
    pub(crate) async fn act(&self, caller: &Caller, resources: &[Resource]) -> Result<Option<Grant>, Fault> {
        let kinds = &self.api.store.kinds;
        let is_cloud = |resource: &Resource| kinds.get(&resource.kind).is_some_and(|kind| kind.cloud);
        if resources.iter().any(is_cloud) { self.act_anywhere(caller).await } else { Ok(None) }
    }

    pub(crate) async fn act_anywhere(&self, caller: &Caller) -> Result<Option<Grant>, Fault> {
        match &self.api.cloud {
            Some(grants) => Box::pin(grants.make(&self.api, caller, heat::token(&self.headers).as_ref())).await,
            None => Ok(None),
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
        if result.is_err() {
            self.gave_up(ready.grant.as_ref()).await;
        }
        result
    }

    /// The same, of a request that brought one itself.
    pub(crate) async fn settle_grant(
        &self,
        request: &Request<'_>,
        result: Result<Answer, store::Error>,
    ) -> Result<Answer, store::Error> {
        if result.is_err() {
            self.gave_up(request.grant.as_ref()).await;
        }
        result
    }

    /// Nothing came of it.
    pub(crate) async fn gave_up(&self, grant: Option<&Grant>) {
        let Some(grant) = grant else { return };
        let grants = self.api.heat.as_ref().map(|heat| heat.grants()).or(self.api.cloud.as_ref());
        if let Some(grants) = grants {
            grants.unmake(&self.api, grant, heat::token(&self.headers).as_ref()).await;
        }
    }
}

impl Ready {
    /// The request, with what was learned of the stack.
    pub(crate) fn request<'a>(&self, request: Request<'a>) -> Request<'a> {
        Request { heat: self.heat.clone(), grant: self.grant.clone(), ..request }
    }
}
