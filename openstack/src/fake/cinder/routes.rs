//! What is asked of Cinder, and pages of its lists.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Service, Wire, bad_request, not_found};
use super::state::State;

impl Service for State {
    const ROOT: &str = "v3";
    const OF_PROJECT: bool = true;

    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn settle(&mut self) {
        self.up_to_now();
    }

    fn serve(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        if let Some(why) = too_long(given.body) {
            return Some(Err(bad_request(why)));
        }
        match path.split_first() {
            Some((&"volumes", rest)) => self.serve_volumes(method, rest, given),
            Some((&"snapshots", rest)) => self.serve_snapshots(method, rest, given),
            Some((&"backups", rest)) => self.serve_backups(method, rest, given),
            Some((&"groups", rest)) => self.serve_groups(method, rest, given),
            Some((&"group_snapshots", rest)) => self.serve_group_snapshots(method, rest, given),
            _ => None,
        }
    }
}

/// Cinder's schemas let a name and a description be so long (`cinder/api/validation/parameter_types.py`).
fn too_long(body: &Value) -> Option<String> {
    let new = body.as_object()?.values().next()?;
    ["name", "description"].iter().find_map(|field| {
        let value = new[*field].as_str().filter(|value| value.chars().count() > 255)?;
        Some(format!("Invalid input for field/attribute {field}. Value: {value}. '{value}' is too long"))
    })
}

/// A page of what a list has, the newest first: `limit` and `marker`, and filters.
pub(super) fn page(key: &str, thing: &str, mut all: Vec<(String, Value)>, query: &BTreeMap<String, String>) -> Answer {
    all.sort_by(|(a, _), (b, _)| b.cmp(a));
    let filters = ["name", "volume_id", "group_id", "status"];
    let wanted =
        |entry: &Value| filters.iter().all(|name| query.get(*name).is_none_or(|value| entry[*name] == **value));
    let mut entries: Vec<Value> = all.into_iter().map(|(_, entry)| entry).filter(wanted).collect();
    if let Some(marker) = query.get("marker") {
        let Some(place) = entries.iter().position(|entry| entry["id"] == **marker) else {
            return Err(not_found(thing, marker));
        };
        entries.drain(..=place);
    }
    let mut body = json!({});
    if let Some(limit) = query.get("limit").and_then(|limit| limit.parse::<usize>().ok()) {
        // Cinder links to another page whenever this one is full, though there may be nothing on it.
        if entries.len() >= limit {
            entries.truncate(limit);
            let links = if key == "group_snapshots" { "group_snapshot" } else { key };
            body[format!("{links}_links")] = json!([{"rel": "next", "href": "…"}]);
        }
    }
    body[key] = entries.into();
    Ok((StatusCode::OK, body))
}
