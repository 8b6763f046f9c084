//! What a template may say of a directory, beside its `external_id`.
//!
//! | property | value | meaning |
//! |---|---|---|
//! | `exclude` | list of patterns | left out of snapshots, and never touched by a restore (see `exclude`) |
//! | `unreadable` | `fail` (default), `skip` | what the worker may not read fails the snapshot, or is left out and named |
//! | `owners` | `restore` (default), `skip` | a restore sets owner and group, or leaves what it writes to the worker's user |
//! | `pool` | a pool's name | whose workers have the directory; read when the template is |

use std::collections::BTreeMap;

use serde_json::Value;

use super::exclude::Excludes;

/// As `stacksnap_common::kinds` has them.
const NAMES: [&str; 4] = ["exclude", "unreadable", "owners", "pool"];

#[derive(Debug, Clone)]
pub struct Properties {
    /// The patterns as given: the artifact records them.
    pub(crate) patterns: Vec<String>,
    pub(crate) exclude: Excludes,
    pub(crate) unreadable: Unreadable,
    pub(crate) owners: Owners,
}

/// What becomes of what the worker may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Fail,
    Skip,
}

/// Whether a restore sets owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    Restore,
    Skip,
}

impl Properties {
    /// Checks the properties of a `Stacksnap::Directory`. The error says what is wrong with which one.
    pub fn parse(properties: &BTreeMap<String, Value>) -> Result<Self, String> {
        if let Some(unknown) = properties.keys().find(|key| !NAMES.contains(&key.as_str())) {
            let has = NAMES.join(", ");
            return Err(format!("Stacksnap::Directory has no property {unknown:?}; it has {has}"));
        }
        let patterns = match properties.get("exclude") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list
                .iter()
                .map(|pattern| pattern.as_str().map(str::to_owned).ok_or("exclude must be a list of texts".to_owned()))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err("exclude must be a list of texts".to_owned()),
        };
        let word = |key: &str| match properties.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(word)) => Ok(Some(word.as_str())),
            Some(_) => Err(format!("{key} must be a text")),
        };
        Ok(Self {
            exclude: Excludes::new(patterns.iter().map(String::as_str))?,
            patterns,
            unreadable: match word("unreadable")? {
                None | Some("fail") => Unreadable::Fail,
                Some("skip") => Unreadable::Skip,
                Some(other) => return Err(format!("unreadable is \"fail\" or \"skip\", not {other:?}")),
            },
            owners: match word("owners")? {
                None | Some("restore") => Owners::Restore,
                Some("skip") => Owners::Skip,
                Some(other) => return Err(format!("owners is \"restore\" or \"skip\", not {other:?}")),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(json: Value) -> Result<Properties, String> {
        Properties::parse(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn the_api_lets_through_what_is_taken_here() {
        let kinds = stacksnap_common::kinds::Kinds::default();
        let let_through = kinds.get("Stacksnap::Directory").unwrap().properties.iter().map(|(name, ..)| *name);
        assert_eq!(let_through.collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn what_a_template_may_say() {
        let none = parse(serde_json::json!({})).unwrap();
        assert_eq!((none.unreadable, none.owners), (Unreadable::Fail, Owners::Restore));
        let all =
            parse(serde_json::json!({"exclude": ["*.tmp"], "unreadable": "skip", "owners": "skip", "pool": "host-7"}));
        let all = all.unwrap();
        assert_eq!((all.unreadable, all.owners), (Unreadable::Skip, Owners::Skip));
        for (wrong, word) in [
            (serde_json::json!({"excludes": []}), "excludes"),
            (serde_json::json!({"exclude": "*.tmp"}), "list"),
            (serde_json::json!({"exclude": [1]}), "list of texts"),
            (serde_json::json!({"exclude": ["a{"]}), "a{"),
            (serde_json::json!({"unreadable": "no"}), "\"skip\""),
            (serde_json::json!({"owners": true}), "owners must be a text"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
