//! Heat mode: this service in front of a real Heat.
//!
//! Stacks are Heat's. Snapshots and operations are ours, and answered by the same verbs as in registry mode; what they
//! need of a stack comes through [`crate::source`]. Everything else goes to Heat with the caller's own token, and comes
//! back with our address in place of Heat's:
//!
//! ```text
//! request → routes.rs → forward.rs                     as it is, streamed; a change under a hold (change.rs)
//!                     → show.rs list.rs resources.rs   read from Heat, our state over it (overlay.rs), written
//!                     → events.rs                      Heat's and ours, in one order (merge.rs)
//!                     → delete.rs                      ours: the snapshots first, then the stack
//!                     → adopt.rs                       Heat's; an abandoned stack's snapshots come with it
//!                     → ../snapshots/                  ours; what Heat had made itself is asked from it (foreign.rs)
//! ```
//!
//! - `read.rs`: a stack as Heat has it now, when an operation begins; `tree.rs`: its resources, nested ones by their
//!   path; `captured.rs`: what is captured by that reading already. `begin.rs` puts them together.
//! - `grant.rs`: by what a worker acts when the caller is gone.
//! - `urls.rs`: Heat's address and ours. `ask.rs`: an answer read whole.

mod adopt;
mod ask;
mod begin;
mod captured;
mod change;
mod delete;
mod events;
pub(crate) mod foreign;
mod forward;
pub mod grant;
mod list;
mod merge;
mod overlay;
mod read;
mod resources;
mod routes;
mod show;
mod tree;
mod urls;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use secrecy::SecretString;
use stacksnap_common::ids::ProjectId;
use stacksnap_openstack::{Http, Url};
use tokio::sync::Semaphore;

pub(crate) use begin::{Begins, Ready};
pub(crate) use routes::routes;

/// The Heat behind us.
pub struct Heat {
    http: Http,
    /// Up to `/v1`, without a slash at its end.
    url: Url,
    /// For an answer to begin, and for each next part of it.
    timeout: Duration,
    /// Requests that are under way at the same time; more wait.
    at_once: Arc<Semaphore>,
    grants: grant::Grants,
}

impl Heat {
    pub fn new(http: Http, mut url: Url, timeout: Duration, at_once: usize, grants: grant::Grants) -> Self {
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Self { http, url, timeout, at_once: Arc::new(Semaphore::new(at_once)), grants }
    }

    pub(crate) fn grants(&self) -> &grant::Grants {
        &self.grants
    }

    /// What a caller may see of Heat, with the caller's own token.
    fn of(&self, project: &ProjectId, headers: &HeaderMap) -> stacksnap_openstack::Heat {
        stacksnap_openstack::Heat::with_token(self.http.clone(), token(headers), &self.url, project.as_str())
    }

    /// How long a hold lasts if nobody drops it: longer than any answer is waited for.
    fn longest_hold(&self) -> Duration {
        self.timeout + Duration::from_secs(15)
    }
}

/// The caller's token, to be handed on and never to be seen.
pub(crate) fn token(headers: &HeaderMap) -> Option<SecretString> {
    headers
        .get("x-auth-token")
        .and_then(|token| token.to_str().ok())
        .filter(|token| !token.is_empty())
        .map(SecretString::from)
}
