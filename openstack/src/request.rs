//! What is asked of a service: method, URL, headers and a body that can be sent twice.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::error::{Call, Error};

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) repeatable: bool,
}

impl Request {
    /// `GET`, `HEAD`, `PUT` and `DELETE` may be sent again when their outcome is unknown; others only if
    /// [`Request::repeatable`] says so.
    pub fn new(method: Method, url: Url) -> Self {
        let repeatable = matches!(method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, url, headers, body: None, repeatable }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    pub fn delete(url: Url) -> Self {
        Self::new(Method::DELETE, url)
    }

    /// Sent twice it does no more than sent once.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// A header whose value anybody may see.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// A header whose value nobody may see: it is in no `Debug`, and cut out of what the service answers.
    pub fn secret(mut self, name: HeaderName, value: &SecretString) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| Error::Settings(format!("{name}: a value with characters that no header takes")))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// In whose name: `X-Auth-Token`.
    pub fn token(self, token: &SecretString) -> Result<Self, Error> {
        self.secret(AUTH_TOKEN, token)
    }

    /// The version of a service's API that is asked for, as `("compute", "2.93")`.
    pub fn microversion(self, service: &str, version: &str) -> Result<Self, Error> {
        let value = HeaderValue::from_str(&format!("{service} {version}"))
            .map_err(|_| Error::Settings(format!("{version:?} is not a version")))?;
        Ok(self.header(HeaderName::from_static("openstack-api-version"), value))
    }

    pub fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Settings(format!("a body: {error}")))?;
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body.into());
        Ok(self)
    }

    /// For errors and logs.
    pub(crate) fn call(&self) -> Call {
        let mut url = self.url.clone();
        url.set_query(None);
        // Only a URL that can't have them refuses, and that has none.
        let _ = (url.set_username(""), url.set_password(None));
        Call { method: self.method.clone(), at: url.to_string() }
    }

    /// `text` without any of the secrets that this request carries.
    pub(crate) fn cut(&self, text: &str) -> String {
        let secrets = self.headers.values().filter(|value| value.is_sensitive() && value.len() >= 8);
        secrets.filter_map(|value| value.to_str().ok()).fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}
