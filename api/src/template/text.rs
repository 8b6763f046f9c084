//! A template or an environment as an object: given as one, or as a text of YAML or JSON.
//!
//! YAML can grow by aliases; what may come of a text is bounded by its events, its depth and the copies that aliases make.

use serde_json::{Map, Value};
use serde_saphyr::Options;
use serde_saphyr::options::DuplicateKeyPolicy;

use crate::fault::Fault;

/// Nodes of a text, aliases copied; of a text of 1 MiB, which is the most that a body has, about every second byte.
const NODES: usize = 500_000;
/// Of those, what aliases make: no template that a person writes comes near.
const COPIES: usize = 50_000;
const DEPTH: usize = 64;

/// `what` is how the text is called in errors.
pub(super) fn object(what: &str, given: &Value) -> Result<Map<String, Value>, Fault> {
    let parsed = match given {
        Value::String(text) => {
            read(text).map_err(|error| Fault::bad_request(format!("{what} not in valid format: {error}")))?
        }
        other => other.clone(),
    };
    match parsed {
        Value::Object(object) => Ok(object),
        _ => {
            let what = what.to_lowercase();
            Err(Fault::bad_request(format!("The {what} is not a JSON object or YAML mapping.")))
        }
    }
}

/// Whatever the text holds, or why it holds nothing.
pub(super) fn read(text: &str) -> Result<Value, String> {
    // The first line has what is wrong and where; the rest draws the text.
    let wrong = |error: String| error.lines().next().unwrap_or_default().to_owned();
    if text.trim_start().starts_with('{') {
        // YAML takes most JSON too, but its errors say less.
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(value);
        }
    }
    let options = options();
    serde_saphyr::from_str_with_options(text, options).map_err(|error| wrong(error.to_string()))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: NODES,
            max_nodes: NODES,
            max_depth: DEPTH,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: COPIES,
            max_replay_stack_depth: DEPTH,
            max_alias_expansions_per_anchor: 1_000,
        },
        duplicate_keys: DuplicateKeyPolicy::LastWins,
    }
}
