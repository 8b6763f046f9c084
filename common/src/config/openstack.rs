//! `[openstack]`: the cloud whose resources are protected, and in whose name; `[cinder]`: how volumes are;
//! `[nova]`: how servers are; `[manila]`: how shares are; `[trove]`: how databases are.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::heat::ActAs;
use super::postgresql::Projects;
use super::value;
use crate::types::{ServerMode, VolumeMode};

/// A cloud may have a lot to do.
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Openstack {
    /// Whether there is one: without, its resource types are foreign.
    pub enabled: bool,
    /// The operator's credential: a name in `clouds_file`. None: each caller's own rights, by Keystone.
    #[serde(deserialize_with = "value::optional")]
    pub cloud: Option<String>,
    pub clouds_file: PathBuf,
    /// Who may act by the operator's credential; nobody by default.
    pub projects: Projects,
    /// Under `auth = "keystone"`: by what workers act for a caller who is gone.
    pub act_as: ActAs,
    /// For a service to answer one request.
    #[serde(deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Requests to one service at the same time.
    pub at_once: u32,
    /// The longest that a service may take for one thing, where it has no setting of its own (databases, other
    /// orchestration services).
    #[serde(deserialize_with = "value::duration")]
    pub longest_wait: Duration,
}

impl Default for Openstack {
    fn default() -> Self {
        Self {
            enabled: false,
            cloud: None,
            clouds_file: PathBuf::from("/etc/openstack/clouds.yaml"),
            projects: Projects::default(),
            act_as: ActAs::default(),
            timeout: Duration::from_secs(60),
            at_once: 32,
            longest_wait: DAY,
        }
    }
}

impl Openstack {
    /// What contradicts itself.
    pub(super) fn problems(&self, keystone: bool) -> Vec<&'static str> {
        let problems = [
            (
                self.enabled && self.cloud.is_none() && !keystone,
                "openstack.enabled needs openstack.cloud, the operator's credential in openstack.clouds_file, or auth = \"keystone\"",
            ),
            (
                !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&self.timeout),
                "openstack.timeout is not 1s to 5min",
            ),
            (!(1..=10_000).contains(&self.at_once), "openstack.at_once is not 1 to 10000"),
            (self.longest_wait < Duration::from_secs(60), "openstack.longest_wait is shorter than 1min"),
        ];
        problems.into_iter().filter(|(wrong, _)| *wrong).map(|(_, text)| text).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cinder {
    /// What a snapshot makes of a volume, where the request does not say.
    pub mode: VolumeMode,
    /// Every so many backups of a volume one is full and the others are incremental; 1: all are full.
    pub full_every: u32,
    /// The longest that Cinder may take for one thing.
    #[serde(deserialize_with = "value::duration")]
    pub longest_wait: Duration,
}

impl Default for Cinder {
    fn default() -> Self {
        Self { mode: VolumeMode::default(), full_every: 7, longest_wait: DAY }
    }
}

impl Cinder {
    /// What contradicts itself.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let problems = [
            (!(1..=1000).contains(&self.full_every), "cinder.full_every is not 1 to 1000"),
            (self.longest_wait < Duration::from_secs(60), "cinder.longest_wait is shorter than 1min"),
        ];
        problems.into_iter().filter(|(wrong, _)| *wrong).map(|(_, text)| text).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nova {
    /// What a snapshot does to servers while it cuts, where the request does not say.
    pub servers: ServerMode,
    /// The longest that Nova and Glance may take for one thing.
    #[serde(deserialize_with = "value::duration")]
    pub longest_wait: Duration,
}

impl Default for Nova {
    fn default() -> Self {
        Self { servers: ServerMode::default(), longest_wait: DAY }
    }
}

impl Nova {
    /// What contradicts itself.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let short = self.longest_wait < Duration::from_secs(60);
        if short { vec!["nova.longest_wait is shorter than 1min"] } else { Vec::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manila {
    /// The longest that Manila may take for one thing.
    #[serde(deserialize_with = "value::duration")]
    pub longest_wait: Duration,
}

impl Default for Manila {
    fn default() -> Self {
        Self { longest_wait: DAY }
    }
}

impl Manila {
    /// What contradicts itself.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let short = self.longest_wait < Duration::from_secs(60);
        if short { vec!["manila.longest_wait is shorter than 1min"] } else { Vec::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trove {
    /// Every so many backups of an instance one is full and the others are incremental; 1: all are full.
    pub full_every: u32,
}

impl Default for Trove {
    fn default() -> Self {
        Self { full_every: 7 }
    }
}

impl Trove {
    /// What contradicts itself.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let wrong = !(1..=1000).contains(&self.full_every);
        if wrong { vec!["trove.full_every is not 1 to 1000"] } else { Vec::new() }
    }
}
