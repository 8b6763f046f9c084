//! The worker of a process: its drivers, vaults, slots and name.

use std::sync::Arc;

use stacksnap_common::config::{Config, Connection, Role, SslMode};
use stacksnap_common::ids::WorkerId;
use stacksnap_worker::drivers::directory::{self, Directory};
use stacksnap_worker::drivers::postgresql::{self, Postgresql};
use stacksnap_worker::slots::Counts;
use stacksnap_worker::{Deps, Registry, Settings};
use uuid::Uuid;

use super::parts::Parts;
use super::vaults::{self, Key};
use crate::exit::Failure;

pub fn prepare(config: &Config, role: Role, parts: &Parts) -> Result<(Deps, Settings), Failure> {
    let vaults = vaults::open(config, if role == Role::Serve { Key::Make } else { Key::Find })?;
    let deps = Deps {
        store: parts.store.clone(),
        queue: Arc::clone(&parts.queue),
        drivers: drivers(config)?,
        vaults: Arc::new(vaults),
    };
    let host = host();
    let settings = Settings {
        id: id(&host)?,
        host,
        pools: config.worker.pools.clone(),
        slots: Counts {
            data: config.slots.count().into(),
            cut: config.worker.cut.into(),
            control: config.worker.control.into(),
        },
        renew: config.worker.renew,
        shutdown: config.worker.shutdown,
    };
    Ok((deps, settings))
}

fn drivers(config: &Config) -> Result<Registry, Failure> {
    let roots = config.directory_root.iter().map(|root| directory::AllowedRoot {
        project: root.project.clone(),
        path: root.path.clone(),
    });
    let directory = Directory::new(roots.collect(), config.data_dir.join("control"));
    let connections = config.postgresql.iter().map(|(name, connection)| connection_of(name, connection)).collect();
    let connections = postgresql::settings::Connections::new(connections)
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Registry::default().with(Arc::new(directory)).with(Arc::new(Postgresql::new(connections))))
}

/// The operator's connection, in the driver's words.
pub fn connection_of(name: &str, connection: &Connection) -> postgresql::settings::Connection {
    use postgresql::settings;
    let connection = connection.clone();
    settings::Connection {
        name: name.to_owned(),
        host: connection.host,
        port: connection.port,
        user: connection.user,
        password_file: connection.password_file,
        password_env: connection.password_env,
        passfile: connection.passfile,
        maintenance_database: connection.maintenance_database,
        projects: connection.projects,
        databases: (!connection.databases.is_empty()).then_some(connection.databases),
        sslmode: match connection.sslmode {
            SslMode::Disable => settings::SslMode::Disable,
            SslMode::Prefer => settings::SslMode::Prefer,
            SslMode::Require => settings::SslMode::Require,
            SslMode::VerifyCa => settings::SslMode::VerifyCa,
            SslMode::VerifyFull => settings::SslMode::VerifyFull,
        },
        sslrootcert: connection.sslrootcert,
        bin_dir: connection.bin_dir,
    }
}

/// The host's name, as far as it fits an id.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = name.trim().chars().filter(fits).take(64).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// New at each start: what the same host did before its restart was another worker.
fn id(host: &str) -> Result<WorkerId, Failure> {
    let id = format!("{host}-{}-{:.8}", std::process::id(), Uuid::new_v4().simple().to_string());
    WorkerId::try_from(id).map_err(|error| Failure::failed(error.to_string()))
}
