//! Access rules of shares (`manila/api/v2/share_accesses.py`).

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Call, Manila};
use crate::error::Error;
use crate::reply::or_default;

/// What Manila shows in place of an address that a lock hides.
pub const HIDDEN: &str = "******";

#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    pub id: String,
    /// `ip`, `user`, `cert`, `cephx`
    pub access_type: String,
    /// An address, a network, a name; [`HIDDEN`].
    #[serde(default, deserialize_with = "or_default")]
    pub access_to: String,
    /// `rw`, `ro`
    #[serde(default, deserialize_with = "or_default")]
    pub access_level: String,
    /// `queued_to_apply`, `applying`, `active`, `queued_to_deny`, `denying`, `error`, …
    #[serde(default, deserialize_with = "or_default")]
    pub state: String,
}

impl Manila {
    pub async fn rules(&self, share: &str) -> Result<Vec<Rule>, Error> {
        let query = &[("share_id", share)];
        let call = Call { method: Method::GET, path: &["share-access-rules"], query, body: None };
        self.send(call).await?.one("access_list")
    }

    /// Begins to let somebody in. Refused (400) if there is a rule for the same one already.
    pub async fn allow(&self, share: &str, kind: &str, to: &str, level: &str) -> Result<(), Error> {
        let arguments = json!({"access_type": kind, "access_to": to, "access_level": level});
        self.share_action(share, "allow_access", arguments).await
    }

    /// Begins to take a rule away.
    pub async fn deny(&self, share: &str, rule: &str) -> Result<(), Error> {
        self.share_action(share, "deny_access", json!({ "access_id": rule })).await
    }
}
