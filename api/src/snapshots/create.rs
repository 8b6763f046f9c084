//! `POST …/snapshots`: 200 and the snapshot, bare, when it is recorded; the stack shows SNAPSHOT_IN_PROGRESS by then.
//!
//! Of the body Heat reads `name` and ignores the rest; ours beside it are `consistency`, `labels`,
//! `allow_unprotected`, `volumes` and `servers`. Names need not differ. Heat fails on names that its database can't hold; here they are a 400.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stacksnap_common::store::Begun;
use stacksnap_common::store::snapshots::NewSnapshot;
use stacksnap_common::types::{Consistency, ServerMode, VolumeMode};

use super::view;
use crate::Api;
use crate::answer;
use crate::body::Change;
use crate::fault::Fault;
use crate::heat::Begins;
use crate::params::At;
use crate::source::Stacks;
use crate::stacks::StackPath;

/// Characters of a name, and of a label's value.
const LONGEST: usize = 255;
const LABELS: usize = 64;

pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<StackPath>,
    mut change: Change,
) -> Result<Response, Fault> {
    let new = parse(&change.required()?)?;
    let ready = stacks.begin(&path, &change.caller, Begins::Snapshot).await?;
    let answer = |begun: &Begun| {
        let body = match (&begun.snapshot, &begun.captured) {
            (Some(snapshot), Some(captured)) => json!(view::view(snapshot, view::data(snapshot, captured, &[]))),
            _ => Value::Null,
        };
        answer::make(begun, StatusCode::OK, body)
    };
    let request = ready.request(change.request(&answer));
    let result = api.store.create_snapshot(&request, ready.stack, &new).await;
    let result = stacks.settle(&ready, result).await;
    Ok(answer::send(result.map_err(|error| path.fault(error))?))
}

fn parse(body: &Map<String, Value>) -> Result<NewSnapshot, Fault> {
    let get = |key| body.get(key).filter(|value| !value.is_null());
    let name = match get("name") {
        None => None,
        Some(Value::String(name)) => Some(text("name", name)?),
        Some(_) => return Err(Fault::bad_request("name must be a string.")),
    };
    let consistency = get("consistency").map(|level| {
        let wrong = |_| Fault::bad_request("consistency must be one of application, group, crash, none.");
        Consistency::deserialize(level).map_err(wrong)
    });
    let allow_unprotected = match get("allow_unprotected") {
        None => false,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return Err(Fault::bad_request("allow_unprotected must be true or false.")),
    };
    let labels = match get("labels") {
        None => BTreeMap::new(),
        Some(Value::Object(labels)) => self::labels(labels)?,
        Some(_) => return Err(Fault::bad_request("labels must be an object of strings.")),
    };
    let volumes = get("volumes").map(|mode| {
        let wrong = |_| Fault::bad_request("volumes must be one of backup, snapshot, snapshot+backup.");
        VolumeMode::deserialize(mode).map_err(wrong)
    });
    let servers = get("servers").map(|mode| {
        let wrong = |_| Fault::bad_request("servers must be one of run, stop.");
        ServerMode::deserialize(mode).map_err(wrong)
    });
    let (consistency, volumes, servers) = (consistency.transpose()?, volumes.transpose()?, servers.transpose()?);
    Ok(NewSnapshot { name, labels, consistency, allow_unprotected, volumes, servers })
}

fn labels(given: &Map<String, Value>) -> Result<BTreeMap<String, String>, Fault> {
    if given.len() > LABELS {
        return Err(Fault::bad_request(format!("A snapshot has at most {LABELS} labels.")));
    }
    let mut labels = BTreeMap::new();
    for (key, value) in given {
        let value = value.as_str().ok_or_else(|| Fault::bad_request("labels must be an object of strings."))?;
        if key.is_empty() {
            return Err(Fault::bad_request("A label must have a key."));
        }
        labels.insert(text("A label's key", key)?, text("A label's value", value)?);
    }
    Ok(labels)
}

fn text(what: &str, text: &str) -> Result<String, Fault> {
    if text.chars().count() > LONGEST {
        return Err(Fault::bad_request(format!("{what} must be {LONGEST} characters or less.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::bad_request(format!("{what} must not contain control characters.")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn parsed(body: Value) -> Result<NewSnapshot, Fault> {
        parse(body.as_object().unwrap())
    }

    #[test]
    fn a_name_may_be_missing_null_or_empty() {
        assert_eq!(parsed(json!({})).unwrap().name, None);
        assert_eq!(parsed(json!({"name": null, "other": 1})).unwrap().name, None);
        assert_eq!(parsed(json!({"name": ""})).unwrap().name.as_deref(), Some(""));
        let long = "\u{1f600}".repeat(255);
        assert_eq!(parsed(json!({"name": long})).unwrap().name.as_deref(), Some(long.as_str()));
        let volumes = parsed(json!({"volumes": "snapshot+backup"})).unwrap().volumes;
        assert_eq!(volumes, Some(VolumeMode::SnapshotAndBackup));
        assert_eq!(parsed(json!({"servers": "stop"})).unwrap().servers, Some(ServerMode::Stop));
        assert_eq!(parsed(json!({"consistency": "group"})).unwrap().consistency, Some(Consistency::Group));
    }

    #[test]
    fn what_can_not_be_kept_is_refused() {
        for wrong in [
            json!({"name": 5}),
            json!({"name": true}),
            json!({"name": ["a"]}),
            json!({"name": {"a": 1}}),
            json!({"name": "x".repeat(256)}),
            json!({"name": "a\u{0}b"}),
            json!({"name": "a\nb"}),
            json!({"consistency": "best"}),
            json!({"volumes": "clone"}),
            json!({"servers": "Stop"}),
            json!({"allow_unprotected": "yes"}),
            json!({"labels": ["a"]}),
            json!({"labels": {"a": 1}}),
            json!({"labels": {"": "x"}}),
            json!({"labels": {"a": "x".repeat(256)}}),
        ] {
            assert!(parsed(wrong.clone()).is_err(), "{wrong}");
        }
        let many: Map<_, _> = (0..65).map(|i| (i.to_string(), json!("x"))).collect();
        assert!(parsed(json!({"labels": many})).is_err());
    }
}
