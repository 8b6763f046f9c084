//! The operator's tasks, wherever they are done.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stacksnap_common::config::Config;
use stacksnap_common::store::Store;
use stacksnap_common::store::backend;
use stacksnap_worker::catalog;
use stacksnap_worker::drivers::cinder::orphans::OfCinder;
use stacksnap_worker::drivers::manila::orphans::OfManila;
use stacksnap_worker::drivers::nova::orphans::OfGlance;
use stacksnap_worker::drivers::postgresql::settings::Connections;
use stacksnap_worker::drivers::postgresql::{OfServer, Postgresql};
use stacksnap_worker::drivers::remote::orphans::OfStacks;
use stacksnap_worker::drivers::trove::orphans::OfTrove;
use stacksnap_worker::orphans::trusts::Trusts;
use stacksnap_worker::orphans::vault::OfVaults;
use stacksnap_worker::orphans::{self, Finder, Remove, Told};
use stacksnap_worker::vault::Vaults;

use crate::exit::{Exit, Failure};
use crate::process::cloud;

/// What to do where the master key is missing.
pub const GIVE_KEY: &str = "give the vault's master key by vault.master_key_file or STACKSNAP_VAULT__MASTER_KEY";
/// Records read at a time.
const PAGE: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Dump { prefix: String },
    Orphans { older_than: Duration, remove: Remove },
    Rebuild,
}

pub struct Work {
    store: Store,
    /// None where this process has no master key.
    vaults: Option<Vaults>,
    config: Config,
}

impl Work {
    /// `vaults`: none where this process has no master key.
    pub fn new(config: &Config, store: Store, vaults: Option<Vaults>) -> Self {
        Self { store, vaults, config: config.clone() }
    }

    /// Gives each line of the result to `print`.
    pub async fn run(&self, task: &Task, mut print: impl FnMut(String)) -> Result<(), Failure> {
        match task {
            Task::Dump { prefix } => self.dump(prefix, print).await,
            Task::Orphans { older_than, remove } => self.orphans(*older_than, remove, print).await,
            Task::Rebuild => {
                let mut left = 0;
                let tell = |found: catalog::Found| {
                    left += u32::from(!found.ok);
                    print(json!(found).to_string());
                };
                let vaults = self.vaults()?;
                // Whichever vault is there is the store's from now on.
                let away = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
                if let Some(id) = vaults.found().await.map_err(|error| away(&error))? {
                    self.store.replace_vault(id).await.map_err(|error| away(&error))?;
                    vaults.expect(id);
                }
                catalog::rebuild(&self.store, vaults, tell).await.map_err(failure)?;
                match left {
                    0 => Ok(()),
                    _ => Err(Failure::failed(format!("{left} snapshots were left alone, see above"))),
                }
            }
        }
    }

    async fn orphans(
        &self,
        older_than: Duration,
        remove: &Remove,
        mut print: impl FnMut(String),
    ) -> Result<(), Failure> {
        let mut tell = |told: Told| print(json!(told).to_string());
        let unsearched = u32::from(self.vaults.is_none());
        if unsearched > 0 {
            tell(Told::Note(format!("the vaults were not searched: {GIVE_KEY}")));
        }
        let searched = orphans::search(&self.store, &self.finders()?, older_than, remove, tell).await;
        match unsearched + searched.map_err(|error| Failure::failed(error.to_string()))? {
            0 => Ok(()),
            wrong => Err(Failure::failed(format!("{wrong} things went wrong, see above"))),
        }
    }

    /// One for each place where something of ours may be.
    fn finders(&self) -> Result<Vec<Box<dyn Finder>>, Failure> {
        let mut finders: Vec<Box<dyn Finder>> = Vec::new();
        if let Some(vaults) = &self.vaults {
            finders.push(Box::new(OfVaults(vaults.clone())));
        }
        let postgresql = Arc::new(Postgresql::new(Connections::new(self.config.postgresql.clone())));
        for server in self.config.postgresql.keys() {
            finders.push(Box::new(OfServer { postgresql: Arc::clone(&postgresql), server: server.clone() }));
        }
        if let Some((session, same_projects)) = cloud::clouds(&self.config)?.survey() {
            if self.config.openstack.enabled {
                finders.push(Box::new(OfCinder { session: session.clone(), same_projects }));
                finders.push(Box::new(OfGlance { session: session.clone(), same_projects }));
                finders.push(Box::new(OfStacks { session: session.clone(), same_projects }));
                finders.push(Box::new(OfManila { session: session.clone(), same_projects }));
                finders.push(Box::new(OfTrove { session: session.clone(), same_projects }));
            }
            if same_projects {
                finders.push(Box::new(Trusts { service: session, lasts: self.config.heat.trust_lasts }));
            }
        }
        Ok(finders)
    }

    fn vaults(&self) -> Result<&Vaults, Failure> {
        self.vaults.as_ref().ok_or_else(|| Failure::usage(GIVE_KEY))
    }

    /// Every record under its key, shard by shard, in the order of the keys.
    async fn dump(&self, prefix: &str, mut print: impl FnMut(String)) -> Result<(), Failure> {
        let backend = self.store.backend();
        for shard in backend.shards().all() {
            let mut after = None;
            loop {
                let page = backend.scan(shard, prefix, after.as_ref(), PAGE).await.map_err(away)?;
                for (key, stored) in &page {
                    let value: Value = serde_json::from_slice(&stored.value)
                        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&stored.value).into_owned()));
                    let line = json!({"shard": shard.0, "key": key.0, "version": stored.version, "value": value});
                    print(line.to_string());
                }
                match page.last() {
                    Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                    _ => break,
                }
            }
        }
        Ok(())
    }
}

fn away(error: backend::Error) -> Failure {
    let exit = if error.is_transient() { Exit::Unreachable } else { Exit::Failed };
    Failure::new(exit, error.to_string())
}

fn failure(error: catalog::Error) -> Failure {
    Failure::failed(error.to_string())
}
