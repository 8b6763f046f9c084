//! `auth`: how callers are known.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Everybody may do everything; only on a loopback address.
    None,
    /// Keystone's tokens; how is in `[keystone]`.
    Keystone,
    /// A file of hashed tokens, each with its project and roles.
    Tokens(PathBuf),
}

impl FromStr for Auth {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => Auth::None,
            "keystone" => Auth::Keystone,
            path => Auth::Tokens(PathBuf::from(path)),
        })
    }
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::value::parsed(deserializer)
    }
}
