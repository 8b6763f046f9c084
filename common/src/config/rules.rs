//! `[policy]`: who may do what, where the defaults don't fit.

use std::path::PathBuf;

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// A file of rules in oslo.policy's language. Not set: the defaults hold.
    #[serde(deserialize_with = "value::optional")]
    pub file: Option<PathBuf>,
}
