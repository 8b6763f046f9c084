//! `[postgresql.NAME]`: the database servers that `Stacksnap::PostgreSQL` may use, and for whom. A template names one
//! by its property `server`; what it takes to log in is here only.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::value::{self, Secret};
use crate::ids::ProjectId;

/// The keys of one connection, for the check of unknown ones.
pub(super) const KEYS: [&str; 12] = [
    "host",
    "port",
    "user",
    "password",
    "password_file",
    "passfile",
    "sslmode",
    "sslrootcert",
    "maintenance_database",
    "bin_dir",
    "projects",
    "databases",
];

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
    /// A password file in libpq's format (`host:port:database:user:password`), read when a connection is made.
    #[serde(default, deserialize_with = "value::optional")]
    pub passfile: Option<PathBuf>,
    #[serde(default)]
    pub sslmode: SslMode,
    /// The authorities that vouch for the server, in PEM.
    #[serde(default, deserialize_with = "value::optional")]
    pub sslrootcert: Option<PathBuf>,
    /// The database to connect to for `CREATE DATABASE` and the like.
    #[serde(default = "default_maintenance_database")]
    pub maintenance_database: String,
    /// Where `pg_dump` and `pg_restore` are. Not set: where distributions put those of the server's version or the next
    /// newer one, else in `PATH`.
    #[serde(default, deserialize_with = "value::optional")]
    pub bin_dir: Option<PathBuf>,
    /// Who may use it; nobody by default.
    #[serde(default)]
    pub projects: Projects,
    /// The databases that they may name; empty: all but the server's own.
    #[serde(default)]
    pub databases: Vec<String>,
}

impl Connection {
    /// What contradicts itself, to be read behind the connection's name.
    pub(super) fn problems(&self) -> Vec<&'static str> {
        let passwords = [self.password.is_some(), self.password_file.is_some(), self.passfile.is_some()];
        let strict = matches!(self.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
        let problems = [
            (
                passwords.into_iter().filter(|given| *given).count() > 1,
                " has more than one of password, password_file and passfile; keep one",
            ),
            (self.user.is_empty(), ".user is empty"),
            (self.host.is_empty() || self.host.contains([',', '\0']), ".host is not one host or directory"),
            (self.is_socket() && (strict || self.sslmode == SslMode::Require), ".sslmode: a Unix socket has no TLS"),
            (strict && self.sslrootcert.is_none(), ".sslmode: verify-ca and verify-full need sslrootcert"),
        ];
        problems.into_iter().filter(|(wrong, _)| *wrong).map(|(_, text)| text).collect()
    }

    /// Whether the server is reached by a socket in the file system.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Where the server is, for people to read.
    pub fn address(&self) -> String {
        if self.is_socket() {
            format!("{}/.s.PGSQL.{}", self.host.trim_end_matches('/'), self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whether a session is encrypted and the server has to prove who it is: libpq's words and meaning, without `allow`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    /// TLS if the server offers it; who it is is not checked.
    #[default]
    Prefer,
    /// TLS or nothing; who the server is is checked only with an `sslrootcert`, and then as by `verify-ca`.
    Require,
    /// An authority of `sslrootcert` vouches for the server.
    VerifyCa,
    /// As `verify-ca`, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
    /// As libpq spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
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
