//! What Keystone says of a token (`GET` and `POST /v3/auth/tokens`).

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::catalogue::Catalogue;

/// A thing of Keystone's with its id and name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    pub id: String,
    pub name: String,
    /// Of a user or a project; roles and domains have none.
    pub domain: Option<Box<Named>>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Token {
    pub user: Named,
    /// None: for a domain, the system, or nothing.
    pub project: Option<Named>,
    pub domain: Option<Named>,
    #[serde(default, deserialize_with = "all")]
    pub system: bool,
    /// With those that they imply.
    #[serde(default)]
    pub roles: Vec<Named>,
    /// False only where the cloud has an admin project and this is another one.
    #[serde(default = "yes")]
    pub is_admin_project: bool,
    #[serde(rename = "expires_at")]
    pub expires: Timestamp,
    /// The trust that it was made from.
    #[serde(rename = "OS-TRUST:trust")]
    pub trust: Option<TrustOf>,
    #[serde(default)]
    pub catalog: Catalogue,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TrustOf {
    pub id: String,
    pub impersonation: bool,
}

/// The shape around a token.
#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub(crate) token: Token,
}

impl Token {
    /// For how long it is still good, by this machine's clock.
    pub fn left(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "an expiry is Keystone's time, which the store does not know")]
        let now = Timestamp::now();
        Duration::try_from(self.expires.duration_since(now)).unwrap_or(Duration::ZERO)
    }

    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name == name)
    }
}

fn yes() -> bool {
    true
}

/// `{"all": true}`.
fn all<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct System {
        #[serde(default)]
        all: bool,
    }
    Ok(Option::<System>::deserialize(deserializer)?.is_some_and(|system| system.all))
}
