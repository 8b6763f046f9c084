//! The operator's tasks, wherever they are done.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stacksnap_common::store::Store;
use stacksnap_common::store::backend;
use stacksnap_worker::catalog;
use stacksnap_worker::vault::Vaults;

use crate::exit::{Exit, Failure};

/// Records read at a time.
const PAGE: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Dump { prefix: String },
    Orphans { remove: bool },
    Rebuild,
}

pub struct Work {
    pub store: Store,
    /// None where this process has no master key.
    pub vaults: Option<Vaults>,
}

impl Work {
    /// Gives each line of the result to `print`.
    pub async fn run(&self, task: &Task, mut print: impl FnMut(String)) -> Result<(), Failure> {
        match task {
            Task::Dump { prefix } => self.dump(prefix, print).await,
            Task::Orphans { remove } => {
                let found = catalog::orphans(&self.store, self.vaults()?, *remove).await.map_err(failure)?;
                for orphan in found {
                    print(json!(orphan).to_string());
                }
                Ok(())
            }
            Task::Rebuild => {
                let mut left = 0;
                let tell = |found: catalog::Found| {
                    left += u32::from(!found.ok);
                    print(json!(found).to_string());
                };
                catalog::rebuild(&self.store, self.vaults()?, tell).await.map_err(failure)?;
                match left {
                    0 => Ok(()),
                    _ => Err(Failure::failed(format!("{left} snapshots were left alone, see above"))),
                }
            }
        }
    }

    fn vaults(&self) -> Result<&Vaults, Failure> {
        let missing = "there is no master key here; give vault.master_key_file or STACKSNAP_VAULT__MASTER_KEY";
        self.vaults.as_ref().ok_or_else(|| Failure::usage(missing))
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
