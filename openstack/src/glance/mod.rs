//! Glance (images, `/v2`): images looked at, found by name, and deleted. Their bytes are moved by other services.
//!
//! There are no versions to ask for. Sizes are bytes; times are texts as Glance writes them (UTC, to the second), which
//! sort as they are.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::reply::or_default;
use crate::request::Request;
use crate::session::Session;

const SERVICE: &str = "image";
/// Entries of one page of a list; Glance gives at most `api_limit_max`, 1000 by default.
const PAGE: &str = "500";

/// One project's Glance. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Glance {
    session: Session,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `queued`, `saving`, `uploading`, `importing`, `active`, `deactivated`, `killed`, `pending_delete`, `deleted`.
    pub status: String,
    /// Bytes, once it is known.
    #[serde(default)]
    pub size: Option<u64>,
    /// MD5, where the service is set up to have one.
    #[serde(default)]
    pub checksum: Option<String>,
    /// By what `os_hash_value` is made: `sha512` by default.
    #[serde(default)]
    pub os_hash_algo: Option<String>,
    #[serde(default)]
    pub os_hash_value: Option<String>,
    #[serde(default)]
    pub created_at: String,
    /// Whose it is: a project.
    #[serde(default)]
    pub owner: Option<String>,
    /// Nobody may delete it.
    #[serde(default)]
    pub protected: bool,
    /// All else that it has, what its maker hung on it too.
    #[serde(flatten)]
    pub properties: BTreeMap<String, Value>,
}

impl Glance {
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// A catalogue has Glance's root, with `/v2` at its end or without.
    async fn request(&self, method: Method, path: &[&str]) -> Result<Request, Error> {
        let has_version = self.session.endpoint(SERVICE).await?.path().trim_end_matches('/').ends_with("/v2");
        let version = if has_version { &[][..] } else { &["v2"] };
        self.session.request(method, SERVICE, &[version, path].concat()).await
    }

    pub async fn image(&self, id: &str) -> Result<Image, Error> {
        self.session.send(self.request(Method::GET, &["images", id]).await?).await?.json()
    }

    pub async fn images_named(&self, name: &str) -> Result<Vec<Image>, Error> {
        let mut all = self.list(&[("name", name)]).await?;
        all.retain(|image| image.name == name);
        Ok(all)
    }

    /// Those that Nova has made of servers, which it calls so (`nova/compute/utils.py`: `image_type`). `owner`: of this
    /// project; all that the session may see are an administrator's of all projects (`glance/db/sqlalchemy/api.py`).
    pub async fn images_of_servers(&self, owner: Option<&str>) -> Result<Vec<Image>, Error> {
        let owner = owner.map(|owner| ("owner", owner));
        let filters: Vec<_> = [("image_type", "snapshot")].into_iter().chain(owner).collect();
        self.list(&filters).await
    }

    /// Every page of a list. `filters`: names and values that Glance compares, those of properties too.
    async fn list(&self, filters: &[(&str, &str)]) -> Result<Vec<Image>, Error> {
        let mut all: Vec<Image> = Vec::new();
        loop {
            let mut request = self.request(Method::GET, &["images"]).await?.query("limit", PAGE);
            for (name, value) in filters {
                request = request.query(name, value);
            }
            if let Some(last) = all.last() {
                request = request.query("marker", &last.id);
            }
            let reply = self.session.send(request).await?;
            let page: Vec<Image> = reply.one("images")?;
            let more = reply.json::<Map<String, Value>>()?.get("next").is_some_and(Value::is_string);
            let is_new = page.last().is_some_and(|last| all.last().is_none_or(|known| known.id != last.id));
            all.extend(page);
            if !more || !is_new {
                return Ok(all);
            }
        }
    }

    /// One that is gone already is no error.
    pub async fn delete_image(&self, id: &str) -> Result<(), Error> {
        match self.session.send(self.request(Method::DELETE, &["images", id]).await?).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }
}

impl Image {
    /// What its maker wrote on it.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_str()
    }

    /// By which two images are the same bytes: `sha512:…`, else `md5:…`. `None`: there are none yet.
    pub fn hash(&self) -> Option<String> {
        match (&self.os_hash_algo, &self.os_hash_value, &self.checksum) {
            (Some(algorithm), Some(value), _) => Some(format!("{algorithm}:{value}")),
            (_, _, Some(checksum)) => Some(format!("md5:{checksum}")),
            _ => None,
        }
    }
}
