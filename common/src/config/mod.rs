//! The configuration: one small struct per concern, read once at the start and handed down.
//!
//! [`load`] puts four sources on top of each other, the later ones winning: the defaults (`config.default.toml`, which
//! documents every key), a file (`--config`, or the variable `STACKSNAP_CONFIG`), the environment, the flags. A key has
//! the same name in all of them: `listen` in the file is `STACKSNAP_LISTEN` and `--listen`; `lease` in the table
//! `[worker]` is `STACKSNAP_WORKER__LEASE`. A key that nobody knows is an error in the file as in the environment, and
//! the message names the nearest known one. What only holds between keys is checked last, in `check.rs`.

mod auth;
mod check;
mod directory;
mod heat;
mod keystone;
mod layers;
mod limits;
mod openstack;
mod policy;
mod postgresql;
mod queue;
mod rules;
mod store;
mod telemetry;
mod timers;
pub mod value;
mod vault;
mod worker;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

pub use auth::Auth;
pub use check::Role;
pub use directory::DirectoryRoot;
pub use heat::{ActAs, Heat};
pub use keystone::{Interface, Keystone};
pub use layers::{Error, Sources, load};
pub use limits::Limits;
pub use openstack::{Cinder, Manila, Nova, Openstack, Trove};
pub use policy::{Restore, Retention, Snapshot, Stacks};
pub use postgresql::{Connection, Projects, SslMode};
pub use queue::Queue;
pub use rules::Rules;
pub use store::Store;
pub use telemetry::{Format, Telemetry};
pub use timers::Timers;
pub use value::{Address, Secret};
pub use vault::{S3, Vault};
pub use worker::{Slots, Worker};

/// The default file: every key with its default, its unit and what it means.
pub const DEFAULT: &str = include_str!("config.default.toml");

/// Variables that begin with `STACKSNAP_` and are no keys: the file's place, and what the client commands read.
pub const NOT_KEYS: [&str; 4] = ["STACKSNAP_CONFIG", "STACKSNAP_URL", "STACKSNAP_TOKEN", "STACKSNAP_PROJECT"];

/// Everything that can be configured. The meaning of each key is in `config.default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub auth: Auth,
    pub directory_root: Vec<DirectoryRoot>,
    /// None: the embedded store.
    #[serde(deserialize_with = "value::optional")]
    pub redis: Option<Address>,
    /// None: the queue in the process.
    #[serde(deserialize_with = "value::optional")]
    pub amqp: Option<Address>,
    pub slots: Slots,
    pub heat: Heat,
    pub keystone: Keystone,
    pub openstack: Openstack,
    pub cinder: Cinder,
    pub nova: Nova,
    pub manila: Manila,
    pub trove: Trove,
    pub policy: Rules,
    pub store: Store,
    pub queue: Queue,
    pub worker: Worker,
    pub timers: Timers,
    pub vault: Vault,
    pub limits: Limits,
    pub stacks: Stacks,
    pub snapshot: Snapshot,
    pub restore: Restore,
    pub retention: Retention,
    pub telemetry: Telemetry,
    /// By the name that a template's `server` gives.
    pub postgresql: BTreeMap<String, Connection>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8004),
            data_dir: PathBuf::from("stacksnap-data"),
            auth: Auth::None,
            directory_root: Vec::new(),
            redis: None,
            amqp: None,
            slots: Slots::Cores,
            heat: Heat::default(),
            keystone: Keystone::default(),
            openstack: Openstack::default(),
            cinder: Cinder::default(),
            nova: Nova::default(),
            manila: Manila::default(),
            trove: Trove::default(),
            policy: Rules::default(),
            store: Store::default(),
            queue: Queue::default(),
            worker: Worker::default(),
            timers: Timers::default(),
            vault: Vault::default(),
            limits: Limits::default(),
            stacks: Stacks::default(),
            snapshot: Snapshot::default(),
            restore: Restore::default(),
            retention: Retention::default(),
            telemetry: Telemetry::default(),
            postgresql: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The embedded store's file.
    pub fn store_file(&self) -> PathBuf {
        self.data_dir.join("store.redb")
    }

    /// The vault's directory, where it is one.
    pub fn vault_path(&self) -> PathBuf {
        self.vault.path.clone().unwrap_or_else(|| self.data_dir.join("vault"))
    }

    /// Everything that nobody may copy or restore as a directory of a stack's: where this service keeps its own, and files
    /// with secrets.
    pub fn own(&self) -> Vec<PathBuf> {
        let mut own = vec![self.data_dir.clone(), self.master_key_file()];
        if self.vault.s3.bucket.is_none() {
            own.push(self.vault_path());
        }
        if let Auth::Tokens(file) = &self.auth {
            own.push(file.clone());
        }
        own.extend(self.keystone.password_file.clone());
        if self.keystone.cloud.is_some() {
            own.push(self.keystone.clouds_file.clone());
        }
        if self.openstack.enabled && self.openstack.cloud.is_some() {
            own.push(self.openstack.clouds_file.clone());
        }
        own.extend(
            self.postgresql
                .values()
                .flat_map(|server| [server.password_file.clone(), server.passfile.clone()])
                .flatten(),
        );
        own
    }

    /// Where the master key is, unless it came through the environment.
    pub fn master_key_file(&self) -> PathBuf {
        self.vault.master_key_file.clone().unwrap_or_else(|| self.data_dir.join("master.key"))
    }
}

#[cfg(test)]
mod tests;
