//! `[store]`: the records. `redis` says which store: Redis at that URL, or the embedded file in `data_dir`.

use std::time::Duration;

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// 1 to 1024; only the first start of a store uses it, later ones must give the same.
    pub shards: u16,
    /// After this, one command's outcome counts as unknown; a request is answered with 503 in under twice this.
    #[serde(deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Starts also with a Redis that may lose accepted work or evict records.
    pub allow_unsafe: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self { shards: 16, timeout: Duration::from_secs(1), allow_unsafe: false }
    }
}
