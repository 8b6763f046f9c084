//! By what a worker acts towards Heat, and in a cloud, when the caller, and the caller's token, are gone.
//!
//! A grant is made when an operation is accepted and kept beside it until it has ended; then a worker takes it back
//! (`worker/src/heat/grants.rs`). A trust has no name by which it could be found again, so that one is to be made is
//! written down first.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use stacksnap_common::heat::{By, Grant};
use stacksnap_common::store::Millis;
use stacksnap_openstack::keystone::NewTrust;
use stacksnap_openstack::{Credentials, Error, Keystone, Session};
use uuid::Uuid;

use crate::Api;
use crate::auth::Caller;
use crate::fault::Fault;

/// How grants are made; the operator decides.
#[derive(Debug, Clone)]
pub enum Grants {
    /// The caller's own token goes with the operation, and is good for as long as Keystone says.
    Token,
    /// The service's own user acts.
    Operator,
    /// The caller lets the service's user act.
    Trust(Trusts),
}

#[derive(Debug, Clone)]
pub struct Trusts {
    /// The service's user.
    pub service: Session,
    /// The roles that are given, as far as the caller has them.
    pub roles: Vec<String>,
    /// When a trust ends that nobody took back.
    pub lasts: Duration,
}

impl Grants {
    pub(crate) async fn make(
        &self,
        api: &Api,
        caller: &Caller,
        token: Option<&SecretString>,
    ) -> Result<Option<Grant>, Fault> {
        let made = api.store.now().await?;
        let grant = |by| Grant { id: Uuid::new_v4(), project: caller.project.clone(), by, operation: None, made };
        match (self, token) {
            (Self::Operator, _) => Ok(Some(grant(By::Operator))),
            (Self::Token, Some(token)) => Ok(Some(grant(By::Token(token.expose_secret().to_owned())))),
            // A Heat that asks for none.
            (Self::Token, None) => Ok(None),
            (Self::Trust(trusts), Some(token)) => {
                let intended = grant(By::Trust { id: None, trustor: caller.who.user_id.clone() });
                Ok(Some(trusts.make(api, caller, token, intended).await?))
            }
            (Self::Trust(_), None) => Err(Fault::unauthenticated(api.identity.challenge())),
        }
    }

    /// Takes back what no operation came to use. What can't be taken back now a worker takes back later.
    pub(crate) async fn unmake(&self, api: &Api, grant: &Grant, token: Option<&SecretString>) {
        let (Self::Trust(trusts), By::Trust { id, .. }) = (self, &grant.by) else { return };
        if let (Some(id), Some(token)) = (id, token)
            && let Err(error) = trusts.of(token).delete_trust(id).await
        {
            tracing::warn!(grant = %grant.id, %error, "an unused trust is left to be taken back later");
            return;
        }
        if let Err(error) = api.store.drop_grant(&grant.project, grant.id).await {
            tracing::warn!(grant = %grant.id, %error, "an unused grant is left to be taken back later");
        }
    }
}

impl Trusts {
    fn of(&self, token: &SecretString) -> Keystone {
        Keystone::new(self.service.with(Credentials::Given(token.clone())))
    }

    async fn make(&self, api: &Api, caller: &Caller, token: &SecretString, intended: Grant) -> Result<Grant, Fault> {
        let roles: Vec<_> =
            self.roles.iter().filter(|role| caller.who.has_role(&role.to_lowercase())).cloned().collect();
        if roles.is_empty() {
            let wanted = self.roles.join(", ");
            return Err(Fault::forbidden(format!(
                "None of your roles can be given to a trust; one of {wanted} is needed."
            )));
        }
        let trustee = self.service.token().await.map_err(away)?.user.id;
        api.store.put_grant(&intended).await?;
        let expires_at = end(intended.made, self.lasts, intended.id).ok_or_else(Fault::internal)?;
        let trust = NewTrust {
            trustor_user_id: caller.who.user_id.clone(),
            trustee_user_id: trustee,
            project_id: caller.project.to_string(),
            roles,
            expires_at,
            impersonation: true,
        };
        let By::Trust { trustor, .. } = intended.by.clone() else { return Err(Fault::internal()) };
        match self.of(token).create_trust(&trust).await {
            Ok(trust) => {
                let made = Grant { by: By::Trust { id: Some(trust.id), trustor }, ..intended };
                api.store.put_grant(&made).await?;
                Ok(made)
            }
            Err(error) => {
                // What Keystone has refused is not there; anything else may be.
                if error.status().is_some_and(|status| status.is_client_error()) {
                    api.store.drop_grant(&intended.project, intended.id).await?;
                }
                Err(refused(error))
            }
        }
    }
}

/// When a trust ends: so long after it is asked for, and a part of a second, to the microsecond. Keystone refuses a second
/// trust between the same two in the same project that ends in the same microsecond, also when the first is deleted
/// (`keystone/trust/backends/sql.py`, `duplicate_trust_constraint`): two requests in one millisecond must not meet there.
fn end(asked: Millis, lasts: Duration, grant: Uuid) -> Option<Timestamp> {
    let asked = Timestamp::from_millisecond(i64::try_from(asked.0).ok()?).ok()?;
    let apart = SignedDuration::from_micros((grant.as_u128() % 1_000_000) as i64);
    asked.checked_add(SignedDuration::try_from(lasts).ok()?.checked_add(apart)?).ok()
}

fn refused(error: Error) -> Fault {
    match error.status() {
        Some(StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) => {
            tracing::info!("a trust was refused: {error}");
            Fault::forbidden(
                "Keystone does not let this token make the trust that a long operation needs (a token of a trust or of a \
                 restricted application credential may make none); use a token by password.",
            )
        }
        _ => away(error),
    }
}

fn away(error: Error) -> Fault {
    tracing::warn!("503: no trust can be made now: {error}");
    Fault::identity_away("The Keystone service is temporarily unavailable.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn trusts_of_one_millisecond_end_apart_and_within_a_second() {
        let (asked, lasts) = (Millis(1_700_000_000_000), Duration::from_secs(3600));
        let ends: Vec<_> = (0..1_000).filter_map(|_| end(asked, lasts, Uuid::new_v4())).collect();
        let micros: BTreeSet<_> = ends.iter().map(|end| end.as_microsecond()).collect();
        assert!(micros.len() > 990, "{} of 1000", micros.len());
        let first = 1_700_003_600_000_000;
        assert!(micros.first() >= Some(&first) && micros.last() < Some(&(first + 1_000_000)), "{micros:?}");
    }
}
