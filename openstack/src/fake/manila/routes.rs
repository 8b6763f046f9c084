//! What is asked of Manila, in which version, and pages of its lists.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, Service, Wire};
use super::state::State;

/// Since when a snapshot has metadata, a share says that it is in the recycle bin, and that it is made from a snapshot.
pub(super) const SNAPSHOT_METADATA: (u32, u32) = (2, 73);
pub(super) const RECYCLE_BIN: (u32, u32) = (2, 69);
pub(super) const FROM_SNAPSHOT: (u32, u32) = (2, 54);
/// The oldest version that this fake knows. Manila's own is 2.0, of which no answer here is.
const OLDEST: (u32, u32) = (2, 45);

impl Service for State {
    const ROOT: &str = "v2";
    const OF_PROJECT: bool = true;

    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn settle(&mut self) {
        self.up_to_now();
    }

    fn serve(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        let version = match self.version(given) {
            Ok(version) => version,
            Err(refused) => return Some(Err(refused)),
        };
        match path.split_first() {
            Some((&"shares", rest)) => self.serve_shares(method, rest, given, version),
            Some((&"snapshots", rest)) => self.serve_snapshots(method, rest, given, version),
            Some((&"share-access-rules", [])) if method == "GET" => Some(self.list_rules(given)),
            Some((&"messages", [])) if method == "GET" => Some(self.list_messages(given)),
            _ => None,
        }
    }
}

impl State {
    /// Which version of the API is asked for; without the header it is 2.0 (`manila/api/openstack/wsgi.py`).
    fn version(&self, given: &Given<'_>) -> Result<(u32, u32), Refusal> {
        let asked = given.headers.get("x-openstack-manila-api-version").and_then(|value| value.to_str().ok());
        let asked = asked.unwrap_or("2.0");
        let parsed = asked.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        match parsed {
            Some(version) if (OLDEST..=self.newest).contains(&version) => Ok(version),
            // `InvalidGlobalAPIVersion` in `manila/exception.py`.
            _ => Err(Refusal {
                status: StatusCode::NOT_ACCEPTABLE,
                kind: "computeFault",
                message: format!(
                    "Version {asked} is not supported by the API. Minimum is {}.{} and maximum is {}.{}.",
                    OLDEST.0, OLDEST.1, self.newest.0, self.newest.1
                ),
            }),
        }
    }

    /// `manila/api/v2/messages.py`
    fn list_messages(&self, given: &Given<'_>) -> Answer {
        let about = given.query.get("resource_id");
        let own = self.messages.iter().filter(|message| about.is_none_or(|id| *id == message.share));
        let own = own.filter(|message| self.shares.get(&message.share).is_none_or(|share| given.may(&share.project)));
        let shown: Vec<_> = own
            .map(|message| {
                json!({"id": "m", "project_id": given.project, "action_id": "002", "detail_id": "001",
                "message_level": "ERROR", "created_at": message.created, "expires_at": null, "request_id": "req-1",
                "links": [], "resource_type": "SHARE", "resource_id": message.share, "user_message": message.text})
            })
            .collect();
        Ok((StatusCode::OK, json!({ "messages": shown })))
    }
}

/// A page of what a list has, the newest first: `limit` and `offset`, and filters by `name`, `share_id` and `status`.
pub(super) fn page(key: &str, mut all: Vec<(String, Value)>, query: &BTreeMap<String, String>) -> Answer {
    all.sort_by(|(a, _), (b, _)| b.cmp(a));
    let filters = ["name", "share_id", "status"];
    let wanted =
        |entry: &Value| filters.iter().all(|name| query.get(*name).is_none_or(|value| entry[*name] == **value));
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let entries = all.into_iter().map(|(_, entry)| entry).filter(wanted).skip(number("offset").unwrap_or(0));
    let entries: Vec<_> = entries.take(number("limit").unwrap_or(1000).min(1000)).collect();
    Ok((StatusCode::OK, json!({ key: entries })))
}
