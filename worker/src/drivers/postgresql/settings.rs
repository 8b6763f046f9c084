//! The operator's connections: which servers there are, who may use them, and how the worker logs in.
//!
//! A template names a connection by the property `server`; it never holds an address or a password. A password is read
//! from where the operator keeps it each time that a session is opened, so that it can be changed without a restart.
//!
//! A restore runs what is in the dump (check constraints, functions in indexes, materialised views) with the rights of
//! the connection's role. Where projects don't trust each other, give each its own connection with a role that is not a
//! superuser: `CREATEDB`, `pg_read_all_data`, `pg_signal_backend`, and membership in the roles that own its objects.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;
use stacksnap_common::config;
use stacksnap_common::ids::ProjectId;

use super::pgpass;
use crate::driver::Error;

/// One of the operator's connections.
#[derive(Debug, Clone)]
pub struct Connection {
    /// What a resource's property `server` says.
    pub name: String,
    pub set: config::Connection,
}

impl Connection {
    /// The password for a session in `database`, if the operator gave one.
    pub(super) fn password(&self, database: &str) -> Result<Option<SecretString>, Error> {
        if let Some(password) = &self.set.password {
            return Ok(Some(password.expose().to_owned().into()));
        }
        if let Some(file) = &self.set.password_file {
            let text = read(&self.name, "password_file", file)?;
            return Ok(Some(text.lines().next().unwrap_or_default().to_owned().into()));
        }
        match &self.set.passfile {
            Some(file) => {
                let text = read(&self.name, "passfile", file)?;
                let host = if self.set.is_socket() { "localhost" } else { &self.set.host };
                Ok(pgpass::find(&text, host, self.set.port, database, &self.set.user).map(Into::into))
            }
            None => Ok(None),
        }
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
    pub fn new(connections: BTreeMap<String, config::Connection>) -> Self {
        Self(connections.into_iter().map(|(name, set)| Connection { name, set }).collect())
    }

    /// The connection of this name, for the operator.
    pub(super) fn get(&self, server: &str) -> Result<&Connection, Error> {
        let found = self.0.iter().find(|connection| connection.name == server);
        found.ok_or_else(|| Error::Permanent(format!("there is no PostgreSQL connection {server:?}")))
    }

    /// The connection that `project` means by `server`. What is not there and what is not allowed read the same, so that
    /// a project can't find out how others' connections are called.
    pub(super) fn find(&self, project: &ProjectId, server: &str) -> Result<&Connection, Error> {
        self.0.iter().find(|c| c.name == server && c.set.projects.allows(project)).ok_or_else(|| {
            Error::Permanent(format!(
                "server {server:?}: this worker has no PostgreSQL connection of that name that project {project} may \
                 use; the operator allows it by a table [postgresql.NAME] with the project in `projects`"
            ))
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn connections(json: serde_json::Value) -> Connections {
        Connections::new(serde_json::from_value(json).unwrap())
    }

    fn password(set: serde_json::Value, database: &str) -> Result<Option<String>, Error> {
        let password = connections(serde_json::json!({"a": set})).0[0].password(database)?;
        Ok(password.map(|password| password.expose_secret().to_owned()))
    }

    #[test]
    fn a_project_uses_only_what_it_was_given() {
        let all = connections(serde_json::json!({
            "main": {"user": "u", "projects": ["p1"]},
            "open": {"user": "u", "projects": ["*"]},
            "closed": {"user": "u"},
        }));
        let (p1, p2): (ProjectId, ProjectId) = ("p1".parse().unwrap(), "p2".parse().unwrap());
        assert_eq!(all.find(&p1, "main").unwrap().set.port, 5432);
        assert!(all.find(&p2, "open").is_ok());
        assert!(all.find(&p1, "closed").is_err());
        let (other, none) = (all.find(&p2, "main").unwrap_err(), all.find(&p2, "nothing").unwrap_err());
        assert_eq!(other.to_string().replace("main", "nothing"), none.to_string());
    }

    #[test]
    fn passwords_come_from_where_the_operator_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p");
        std::fs::write(&file, "s3cret\nnote").unwrap();
        let set = serde_json::json!({"user": "u", "password_file": file});
        assert_eq!(password(set, "d").unwrap().unwrap(), "s3cret");
        std::fs::write(&file, "localhost:*:d:u:pa\\:ss\n").unwrap();
        let set = serde_json::json!({"user": "u", "host": "/run", "passfile": file});
        assert_eq!(password(set.clone(), "d").unwrap().unwrap(), "pa:ss");
        assert_eq!(password(set, "e").unwrap(), None);
        let set = serde_json::json!({"user": "u", "password_file": "/does/not/exist"});
        assert!(password(set, "d").unwrap_err().to_string().contains("password_file /does/not/exist"));
        assert_eq!(password(serde_json::json!({"user": "u", "password": "p"}), "d").unwrap().unwrap(), "p");
    }
}
