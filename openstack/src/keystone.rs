//! Keystone as a service asks it: other people's tokens, and trusts (`OS-TRUST`).
//!
//! A trust lets its trustee act as its trustor in one project, with the roles that it names, until it ends or is deleted.
//! It has no name: who makes one and loses the answer finds it only by listing what the trustor has given.

use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Error;
use crate::request::Request;
use crate::session::{SUBJECT_TOKEN, Session, below};
use crate::token::{Body, Token};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keystone {
    session: Session,
}

/// What a trust is asked to be.
#[derive(Debug, Clone, Serialize)]
pub struct NewTrust {
    pub trustor_user_id: String,
    pub trustee_user_id: String,
    pub project_id: String,
    /// By name; the trustor must have them in the project.
    #[serde(serialize_with = "names")]
    pub roles: Vec<String>,
    pub expires_at: Timestamp,
    /// Whether the trustee acts as the trustor.
    pub impersonation: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Trust {
    pub id: String,
    pub trustor_user_id: String,
    pub trustee_user_id: String,
    pub project_id: Option<String>,
    pub impersonation: bool,
    pub expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct One {
    trust: Trust,
}

#[derive(Deserialize)]
struct Many {
    trusts: Vec<Trust>,
}

impl Keystone {
    /// As the session's user.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What a token is; without its catalogue. `Ok(None)`: Keystone says that it is not valid. `expired_too`: one whose
    /// time is over is good for as long as Keystone lets services go on with it (`[token] allow_expired_window`).
    ///
    /// The session's user needs the role `service` or `admin`. A token of an application credential with access rules
    /// is not valid here: Keystone gives those only to services that say that they keep to the rules.
    pub async fn validate(&self, token: &SecretString, expired_too: bool) -> Result<Option<Token>, Error> {
        let mut request = Request::get(self.url(&["auth", "tokens"])).query("nocatalog", "");
        if expired_too {
            request = request.query("allow_expired", "1");
        }
        match self.session.send(request.secret(SUBJECT_TOKEN, token)?).await {
            Ok(reply) => reply.json().map(|body: Body| Some(body.token)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Made by the session, which must be the trustor's own token.
    pub async fn create_trust(&self, trust: &NewTrust) -> Result<Trust, Error> {
        let request = Request::post(self.url(&["OS-TRUST", "trusts"])).json(&json!({"trust": trust}))?;
        self.session.send(request).await?.json().map(|one: One| one.trust)
    }

    pub async fn trust(&self, id: &str) -> Result<Trust, Error> {
        let request = Request::get(self.url(&["OS-TRUST", "trusts", id]));
        self.session.send(request).await?.json().map(|one: One| one.trust)
    }

    /// What a user has given to others and not taken back.
    pub async fn trusts_by(&self, trustor_user_id: &str) -> Result<Vec<Trust>, Error> {
        let request = Request::get(self.url(&["OS-TRUST", "trusts"])).query("trustor_user_id", trustor_user_id);
        self.session.send(request).await?.json().map(|many: Many| many.trusts)
    }

    /// What others have given to a user and not taken back; asked by that user.
    pub async fn trusts_to(&self, trustee_user_id: &str) -> Result<Vec<Trust>, Error> {
        let request = Request::get(self.url(&["OS-TRUST", "trusts"])).query("trustee_user_id", trustee_user_id);
        self.session.send(request).await?.json().map(|many: Many| many.trusts)
    }

    /// One that is gone already is no error. The trustor may do it, and a session that has the trust itself and
    /// impersonates.
    pub async fn delete_trust(&self, id: &str) -> Result<(), Error> {
        match self.session.send(Request::new(Method::DELETE, self.url(&["OS-TRUST", "trusts", id]))).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    fn url(&self, path: &[&str]) -> reqwest::Url {
        below(self.session.auth_url().clone(), path)
    }
}

fn names<S: serde::Serializer>(roles: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(roles.iter().map(|name| json!({"name": name})))
}
