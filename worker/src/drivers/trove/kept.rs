//! What an artifact says of an instance, beside what Trove keeps of it: all that another one is made by. Databases, users and
//! their passwords are in the backup, and nowhere else.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stacksnap_common::types::{Artifact, Consistency, Resource};
use stacksnap_openstack::trove::NewInstance;
use stacksnap_openstack::trove::backup::Datastore;
use stacksnap_openstack::trove::instance::{Access, Instance};

use super::bytes;
use crate::driver::{Ctx, Error};

/// What is told of an instance in a stack of Heat's.
pub(super) const NOT_IN_HEAT: &str = "Trove brings a backup back only as another instance, which a stack of Heat's can't be \
                                      told of: the backup is made, and a restore of this resource is refused";

/// The instance when its copy began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) instance: String,
    pub(super) name: String,
    pub(super) datastore: Datastore,
    pub(super) flavor: String,
    /// GiB.
    pub(super) volume: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) configuration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) availability_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) locality: Option<String>,
    #[serde(default)]
    pub(super) access: Access,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replica_of: Option<String>,
    #[serde(default)]
    pub(super) replicas: Vec<String>,
}

impl Facts {
    /// What Trove doesn't tell is taken from the stack's template.
    pub(super) fn new(instance: &Instance, resource: &Resource) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let property = |name: &str| resource.properties.get(name).cloned().unwrap_or_default();
        let private = |kind: &str| kind.is_empty() || kind == "private";
        let private = instance.addresses.iter().filter(|address| private(&address.kind));
        let network = private.filter_map(|address| address.network.clone()).find(|network| !network.is_empty());
        let named = text(&property("networks")[0]["network"]).filter(|id| uuid::Uuid::parse_str(id).is_ok());
        Self {
            instance: instance.id.clone(),
            name: instance.name.clone(),
            datastore: instance.datastore.clone(),
            flavor: instance.flavor.clone(),
            volume: instance.volume.as_ref().map(|volume| volume.size),
            network: network.or(named),
            configuration: instance.configuration.as_ref().map(|group| group.id.clone()),
            availability_zone: text(&property("availability_zone")),
            locality: instance.locality.clone(),
            access: instance.access.clone(),
            replica_of: instance.replica_of.as_ref().map(|of| of.id.clone()),
            replicas: instance.replicas.iter().map(|replica| replica.id.clone()).collect(),
        }
    }
}

/// An artifact's `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) facts: Facts,
    pub(super) backup: String,
    /// What it is built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
    /// Of the backup, GB.
    pub(super) size: f64,
}

impl Kept {
    pub(super) fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was noted of the instance can't be read: {error}")))
    }

    /// The instance that is to be made, under a name for the while.
    pub(super) fn new_instance(&self, name: String) -> NewInstance {
        let facts = &self.facts;
        NewInstance {
            name,
            flavor: facts.flavor.clone(),
            volume: facts.volume,
            datastore: facts.datastore.clone(),
            backup: self.backup.clone(),
            network: facts.network.clone(),
            configuration: facts.configuration.clone(),
            availability_zone: facts.availability_zone.clone(),
            locality: facts.locality.clone(),
            access: facts.access.clone(),
        }
    }

    pub(super) fn artifact(self, ctx: &Ctx) -> Result<Artifact, Error> {
        let mut warnings = Vec::new();
        if let Some(of) = &self.facts.replica_of {
            warnings.push(format!("the instance is a replica of {of}: what is made from its backup is one by itself"));
        }
        if !ctx.may_move {
            warnings.push(NOT_IN_HEAT.to_owned());
        }
        Ok(Artifact {
            consistency: Consistency::Application,
            bytes: bytes(self.size),
            warnings,
            data: serde_json::to_value(&self)
                .map_err(|error| Error::permanent(format!("the instance's facts: {error}")))?,
            ..ctx.made()
        })
    }
}
