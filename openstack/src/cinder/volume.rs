//! Volumes.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Cinder, Metadata, all};
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, Deserialize)]
pub struct Volume {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// `available`, `in-use`, `backing-up`, `restoring-backup`, `error_restoring`, …; more with each release.
    pub status: String,
    /// GiB.
    pub size: u64,
    #[serde(default)]
    pub volume_type: Option<String>,
    /// `"true"` and `"false"`, as texts.
    #[serde(default, deserialize_with = "truth")]
    pub bootable: bool,
    #[serde(default)]
    pub encrypted: bool,
    #[serde(default)]
    pub multiattach: bool,
    #[serde(default)]
    pub availability_zone: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// The group that it is in.
    #[serde(default)]
    pub group_id: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
    /// Whose it is; shown to those who may know.
    #[serde(default, rename = "os-vol-tenant-attr:tenant_id")]
    pub project: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub server_id: String,
    #[serde(default)]
    pub attachment_id: Option<String>,
    /// `/dev/vdb`.
    #[serde(default)]
    pub device: Option<String>,
}

/// A volume that is to be made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewVolume {
    /// GiB.
    pub size: u64,
    pub name: String,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// The snapshot whose bytes it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    pub metadata: Metadata,
}

impl Cinder {
    pub async fn volume(&self, id: &str) -> Result<Volume, Error> {
        self.get(&["volumes", id], "volume").await
    }

    pub async fn volumes_named(&self, name: &str) -> Result<Vec<Volume>, Error> {
        let mut found: Vec<Volume> = self.list("volumes", &[("name", name)]).await?;
        found.retain(|volume| volume.name == name);
        Ok(found)
    }

    /// All volumes of the project; `everywhere`: of all projects, if the session is an administrator's.
    pub async fn all_volumes(&self, everywhere: bool) -> Result<Vec<Volume>, Error> {
        self.list("volumes", all(everywhere)).await
    }

    pub async fn create_volume(&self, new: &NewVolume) -> Result<Volume, Error> {
        self.post(&["volumes"], &json!({ "volume": new }), "volume").await
    }

    pub async fn rename_volume(&self, id: &str, name: &str, description: &str) -> Result<(), Error> {
        let body = json!({"volume": {"name": name, "description": description}});
        self.act(Method::PUT, &["volumes", id], &body).await
    }

    pub async fn delete_volume(&self, id: &str) -> Result<(), Error> {
        self.delete(&["volumes", id]).await
    }

    /// All of it: what is not named is taken away.
    pub async fn set_metadata(&self, id: &str, metadata: &Metadata) -> Result<(), Error> {
        self.act(Method::PUT, &["volumes", id, "metadata"], &json!({ "metadata": metadata })).await
    }

    pub async fn set_bootable(&self, id: &str, bootable: bool) -> Result<(), Error> {
        self.volume_action(id, "os-set_bootable", json!({ "bootable": bootable })).await
    }

    /// Takes a volume that nobody uses back to its newest snapshot, where its backend can.
    pub async fn revert(&self, id: &str, snapshot: &str) -> Result<(), Error> {
        self.volume_action(id, "revert", json!({ "snapshot_id": snapshot })).await
    }

    async fn volume_action(&self, id: &str, action: &str, arguments: Value) -> Result<(), Error> {
        let body = Map::from_iter([(action.to_owned(), arguments)]);
        self.act(Method::POST, &["volumes", id, "action"], &Value::Object(body)).await
    }
}

fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(yes) => yes,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}
