//! Trusts of callers to the service's user. They have neither name nor metadata: any trust to this user is taken for ours.

use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::store::Millis;
use stacksnap_openstack::{Keystone, Scope, Session};

use super::{Error, Finder, Listed, Mark, Thing, service};

#[derive(Debug)]
pub struct Trusts {
    /// The service's user.
    pub service: Session,
    /// How long a trust is made for: it does not say when it was made.
    pub lasts: Duration,
}

#[async_trait]
impl Finder for Trusts {
    fn place(&self) -> &'static str {
        "Keystone's trusts"
    }

    async fn list(&self) -> Result<Listed, Error> {
        let user = self.service.token().await.map_err(service)?.user.id;
        let trusts = Keystone::new(self.service.clone()).trusts_to(&user).await.map_err(service)?;
        let things = trusts.into_iter().map(|trust| {
            let ends = trust.expires_at.map(|at| at.as_millisecond().unsigned_abs());
            let thing = Thing {
                what: "trust".to_owned(),
                id: trust.id.clone(),
                project: trust.project_id.clone().unwrap_or_default(),
                stack: None,
                snapshot: None,
                resource: None,
                made_at: ends.map(|ends| Millis(ends.saturating_sub(self.lasts.as_millis() as u64))),
                bytes: 0,
            };
            (thing, Mark::Trust { id: trust.id, trustor: trust.trustor_user_id, project: trust.project_id })
        });
        Ok(Listed { things: things.collect(), notes: Vec::new() })
    }

    /// By the trust itself: it is who gave it that may take it back.
    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let by = self.service.scoped(Scope::Trust(thing.id.clone())).ok_or_else(|| {
            Error::Service("the service's user must be known by a password (keystone.password)".to_owned())
        })?;
        match Keystone::new(by).delete_trust(&thing.id).await {
            Err(error) if !error.is_gone() => Err(service(error)),
            _ => Ok(()),
        }
    }
}
