//! `[vault]`: where bytes go, and the key that protects them.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::value::{self, Address, Secret};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// Unless `s3.bucket` is set: the directory that holds one repository per project. Not set: `vault` in `data_dir`.
    #[serde(deserialize_with = "value::optional")]
    pub path: Option<PathBuf>,
    /// Not set: `master.key` in `data_dir`, made at the first start of `serve`.
    #[serde(deserialize_with = "value::optional")]
    pub master_key_file: Option<PathBuf>,
    /// The key itself: 64 hexadecimal digits. For the environment.
    #[serde(deserialize_with = "value::optional")]
    pub master_key: Option<Secret>,
    /// Room for open repositories' indexes; the least used one is closed first. Bytes.
    #[serde(deserialize_with = "value::size")]
    pub handles: u64,
    /// How often what no artifact refers to is looked for.
    #[serde(deserialize_with = "value::duration")]
    pub prune_interval: Duration,
    /// Packs marked for removal stay for at least this; longer than the longest copy plus a day.
    #[serde(deserialize_with = "value::duration")]
    pub keep_delete: Duration,
    pub s3: S3,
}

/// `[vault.s3]`: an S3-compatible object store in place of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Not set: the vault is a directory.
    #[serde(deserialize_with = "value::optional")]
    pub bucket: Option<String>,
    #[serde(deserialize_with = "value::optional")]
    pub endpoint: Option<Address>,
    #[serde(deserialize_with = "value::optional")]
    pub region: Option<String>,
    /// A prefix of every object's name.
    #[serde(deserialize_with = "value::optional")]
    pub prefix: Option<String>,
    #[serde(deserialize_with = "value::optional")]
    pub access_key: Option<Secret>,
    #[serde(deserialize_with = "value::optional")]
    pub secret_key: Option<Secret>,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            path: None,
            master_key_file: None,
            master_key: None,
            handles: 256 << 20,
            prune_interval: Duration::from_secs(86_400),
            keep_delete: Duration::from_secs(48 * 3_600),
            s3: S3::default(),
        }
    }
}
