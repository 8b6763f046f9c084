//! Servers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Nova;
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `ACTIVE`, `SHUTOFF`, `REBUILD`, `ERROR`, `PAUSED`, …
    pub status: String,
    /// `active`, `stopped`, `error`, `paused`, …: what it is apart from what is being done to it.
    #[serde(default, rename = "OS-EXT-STS:vm_state", deserialize_with = "or_default")]
    pub vm_state: String,
    /// What Nova is doing to it: `image_snapshot`, `image_uploading`, `rebuilding`, `powering-off`, …; `None`: nothing.
    #[serde(default, rename = "OS-EXT-STS:task_state")]
    pub task_state: Option<String>,
    /// What its disk was made from. `None`: it boots from a volume.
    #[serde(default, deserialize_with = "image")]
    pub image: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
    /// Nothing may be changed about it.
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub locked_reason: Option<String>,
    /// Why it is in `ERROR`.
    #[serde(default)]
    pub fault: Option<Fault>,
    #[serde(default)]
    pub flavor: Flavor,
    /// Whose it is.
    #[serde(default, rename = "tenant_id")]
    pub project: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    #[serde(default)]
    pub message: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Flavor {
    #[serde(default)]
    pub original_name: String,
    /// Of the root disk, GiB; 0: as large as its image.
    #[serde(default)]
    pub disk: u64,
}

impl Nova {
    pub async fn server(&self, id: &str) -> Result<Server, Error> {
        self.get(&["servers", id]).await?.one("server")
    }

    /// Begins an image of the server's root disk; its id. `properties` are the image's, at most 255 characters each.
    pub async fn create_image(
        &self,
        id: &str,
        name: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        self.act(id, &json!({"createImage": {"name": name, "metadata": properties}})).await?.one("image_id")
    }

    /// Begins to make the root disk anew from an image. Id, addresses, name, metadata, key, user data and attached volumes
    /// stay as they are; a server that is off is off again afterwards.
    pub async fn rebuild(&self, id: &str, image: &str) -> Result<(), Error> {
        self.act(id, &json!({"rebuild": {"imageRef": image}})).await.map(drop)
    }

    /// Begins to shut it down, as its power button would.
    pub async fn stop(&self, id: &str) -> Result<(), Error> {
        self.act(id, &json!({"os-stop": null})).await.map(drop)
    }

    pub async fn start(&self, id: &str) -> Result<(), Error> {
        self.act(id, &json!({"os-start": null})).await.map(drop)
    }

    async fn act(&self, id: &str, action: &Value) -> Result<crate::Reply, Error> {
        self.post(&["servers", id, "action"], action).await
    }

    /// Adds to the server's metadata, or changes what is of the same name.
    pub async fn add_metadata(&self, id: &str, name: &str, value: &str) -> Result<(), Error> {
        self.post(&["servers", id, "metadata"], &json!({"metadata": {name: value}})).await.map(drop)
    }

    /// One that is not there is no error.
    pub async fn remove_metadata(&self, id: &str, name: &str) -> Result<(), Error> {
        match self.delete(&["servers", id, "metadata", name]).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// `{"id": …}`, or `""` where there is none.
fn image<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(from)?["id"].as_str().map(str::to_owned))
}
