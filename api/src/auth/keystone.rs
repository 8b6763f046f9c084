//! Keystone's tokens, as `keystonemiddleware` takes them.
//!
//! The token in `X-Auth-Token` is shown to Keystone by a service user, and what it says is kept by the token's SHA-256:
//! until the token ends and never for longer than `cache`, a refusal for some seconds. Any number of requests that bring
//! the same unknown token at once ask once. When Keystone can't be asked, what is not kept is answered by 503: nobody gets
//! in without having been known.
//!
//! A service that acts for a user sends its own token in `X-Service-Token`. It must be valid too; with one of
//! `service_roles` it lets a request go on whose user's token has ended meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::http::request::Parts;
use moka::Expiry;
use moka::future::Cache;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use stacksnap_openstack::{Error, Keystone, Token};

use super::{Identity, Refusal, Scope, Who};

/// Tokens that are kept; beyond, those that were used least go first.
const KEPT: u64 = 20_000;
/// The longest token that Keystone is asked about, in bytes. Fernet's have some 200, JWS' some 1000.
const LONGEST: usize = 8192;
const AWAY: Refusal = Refusal::Away("The Keystone service is temporarily unavailable.");

#[derive(Debug, Clone)]
pub struct Settings {
    /// Where a caller without a token is pointed to.
    pub www_authenticate_uri: String,
    pub cache: Duration,
    pub cache_refusals: Duration,
    pub service_roles: Vec<String>,
}

pub struct ByKeystone {
    keystone: Keystone,
    settings: Settings,
    challenge: String,
    known: Cache<[u8; 32], Known>,
}

/// What Keystone said of a token.
#[derive(Debug, Clone)]
struct Known {
    /// None: it is not valid.
    who: Option<Arc<Who>>,
    /// For how long this holds.
    keep: Duration,
}

struct Keep;

impl Expiry<[u8; 32], Known> for Keep {
    fn expire_after_create(&self, _: &[u8; 32], known: &Known, _: Instant) -> Option<Duration> {
        Some(known.keep)
    }
}

impl ByKeystone {
    /// `keystone`'s session is the service user's.
    pub fn new(keystone: Keystone, settings: Settings) -> Self {
        let challenge = format!("Keystone uri=\"{}\"", settings.www_authenticate_uri);
        let known = Cache::builder().max_capacity(KEPT).expire_after(Keep).build();
        Self { keystone, settings, challenge, known }
    }

    /// Who a token is, by what is kept or by Keystone.
    async fn find(&self, token: &str, expired_too: bool) -> Result<Arc<Who>, Refusal> {
        if token.is_empty() || token.len() > LONGEST {
            return Err(Refusal::Unknown);
        }
        let mut digest = Sha256::new_with_prefix(token.as_bytes());
        digest.update([0, u8::from(expired_too)]);
        let known = self.known.try_get_with(digest.finalize().into(), self.ask(token, expired_too)).await;
        match known {
            Ok(known) => known.who.ok_or(Refusal::Unknown),
            Err(error) => {
                // What Keystone says here is about us, not about the caller: a 401 too, since a new token of ours has
                // been tried by then.
                if error.is_transient() {
                    tracing::warn!("503: a token can't be validated now: {error}");
                } else {
                    tracing::error!("503: Keystone doesn't let us validate tokens; check [keystone]: {error}");
                }
                Err(AWAY)
            }
        }
    }

    async fn ask(&self, token: &str, expired_too: bool) -> Result<Known, Error> {
        let Settings { cache, cache_refusals, .. } = self.settings;
        let found = self.keystone.validate(&SecretString::from(token), expired_too).await?;
        Ok(match found {
            None => Known { who: None, keep: cache_refusals },
            // One that has ended already is good while its service's is; that is asked again soon.
            Some(token) if token.left().is_zero() => {
                Known { who: expired_too.then(|| Arc::new(who(token))), keep: cache_refusals }
            }
            Some(token) => Known { keep: token.left().min(cache), who: Some(Arc::new(who(token))) },
        })
    }

    fn is_service(&self, who: &Who) -> bool {
        self.settings.service_roles.iter().any(|role| who.has_role(&role.to_lowercase()))
    }
}

#[async_trait]
impl Identity for ByKeystone {
    async fn identify(&self, request: &Parts) -> Result<Arc<Who>, Refusal> {
        let token = header(request, "x-auth-token")?.ok_or(Refusal::Unknown)?;
        let service = match header(request, "x-service-token")? {
            Some(token) => self.is_service(&*self.find(token, false).await?),
            None => false,
        };
        self.find(token, service).await
    }

    fn challenge(&self) -> &str {
        &self.challenge
    }
}

/// A header that is there once or not at all; two would be read differently by whoever stands before us.
fn header<'a>(request: &'a Parts, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut all = request.headers.get_all(name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Refusal::Unknown)?;
    if all.next().is_some() { Err(Refusal::Unknown) } else { Ok(Some(text.trim())) }
}

fn who(token: Token) -> Who {
    let scope = match token.project {
        // An id that is none of ours can't be named in a URL either.
        Some(project) => project.id.parse().map_or(Scope::Nowhere, Scope::One),
        None if token.system => Scope::System,
        None => Scope::Nowhere,
    };
    let roles = token.roles.iter().map(|role| role.name.as_str());
    let mut who = Who::new(&token.user.name, scope, roles);
    who.user_id = token.user.id;
    who.admin_project &= token.is_admin_project;
    who
}
