//! Instances: a server of Trove's own with a volume, on which a database service runs.
//!
//! Trove brings no backup back into an instance that is there: one is made from it (`restorePoint`,
//! `trove/instance/service.py`, `create`), with all its databases and users.

use reqwest::Method;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::Trove;
use super::backup::Datastore;
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, Deserialize)]
pub struct Instance {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `BUILD`, `ACTIVE`, `BACKUP` (one is being made of it), `RESTART_REQUIRED`, `ERROR`, `SHUTDOWN` (it is being
    /// deleted), … (`trove/instance/models.py`, `InstanceStatus`).
    pub status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub created: String,
    #[serde(default)]
    pub datastore: Datastore,
    #[serde(default, deserialize_with = "flavor")]
    pub flavor: String,
    /// None: its databases are on its server's own disk.
    #[serde(default)]
    pub volume: Option<Volume>,
    #[serde(default, deserialize_with = "or_default")]
    pub addresses: Vec<Address>,
    #[serde(default, deserialize_with = "or_default")]
    pub access: Access,
    /// The configuration group.
    #[serde(default)]
    pub configuration: Option<Named>,
    /// The instance that it follows.
    #[serde(default)]
    pub replica_of: Option<Named>,
    /// Those that follow it.
    #[serde(default, deserialize_with = "or_default")]
    pub replicas: Vec<Named>,
    #[serde(default)]
    pub locality: Option<String>,
    #[serde(default)]
    pub cluster_id: Option<String>,
    /// Why it is in `ERROR`.
    #[serde(default)]
    pub fault: Option<Fault>,
    /// Whose it is; shown to administrators.
    #[serde(default, rename = "tenant_id")]
    pub project: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Volume {
    /// GiB.
    pub size: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Address {
    pub address: String,
    /// `private`, `public`
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// The network that it is in; newer releases say so.
    #[serde(default)]
    pub network: Option<String>,
}

/// From where it can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_public: Option<bool>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub allowed_cidrs: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    pub id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
}

/// An instance that is to be made from a backup. What is `None` is left to Trove.
#[derive(Debug, Clone, Default)]
pub struct NewInstance {
    pub name: String,
    pub flavor: String,
    /// GiB.
    pub volume: Option<u64>,
    pub datastore: Datastore,
    pub backup: String,
    /// The user's network, by its id.
    pub network: Option<String>,
    pub configuration: Option<String>,
    pub availability_zone: Option<String>,
    pub locality: Option<String>,
    pub access: Access,
}

impl NewInstance {
    /// By `trove/common/apischema.py`, `instance`.
    fn body(&self) -> Value {
        let mut new = json!({
            "name": self.name, "flavorRef": self.flavor, "datastore": self.datastore,
            "restorePoint": {"backupRef": self.backup},
        });
        if let Some(size) = self.volume {
            new["volume"] = json!({ "size": size });
        }
        if let Some(network) = &self.network {
            // The name that every release knows.
            new["nics"] = json!([{ "net-id": network }]);
        }
        let texts = [
            ("configuration", &self.configuration),
            ("availability_zone", &self.availability_zone),
            ("locality", &self.locality),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                new[name] = text.as_str().into();
            }
        }
        if self.access != Access::default() {
            new["access"] = json!(self.access);
        }
        json!({ "instance": new })
    }
}

impl Trove {
    pub async fn instance(&self, id: &str) -> Result<Instance, Error> {
        self.get(&["instances", id], "instance").await
    }

    pub async fn instances_named(&self, name: &str) -> Result<Vec<Instance>, Error> {
        let mut found = self.all_instances(false).await?;
        found.retain(|instance| instance.name == name);
        Ok(found)
    }

    /// All instances of the project, without what only [`Trove::instance`] tells; `everywhere`: of all projects, if the
    /// session is an administrator's.
    pub async fn all_instances(&self, everywhere: bool) -> Result<Vec<Instance>, Error> {
        match everywhere {
            true => self.list(&["mgmt", "instances"], &[("deleted", "false")]).await,
            false => self.list(&["instances"], &[]).await,
        }
    }

    pub async fn create_instance(&self, new: &NewInstance) -> Result<Instance, Error> {
        self.post(&["instances"], &new.body(), "instance").await
    }

    /// Refused (422) while it is at anything.
    pub async fn rename_instance(&self, id: &str, name: &str) -> Result<(), Error> {
        let body = json!({"instance": {"name": name}});
        // A PUT takes the configuration group away, in older releases.
        let request = self.request(Method::PATCH, &["instances", id]).await?.json(&body)?;
        self.send(request.repeatable()).await.map(drop)
    }

    /// Refused (422) while it is being made.
    pub async fn delete_instance(&self, id: &str) -> Result<(), Error> {
        self.delete(&["instances", id]).await
    }
}

/// `{"id": …}`, where an id may be a number.
fn flavor<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = &Value::deserialize(from)?["id"];
    Ok(id.as_str().map(str::to_owned).unwrap_or_else(|| if id.is_null() { String::new() } else { id.to_string() }))
}
