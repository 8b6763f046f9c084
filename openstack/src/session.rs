//! Credentials turned into calls: a token is fetched when the first call needs it, kept until shortly before it ends, and
//! fetched anew once if a service does not accept it (401). Any number of calls at the same time fetch one token, and
//! share the failure if there is none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::catalogue::Interface;
use crate::credentials::{Credentials, Scope};
use crate::error::Error;
use crate::http::Http;
use crate::reply::Reply;
use crate::request::Request;
use crate::token::{Body, Token};

/// A token that has less than this left is not used any more: a call takes time.
const MARGIN: Duration = Duration::from_secs(60);
pub(crate) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// Which of the cloud's endpoints are used.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// None: whichever the catalogue lists first.
    pub region: Option<String>,
    pub interface: Interface,
    /// By service type: URLs that are used in place of the catalogue's.
    pub endpoints: BTreeMap<String, Url>,
}

/// Cheap to clone: all clones share the token.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    auth_url: Url,
    credentials: Credentials,
    settings: Settings,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    issued: Option<Arc<Issued>>,
    /// When the last attempt failed, and why.
    failed: Option<(Instant, Error)>,
}

#[derive(Debug)]
pub(crate) struct Issued {
    id: SecretString,
    token: Token,
}

impl Session {
    /// `auth_url` is Keystone's root, with `/v3` at its end or without. Asks nothing yet.
    pub fn new(http: Http, auth_url: Url, credentials: Credentials, settings: Settings) -> Result<Self, Error> {
        let auth_url = v3(auth_url)?;
        Ok(Self(Arc::new(Inner { http, auth_url, credentials, settings, current: Mutex::default() })))
    }

    /// The same cloud with other credentials.
    pub fn with(&self, credentials: Credentials) -> Self {
        let Inner { http, auth_url, settings, .. } = &*self.0;
        Self(Arc::new(Inner {
            http: http.clone(),
            auth_url: auth_url.clone(),
            credentials,
            settings: settings.clone(),
            current: Mutex::default(),
        }))
    }

    /// The same credentials in another region of the cloud.
    pub fn in_region(&self, region: &str) -> Self {
        let Inner { http, auth_url, credentials, settings, .. } = &*self.0;
        let settings = Settings { region: Some(region.to_owned()), ..settings.clone() };
        Self(Arc::new(Inner {
            http: http.clone(),
            auth_url: auth_url.clone(),
            credentials: credentials.clone(),
            settings,
            current: Mutex::default(),
        }))
    }

    /// The same user for something else. `None`: these credentials are for one thing only.
    pub fn scoped(&self, scope: Scope) -> Option<Self> {
        match &self.0.credentials {
            Credentials::Password { user, password, .. } => {
                Some(self.with(Credentials::Password { user: user.clone(), password: password.clone(), scope }))
            }
            _ => None,
        }
    }

    pub fn http(&self) -> &Http {
        &self.0.http
    }

    /// Keystone's root, ending in `/v3`.
    pub fn auth_url(&self) -> &Url {
        &self.0.auth_url
    }

    /// What Keystone says of our token; fetches one if there is none.
    pub async fn token(&self) -> Result<Token, Error> {
        Ok(self.issued().await?.token.clone())
    }

    /// The URL of a service, without a slash at its end.
    pub async fn endpoint(&self, service: &str) -> Result<Url, Error> {
        let settings = &self.0.settings;
        if let Some(url) = settings.endpoints.get(service) {
            return Ok(url.clone());
        }
        let issued = self.issued().await?;
        let mut url = issued.token.catalog.endpoint(service, settings.region.as_deref(), settings.interface)?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }

    /// The regions that have a service, by their names in the catalogue.
    pub async fn regions(&self, service: &str) -> Result<Vec<String>, Error> {
        Ok(self.issued().await?.token.catalog.regions(service, self.0.settings.interface))
    }

    /// A request to a service, at `path` below its endpoint; each part is escaped.
    pub async fn request(&self, method: Method, service: &str, path: &[&str]) -> Result<Request, Error> {
        Ok(Request::new(method, below(self.endpoint(service).await?, path)))
    }

    /// Sends a request with our token; with a new one, once, if that is not accepted.
    pub async fn send(&self, request: Request) -> Result<Reply, Error> {
        let mut renewed = false;
        loop {
            let (carrying, issued) = self.carrying_token(request.clone()).await?;
            match self.http().send(carrying).await {
                Err(error) if !renewed && self.may_renew(&error, issued).await => renewed = true,
                answer => return answer,
            }
        }
    }

    /// Whether the error says that our token is not accepted, and another one can be had; the old one is forgotten.
    pub(crate) async fn may_renew(&self, error: &Error, issued: Option<Arc<Issued>>) -> bool {
        let Some(issued) = issued.filter(|_| error.is_unauthorized()) else { return false };
        tracing::debug!("{error}; our token is fetched anew");
        self.forget(&issued).await;
        true
    }

    /// The token too, unless it is one that was given and can't be had anew.
    pub(crate) async fn carrying_token(&self, request: Request) -> Result<(Request, Option<Arc<Issued>>), Error> {
        if let Credentials::Given(token) = &self.0.credentials {
            return Ok((request.token(token)?, None));
        }
        let issued = self.issued().await?;
        Ok((request.token(&issued.id)?, Some(issued)))
    }

    async fn issued(&self) -> Result<Arc<Issued>, Error> {
        let asked = Instant::now();
        let mut current = self.0.current.lock().await;
        if let Some(issued) = current.issued.as_ref().filter(|issued| issued.token.left() > MARGIN) {
            return Ok(Arc::clone(issued));
        }
        // Whoever waited for an attempt that failed does not make another one after it.
        if let Some((_, error)) = current.failed.as_ref().filter(|(when, _)| *when > asked) {
            return Err(error.clone());
        }
        match self.authenticate().await {
            Ok(issued) => Ok(Arc::clone(current.issued.insert(Arc::new(issued)))),
            Err(error) => {
                current.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn forget(&self, refused: &Arc<Issued>) {
        let mut current = self.0.current.lock().await;
        // Somebody else may have fetched a new one already.
        if current.issued.as_ref().is_some_and(|issued| Arc::ptr_eq(issued, refused)) {
            current.issued = None;
        }
    }

    async fn authenticate(&self) -> Result<Issued, Error> {
        let Inner { http, auth_url, credentials, .. } = &*self.0;
        let url = below(auth_url.clone(), &["auth", "tokens"]);
        let (id, reply) = match credentials {
            // A token may ask about itself.
            Credentials::Given(token) => {
                let request = Request::get(url).token(token)?.secret(SUBJECT_TOKEN, token)?;
                (token.clone(), http.send(request).await?)
            }
            credentials => {
                let body = credentials.body().unwrap_or_default();
                // A second one would be one token more, which nobody knows.
                let reply = http.send(Request::post(url).json(&body)?.repeatable()).await?;
                let id = reply.header(SUBJECT_TOKEN.as_str()).map(SecretString::from);
                (id.ok_or_else(|| reply.garbled("there is no X-Subject-Token"))?, reply)
            }
        };
        // A token may be longer than a header may be, but not one that no header takes.
        HeaderValue::from_str(id.expose_secret()).map_err(|_| reply.garbled("the token is no header's value"))?;
        let Body { token } = reply.json()?;
        Ok(Issued { id, token })
    }
}

/// `url` with more path; each part is escaped.
pub(crate) fn below(mut url: Url, path: &[&str]) -> Url {
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn v3(mut url: Url) -> Result<Url, Error> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Error::Settings(format!("auth_url {url} is not an http:// or https:// URL")));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = if path.ends_with("/v3") { path.to_owned() } else { format!("{path}/v3") };
    url.set_path(&path);
    Ok(url)
}
