//! A thing of any service that is one JSON object: read, and told what to be. For what is configuration and nothing else;
//! what has data has a client of its own.

use reqwest::header::{HeaderValue, IF_MATCH};
use reqwest::{Method, Url};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::request::Request;
use crate::session::{Session, below};

/// Where things of one kind are.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// As the catalogue has it: `network`.
    pub service: &'static str,
    /// The version in the URL, where the catalogue may leave it out: `v2.0`.
    pub version: Option<&'static str>,
    /// `networks`.
    pub collection: &'static str,
    /// `network`: under which key a thing is in a body.
    pub key: &'static str,
}

/// One project's things. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Things {
    session: Session,
}

impl Things {
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    async fn url(&self, place: &Place, id: &str) -> Result<Url, Error> {
        let endpoint = self.session.endpoint(place.service).await?;
        let versioned = endpoint
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .is_some_and(|last| last.starts_with('v') && last[1..].starts_with(|c: char| c.is_ascii_digit()));
        let version = place.version.filter(|_| !versioned);
        let path: Vec<_> = version.into_iter().chain([place.collection, id]).collect();
        Ok(below(endpoint, &path))
    }

    /// All that the service tells of it.
    pub async fn thing(&self, place: &Place, id: &str) -> Result<Map<String, Value>, Error> {
        let reply = self.session.send(Request::get(self.url(place, id).await?)).await?;
        let mut body: Map<String, Value> = reply.json()?;
        match body.remove(place.key) {
            Some(Value::Object(thing)) => Ok(thing),
            _ => Err(reply.garbled(&format!("there is no {:?}", place.key))),
        }
    }

    /// Sets what is named. `revision`: only if it has not been changed since it had this one (412).
    pub async fn set(
        &self,
        place: &Place,
        id: &str,
        fields: &Map<String, Value>,
        revision: Option<u64>,
    ) -> Result<(), Error> {
        let body = Map::from_iter([(place.key.to_owned(), Value::Object(fields.clone()))]);
        let mut request = Request::new(Method::PUT, self.url(place, id).await?).json(&body)?;
        if let Some(revision) = revision {
            let value = HeaderValue::from_str(&format!("revision_number={revision}"))
                .map_err(|_| Error::Settings("a revision is a number".to_owned()))?;
            request = request.header(IF_MATCH, value);
        }
        self.session.send(request).await.map(drop)
    }
}
