//! `[postgresql.NAME]`: the database servers that `Stacksnap::PostgreSQL` may use, and for whom. A template names one
//! by its property `server`; what it takes to log in is here only.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::value::{self, Secret};
use crate::ids::ProjectId;

/// The keys of one connection, for the check of unknown ones.
pub(super) const KEYS: [&str; 8] =
    ["host", "port", "user", "password", "password_file", "maintenance_database", "bin_dir", "projects"];

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// A host name, an address, or the directory of the server's Unix socket.
    #[serde(default = "default_host")]
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// Must be able to create and rename databases, and to read all of those that are protected.
    pub user: String,
    #[serde(default, deserialize_with = "value::optional")]
    pub password: Option<Secret>,
    /// A file whose first line is the password, read when a connection is made.
    #[serde(default, deserialize_with = "value::optional")]
    pub password_file: Option<PathBuf>,
    /// The database to connect to for `CREATE DATABASE` and the like.
    #[serde(default = "default_maintenance_database")]
    pub maintenance_database: String,
    /// Where `pg_dump` and `pg_restore` are. Not set: from `PATH`, else the newest below `/usr/lib/postgresql`.
    #[serde(default, deserialize_with = "value::optional")]
    pub bin_dir: Option<PathBuf>,
    /// Who may use it; nobody by default.
    #[serde(default)]
    pub projects: Projects,
}

fn default_host() -> String {
    "127.0.0.1".to_owned()
}

fn default_port() -> u16 {
    5432
}

fn default_maintenance_database() -> String {
    "postgres".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projects {
    /// `projects = ["*"]`
    All,
    Some(Vec<ProjectId>),
}

impl Projects {
    pub fn allows(&self, project: &ProjectId) -> bool {
        match self {
            Projects::All => true,
            Projects::Some(projects) => projects.contains(project),
        }
    }
}

impl Default for Projects {
    fn default() -> Self {
        Projects::Some(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Projects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names.iter().any(|name| name == "*") {
            return Ok(Projects::All);
        }
        let projects: Result<_, _> = names.into_iter().map(ProjectId::try_from).collect();
        Ok(Projects::Some(projects.map_err(serde::de::Error::custom)?))
    }
}
