//! The operator's connections: which servers there are, who may use them, and how the worker logs in.
//!
//! A template names a connection by the property `server`; it never holds an address or a password. A password is read
//! from where the operator keeps it each time that a session is opened, so that it can be changed without a restart.
//!
//! A restore runs what is in the dump (check constraints, functions in indexes, materialised views) with the rights of
//! the connection's role. Where projects don't trust each other, give each its own connection with a role that is not a
//! superuser: `CREATEDB`, `pg_read_all_data`, `pg_signal_backend`, and membership in the roles that own its objects.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use stacksnap_common::ids::ProjectId;

use super::pgpass;
use crate::driver::Error;

/// One `[[postgresql]]` table of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// What a resource's property `server` says.
    pub name: String,
    /// A host's name or address, or the absolute path of the directory that holds the server's socket.
    #[serde(default = "default_host")]
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    pub user: String,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The name of an environment variable of the worker that holds the password.
    pub password_env: Option<String>,
    /// A password file in libpq's format (`host:port:database:user:password`).
    pub passfile: Option<PathBuf>,
    /// The database in which the worker works while it creates, renames and drops others. No resource can be it.
    #[serde(default = "default_database")]
    pub maintenance_database: String,
    /// The projects whose stacks may name this connection; `*` means all. None, if not set.
    #[serde(default)]
    pub projects: BTreeSet<String>,
    /// The databases that may be named; all of the server's, if not set.
    pub databases: Option<BTreeSet<String>>,
    #[serde(default)]
    pub sslmode: SslMode,
    /// The authorities that vouch for the server, in PEM. `verify-ca` and `verify-full` need it.
    pub sslrootcert: Option<PathBuf>,
    /// Where `pg_dump` and `pg_restore` are. If not set, they are looked for where distributions put them.
    pub bin_dir: Option<PathBuf>,
}

/// libpq's meaning of the same words, except that there is no `allow`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    /// TLS if the server offers it; whom it proves to be is not checked.
    #[default]
    Prefer,
    /// TLS or nothing; whom the server proves to be is not checked.
    Require,
    /// As `require`, and an authority that we trust vouches for the server.
    VerifyCa,
    /// As `verify-ca`, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
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
    "localhost".to_owned()
}

fn default_port() -> u16 {
    5432
}

fn default_database() -> String {
    "postgres".to_owned()
}

/// What is wrong with the operator's settings, named by the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("postgresql {name:?}: {what}")]
pub struct Invalid {
    name: String,
    what: String,
}

impl Connection {
    /// Where the server is, for people to read.
    pub fn address(&self) -> String {
        if self.is_socket() {
            format!("{}/.s.PGSQL.{}", self.host.trim_end_matches('/'), self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the server is reached by a socket in the file system.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// The password for a session in `database`, if the operator gave one.
    pub(super) fn password(&self, database: &str) -> Result<Option<SecretString>, Error> {
        if let Some(file) = &self.password_file {
            let text = read(&self.name, "password_file", file)?;
            return Ok(Some(text.lines().next().unwrap_or_default().to_owned().into()));
        }
        if let Some(variable) = &self.password_env {
            let text = std::env::var(variable).map_err(|_| {
                Error::Permanent(format!(
                    "postgresql {:?}: the variable {variable} that password_env names is not set for this worker",
                    self.name
                ))
            })?;
            return Ok(Some(text.into()));
        }
        match &self.passfile {
            Some(file) => {
                let text = read(&self.name, "passfile", file)?;
                let host = if self.is_socket() { "localhost" } else { &self.host };
                Ok(pgpass::find(&text, host, self.port, database, &self.user).map(Into::into))
            }
            None => Ok(None),
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.len() > 64 || self.name.chars().any(char::is_control) {
            return Err("name: 1 to 64 bytes without control characters".to_owned());
        }
        if self.user.is_empty() {
            return Err("user: is needed".to_owned());
        }
        if self.host.is_empty() || self.host.contains([',', '\0']) {
            return Err("host: one host's name or address, or the absolute path of a directory".to_owned());
        }
        let passwords = [self.password_file.is_some(), self.password_env.is_some(), self.passfile.is_some()];
        if passwords.into_iter().filter(|given| *given).count() > 1 {
            return Err("give one of password_file, password_env and passfile".to_owned());
        }
        if self.is_socket() && matches!(self.sslmode, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) {
            return Err("sslmode: there is no TLS on a socket of the file system".to_owned());
        }
        if matches!(self.sslmode, SslMode::VerifyCa | SslMode::VerifyFull) && self.sslrootcert.is_none() {
            return Err("sslrootcert: verify-ca and verify-full need it".to_owned());
        }
        Ok(())
    }
}

fn read(name: &str, key: &str, file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| {
        Error::Permanent(format!("postgresql {name:?}: {key} {} can't be read: {error}", file.display()))
    })
}

/// All connections of this worker, by name.
#[derive(Debug, Clone, Default)]
pub struct Connections(Vec<Connection>);

impl Connections {
    /// # Errors
    /// A value that can't be, or a name that is used twice.
    pub fn new(connections: Vec<Connection>) -> Result<Self, Invalid> {
        let mut names = BTreeSet::new();
        for connection in &connections {
            let invalid = |what: String| Invalid { name: connection.name.clone(), what };
            connection.validate().map_err(invalid)?;
            if !names.insert(connection.name.as_str()) {
                return Err(invalid("the name is used twice".to_owned()));
            }
        }
        Ok(Self(connections))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter()
    }

    /// The connection that `project` means by `server`. What is not there and what is not allowed read the same, so that
    /// a project can't find out how others' connections are called.
    pub(super) fn find(&self, project: &ProjectId, server: &str) -> Result<&Connection, Error> {
        let allowed = |c: &Connection| c.projects.contains("*") || c.projects.contains(project.as_str());
        self.0.iter().find(|c| c.name == server && allowed(c)).ok_or_else(|| {
            Error::Permanent(format!(
                "server {server:?}: this worker has no PostgreSQL connection of that name that project {project} may \
                 use; the operator allows it by a [[postgresql]] table with this name and the project in `projects`"
            ))
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn connection(json: serde_json::Value) -> Connection {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_project_uses_only_what_it_was_given() {
        let all = Connections::new(vec![
            connection(serde_json::json!({"name": "main", "user": "u", "projects": ["p1"]})),
            connection(serde_json::json!({"name": "open", "user": "u", "projects": ["*"]})),
            connection(serde_json::json!({"name": "closed", "user": "u"})),
        ])
        .unwrap();
        let (p1, p2): (ProjectId, ProjectId) = ("p1".parse().unwrap(), "p2".parse().unwrap());
        assert_eq!(all.find(&p1, "main").unwrap().port, 5432);
        assert!(all.find(&p2, "open").is_ok());
        assert!(all.find(&p1, "closed").is_err());
        let (other, none) = (all.find(&p2, "main").unwrap_err(), all.find(&p2, "nothing").unwrap_err());
        assert_eq!(other.to_string().replace("main", "nothing"), none.to_string());
    }

    #[test]
    fn wrong_settings_are_refused() {
        let refused = |json| Connections::new(vec![connection(json)]).unwrap_err().to_string();
        let two = serde_json::json!({"name": "a", "user": "u", "password_file": "/a", "password_env": "B"});
        assert!(refused(two).contains("one of password_file"));
        assert!(refused(serde_json::json!({"name": "", "user": "u"})).contains("name"));
        let tls = serde_json::json!({"name": "a", "user": "u", "host": "/run", "sslmode": "verify-full"});
        assert!(refused(tls).contains("sslmode"));
        let twice = connection(serde_json::json!({"name": "a", "user": "u"}));
        assert!(Connections::new(vec![twice.clone(), twice]).unwrap_err().to_string().contains("twice"));
        let unknown = serde_json::json!({"name": "a", "user": "u", "password": "secret"});
        assert!(serde_json::from_value::<Connection>(unknown).is_err());
    }

    #[test]
    fn passwords_come_from_where_the_operator_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p");
        std::fs::write(&file, "s3cret\nnote").unwrap();
        let c = connection(serde_json::json!({"name": "a", "user": "u", "password_file": file}));
        assert_eq!(c.password("d").unwrap().unwrap().expose_secret(), "s3cret");
        std::fs::write(&file, "localhost:*:d:u:pa\\:ss\n").unwrap();
        let c = connection(serde_json::json!({"name": "a", "user": "u", "host": "/run", "passfile": file}));
        assert_eq!(c.password("d").unwrap().unwrap().expose_secret(), "pa:ss");
        assert!(c.password("e").unwrap().is_none());
        let c = connection(serde_json::json!({"name": "a", "user": "u", "password_file": "/does/not/exist"}));
        assert!(c.password("d").unwrap_err().to_string().contains("password_file /does/not/exist"));
        let c = connection(serde_json::json!({"name": "a", "user": "u", "password_env": "STACKSNAP_TEST_UNSET"}));
        assert!(c.password("d").unwrap_err().to_string().contains("STACKSNAP_TEST_UNSET"));
    }
}
