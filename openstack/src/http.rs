//! One pool of connections to the cloud's services: TLS, timeouts, and what is sent again.
//!
//! [`Http::send`] sends a request and reads its whole answer. A request that may be repeated is sent again when it got no
//! answer, or one that says "busy" (429, 502, 503, 504); it waits for what `Retry-After` says, else for longer each time.
//! Whoever is told to wait for longer than a request is worth gets the error, with the time in it. Redirects are not
//! followed: they would carry a token to another host.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, redirect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Answered, Error};
use crate::reply::{Reply, message};
use crate::request::Request;

/// The longest answer that is read whole, in bytes.
const LARGEST: usize = 64 << 20;
/// The wait before the second try, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct Settings {
    /// For a connection to be made.
    pub connect: Duration,
    /// For one try, from its start to the answer's last byte.
    pub answer: Duration,
    /// How often a request is sent in all, at least once.
    pub tries: u32,
    /// A `Retry-After` beyond this is the caller's to wait for.
    pub longest_wait: Duration,
    /// Requests to one host and port at the same time; more wait.
    pub at_once: usize,
    /// A PEM file of authorities that are trusted beside the system's.
    pub cafile: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            tries: 3,
            longest_wait: Duration::from_secs(5),
            at_once: 32,
            cafile: None,
        }
    }
}

/// Cheap to clone: all clones share the connections.
#[derive(Debug, Clone)]
pub struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    /// For what must not be sent twice: a connection that was used before may be closed just when it is used again, and
    /// then nobody knows whether the service got the request.
    fresh: reqwest::Client,
    settings: Settings,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Http {
    /// Reads `cafile`. Needs rustls' process-wide provider to be chosen (`main` does).
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let mut trusted = Vec::new();
        if let Some(path) = &settings.cafile {
            let wrong = |why: String| Error::Settings(format!("cafile {}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| wrong(format!("can't be read: {error}")))?;
            let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            if found.is_empty() {
                return Err(wrong("has no certificate in PEM".to_owned()));
            }
            trusted = found;
        }
        let built = |builder: reqwest::ClientBuilder| {
            let builder = builder
                .connect_timeout(settings.connect)
                .redirect(redirect::Policy::none())
                .user_agent(concat!("stacksnap/", env!("CARGO_PKG_VERSION")))
                .tls_certs_merge(trusted.clone());
            builder.build().map_err(|error| Error::Settings(format!("can't set up HTTP: {}", root(&error))))
        };
        let client = built(reqwest::Client::builder())?;
        let fresh = built(reqwest::Client::builder().pool_max_idle_per_host(0))?;
        Ok(Self(Arc::new(Inner { client, fresh, settings, hosts: Mutex::default() })))
    }

    /// The connections themselves, for what is passed on as a stream. They know the timeout to connect and no other.
    pub fn client(&self) -> &reqwest::Client {
        &self.0.client
    }

    /// The same, each on a new connection: for what must not be sent twice.
    pub fn fresh(&self) -> &reqwest::Client {
        &self.0.fresh
    }

    /// The whole answer, if it is below 400.
    pub async fn send(&self, request: Request) -> Result<Reply, Error> {
        let mut tried = 0;
        loop {
            match self.once(&request).await {
                Err(error) => self.may_try_again(&request, &mut tried, error).await?,
                answer => return answer,
            }
        }
    }

    /// After the pause that another try needs. The error, if there is to be none.
    pub(crate) async fn may_try_again(&self, request: &Request, tried: &mut u32, error: Error) -> Result<(), Error> {
        let settings = &self.0.settings;
        *tried += 1;
        let wait = error.after().unwrap_or(FIRST_WAIT * (1 << (*tried - 1).min(10)));
        let again = request.repeatable && worth(&error) && *tried < settings.tries && wait <= settings.longest_wait;
        if !again {
            return Err(error);
        }
        tracing::debug!(tried, "{error}; sent again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn once(&self, request: &Request) -> Result<Reply, Error> {
        let call = request.call();
        let _turn = self.turn(request).await?;
        let start = Instant::now();
        let none = |error: &reqwest::Error| unanswered(request, error);
        let mut sent = self.built(request).timeout(self.0.settings.answer);
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        let mut response = sent.send().await.map_err(|error| none(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| none(&error))? {
            if body.len() + part.len() > LARGEST {
                return Err(Error::Garbled { call, why: format!("longer than {LARGEST} bytes") });
            }
            body.extend_from_slice(&part);
        }
        let id = request_id(&headers);
        let ms = start.elapsed().as_millis();
        tracing::debug!(method = %call.method, at = call.at, status = status.as_u16(), ms, id, "called");
        if status.is_client_error() || status.is_server_error() {
            return Err(answered(request, status, &headers, &body.freeze()));
        }
        Ok(Reply { call, status, headers, body: body.freeze() })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The request without its body and without a time limit.
    pub(crate) fn built(&self, request: &Request) -> reqwest::RequestBuilder {
        let client = if request.repeatable { &self.0.client } else { &self.0.fresh };
        client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone())
    }

    /// A place among the requests to a host.
    pub(crate) async fn turn(&self, request: &Request) -> Result<OwnedSemaphorePermit, Error> {
        // A host that hangs must not make those behind wait for all those before them.
        let turn = tokio::time::timeout(self.0.settings.answer, self.host(request).acquire_owned());
        turn.await.ok().and_then(Result::ok).ok_or_else(|| {
            let why = "too many requests wait for this host".to_owned();
            Error::NoAnswer { call: request.call(), why, sent: false }
        })
    }

    fn host(&self, request: &Request) -> Arc<Semaphore> {
        let name = request.url.origin().ascii_serialization();
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(name).or_insert_with(|| Arc::new(Semaphore::new(self.0.settings.at_once.max(1)))))
    }
}

/// Nothing came, or not all.
pub(crate) fn unanswered(request: &Request, error: &reqwest::Error) -> Error {
    let why = if error.is_timeout() { "no answer in time".to_owned() } else { root(error) };
    Error::NoAnswer { call: request.call(), why, sent: !(error.is_connect() || error.is_builder()) }
}

pub(crate) fn answered(request: &Request, status: reqwest::StatusCode, headers: &HeaderMap, body: &Bytes) -> Error {
    Error::Answered(Box::new(Answered {
        call: request.call(),
        status,
        message: request.cut(&message(status, body)),
        request: request_id(headers).map(str::to_owned),
        after: headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs),
    }))
}

/// Whether the same request may get another answer in a moment.
fn worth(error: &Error) -> bool {
    match error {
        Error::NoAnswer { .. } => true,
        Error::Answered(answer) => matches!(answer.status.as_u16(), 429 | 502 | 503 | 504),
        _ => false,
    }
}

fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = ["x-openstack-request-id", "x-compute-request-id"].iter().find_map(|name| headers.get(*name))?;
    id.to_str().ok().filter(|id| id.len() <= 64)
}

/// The innermost error's text: "connection refused" says more than "error sending request for url (…)".
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
