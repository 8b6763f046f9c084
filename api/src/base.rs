//! Absolute URLs, from the address that the caller itself used.

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use std::convert::Infallible;

use stacksnap_common::ids::{ProjectId, StackName};
use stacksnap_common::record::Stack;

/// `http://host:port`, without a slash at its end.
#[derive(Debug, Clone)]
pub(crate) struct Base(String);

impl Base {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self::of_headers(&parts.headers, &parts.uri)
    }

    pub(crate) fn of_headers(headers: &HeaderMap, uri: &Uri) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        let host = host.or_else(|| uri.authority().map(ToString::to_string));
        Self(format!("http://{}", host.as_deref().unwrap_or("localhost")))
    }

    #[cfg(test)]
    pub(crate) fn named(host: &str) -> Self {
        Self(format!("http://{host}"))
    }

    /// Without a slash at its end.
    pub(crate) fn root(&self) -> &str {
        &self.0
    }

    /// `…/v1/`.
    pub(crate) fn v1(&self) -> String {
        format!("{}/v1/", self.0)
    }

    pub(crate) fn stacks(&self, project: &ProjectId) -> String {
        format!("{}/v1/{project}/stacks", self.0)
    }

    pub(crate) fn stack(&self, stack: &Stack) -> String {
        self.stack_named(&stack.project, &stack.name, &stack.id.to_string())
    }

    /// Of a stack that may not be there.
    pub(crate) fn stack_named(&self, project: &ProjectId, name: &StackName, id: &str) -> String {
        format!("{}/{name}/{id}", self.stacks(project))
    }
}

impl<S: Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
