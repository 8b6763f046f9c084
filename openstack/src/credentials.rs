//! Who we are, and for what we ask a token: the body of `POST /v3/auth/tokens` (Keystone's API reference, "Password
//! authentication with scoped authorization" and what follows it).

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// A domain, of a user or of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    Id(String),
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    Id(String),
    Name(String, Domain),
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The user's default project, if it has one.
    Unsaid,
    ProjectId(String),
    Project(String, Domain),
    Domain(Domain),
    System,
    /// What a trust gives; its trustee is who we are.
    Trust(String),
}

#[derive(Debug, Clone)]
pub enum Credentials {
    Password {
        user: User,
        password: SecretString,
        scope: Scope,
    },
    /// Its project goes with it.
    ApplicationCredential {
        id: String,
        secret: SecretString,
    },
    /// By the name that its owner gave it.
    NamedApplicationCredential {
        name: String,
        owner: User,
        secret: SecretString,
    },
    /// A token that is changed for one of another scope.
    Token {
        token: SecretString,
        scope: Scope,
    },
    /// A token that is used as it is; there is none after it.
    Given(SecretString),
}

impl Domain {
    fn body(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name(name) => json!({"name": name}),
        }
    }
}

impl User {
    fn body(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name(name, domain) => json!({"name": name, "domain": domain.body()}),
        }
    }
}

impl Scope {
    fn body(&self) -> Option<Value> {
        Some(match self {
            Self::Unsaid => return None,
            Self::ProjectId(id) => json!({"project": {"id": id}}),
            Self::Project(name, domain) => json!({"project": {"name": name, "domain": domain.body()}}),
            Self::Domain(domain) => json!({"domain": domain.body()}),
            Self::System => json!({"system": {"all": true}}),
            Self::Trust(id) => json!({"OS-TRUST:trust": {"id": id}}),
        })
    }
}

impl Credentials {
    /// The request for a token; `None` for one that is given.
    pub(crate) fn body(&self) -> Option<Value> {
        let (identity, scope) = match self {
            Self::Given(_) => return None,
            Self::Password { user, password, scope } => {
                let mut user = user.body();
                user["password"] = password.expose_secret().into();
                (json!({"methods": ["password"], "password": {"user": user}}), scope.body())
            }
            Self::ApplicationCredential { id, secret } => {
                let body = json!({"id": id, "secret": secret.expose_secret()});
                (json!({"methods": ["application_credential"], "application_credential": body}), None)
            }
            Self::NamedApplicationCredential { name, owner, secret } => {
                let body = json!({"name": name, "user": owner.body(), "secret": secret.expose_secret()});
                (json!({"methods": ["application_credential"], "application_credential": body}), None)
            }
            Self::Token { token, scope } => {
                (json!({"methods": ["token"], "token": {"id": token.expose_secret()}}), scope.body())
            }
        };
        let mut auth = json!({"identity": identity});
        if let Some(scope) = scope {
            auth["scope"] = scope;
        }
        Some(json!({"auth": auth}))
    }
}
