//! `[postgresql.NAME]`: the database servers that `Stacksnap::PostgreSQL` may use, and for whom. A template names one
//! by its property `server`. No password stands here, only where it is read from when a session is opened.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::value;

/// The keys of one connection, for the check of unknown ones.
pub(super) const KEYS: [&str; 12] = [
    "host",
    "port",
    "user",
    "password_file",
    "password_env",
    "passfile",
    "maintenance_database",
    "projects",
    "databases",
    "sslmode",
    "sslrootcert",
    "bin_dir",
];

/// Those of them that are lists, for the environment.
pub(super) const LISTS: [&str; 2] = ["projects", "databases"];

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// A host's name or address, or the absolute path of the directory that holds the server's socket.
    #[serde(default = "default_host")]
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// Must be able to create and rename databases, and to read all of those that are protected.
    pub user: String,
    /// A file whose first line is the password.
    #[serde(default, deserialize_with = "value::optional")]
    pub password_file: Option<PathBuf>,
    /// The name of a variable of the worker's environment that holds the password.
    #[serde(default, deserialize_with = "value::optional")]
    pub password_env: Option<String>,
    /// A password file in libpq's format.
    #[serde(default, deserialize_with = "value::optional")]
    pub passfile: Option<PathBuf>,
    /// Where the worker is while it creates, renames and drops others. No resource can be it.
    #[serde(default = "default_maintenance_database")]
    pub maintenance_database: String,
    /// Who may use it; `*` is everybody. Nobody by default.
    #[serde(default)]
    pub projects: BTreeSet<String>,
    /// The databases that may be named. Empty: all of the server's.
    #[serde(default)]
    pub databases: BTreeSet<String>,
    #[serde(default)]
    pub sslmode: SslMode,
    /// The authorities that `verify-ca` and `verify-full` trust, in PEM. Not set: the system's.
    #[serde(default, deserialize_with = "value::optional")]
    pub sslrootcert: Option<PathBuf>,
    /// Where `pg_dump` and `pg_restore` are. Not set: where distributions put them.
    #[serde(default, deserialize_with = "value::optional")]
    pub bin_dir: Option<PathBuf>,
}

/// libpq's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    #[default]
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

fn default_host() -> String {
    "localhost".to_owned()
}

fn default_port() -> u16 {
    5432
}

fn default_maintenance_database() -> String {
    "postgres".to_owned()
}

impl Connection {
    /// How many of the ways to give a password were used; one at most makes sense.
    pub(super) fn passwords(&self) -> usize {
        [self.password_file.is_some(), self.password_env.is_some(), self.passfile.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count()
    }
}
