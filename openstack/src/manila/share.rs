//! Shares.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Manila, Metadata, all};
use crate::error::Error;
use crate::reply::or_default;

/// As `manila/api/views/shares.py` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Share {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// `creating`, `creating_from_snapshot`, `available`, `reverting`, `reverting_error`, `extending`, …; all are in
    /// `manila/common/constants.py`, more with each release.
    pub status: String,
    /// GiB.
    #[serde(default, deserialize_with = "or_default")]
    pub size: u64,
    /// `NFS`, `CIFS`, `CEPHFS`, …
    #[serde(default, deserialize_with = "or_default")]
    pub share_proto: String,
    /// Its id.
    #[serde(default)]
    pub share_type: Option<String>,
    #[serde(default)]
    pub share_network_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub is_public: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// What its backend can, by its type.
    #[serde(default, deserialize_with = "or_default")]
    pub snapshot_support: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub create_share_from_snapshot_support: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub revert_to_snapshot_support: bool,
    /// Of all its rules: `active`, `syncing`, `error`.
    #[serde(default, deserialize_with = "or_default")]
    pub access_rules_status: String,
    /// What is done to it beside its status: a migration.
    #[serde(default)]
    pub task_state: Option<String>,
    /// It is in the recycle bin (since 2.69).
    #[serde(default, deserialize_with = "or_default")]
    pub is_soft_deleted: bool,
    #[serde(default)]
    pub share_group_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
    #[serde(default, rename = "project_id")]
    pub project: Option<String>,
}

/// A share that is to be made from a snapshot. Type, network and zone are those of the snapshot's share: Manila takes no
/// others (`_create` in `manila/api/v2/shares.py`).
#[derive(Debug, Clone, Serialize)]
pub struct NewShare {
    pub share_proto: String,
    /// GiB; at least the snapshot's.
    pub size: u64,
    pub snapshot_id: String,
    pub name: String,
    pub description: String,
    pub metadata: Metadata,
}

impl Manila {
    pub async fn share(&self, id: &str) -> Result<Share, Error> {
        self.get(&["shares", id], "share").await
    }

    pub async fn shares_named(&self, name: &str) -> Result<Vec<Share>, Error> {
        let mut found: Vec<Share> = self.list("shares", &[("name", name)]).await?;
        found.retain(|share| share.name == name);
        Ok(found)
    }

    /// All shares of the project; `everywhere`: of all projects, if the session is an administrator's.
    pub async fn all_shares(&self, everywhere: bool) -> Result<Vec<Share>, Error> {
        self.list("shares", all(everywhere)).await
    }

    pub async fn create_share(&self, new: &NewShare) -> Result<Share, Error> {
        self.post(&["shares"], &json!({ "share": new }), "share").await
    }

    pub async fn rename_share(&self, id: &str, name: &str, description: &str) -> Result<(), Error> {
        let body = json!({"share": {"display_name": name, "display_description": description}});
        self.act(Method::PUT, &["shares", id], &body).await
    }

    /// Refused (403) while it has snapshots.
    pub async fn delete_share(&self, id: &str) -> Result<(), Error> {
        self.delete(&["shares", id]).await
    }

    /// All of it: what is not named is taken away.
    pub async fn set_share_metadata(&self, id: &str, metadata: &Metadata) -> Result<(), Error> {
        self.act(Method::PUT, &["shares", id, "metadata"], &json!({ "metadata": metadata })).await
    }

    /// Begins to take a share back to its newest snapshot, where its backend can; it is as large as then afterwards.
    pub async fn revert(&self, id: &str, snapshot: &str) -> Result<(), Error> {
        self.share_action(id, "revert", json!({ "snapshot_id": snapshot })).await
    }

    /// Begins to make it larger. GiB.
    pub async fn extend(&self, id: &str, size: u64) -> Result<(), Error> {
        self.share_action(id, "extend", json!({ "new_size": size })).await
    }

    /// Begins to make it smaller, if what is in it fits. GiB.
    pub async fn shrink(&self, id: &str, size: u64) -> Result<(), Error> {
        self.share_action(id, "shrink", json!({ "new_size": size })).await
    }

    pub(super) async fn share_action(&self, id: &str, action: &str, arguments: Value) -> Result<(), Error> {
        let body = Map::from_iter([(action.to_owned(), arguments)]);
        self.act(Method::POST, &["shares", id, "action"], &Value::Object(body)).await
    }
}
