//! By what a worker acts towards Heat when the caller, and the caller's token, are gone.
//!
//! A grant is made when an operation is accepted and kept beside it until it has ended; then a worker takes it back
//! (`worker/src/heat/grants.rs`).

use secrecy::{ExposeSecret, SecretString};
use stacksnap_common::heat::{By, Grant};
use stacksnap_common::ids::ProjectId;
use uuid::Uuid;

use crate::Api;
use crate::fault::Fault;

/// How grants are made; the operator decides.
#[derive(Debug, Clone)]
pub enum Grants {
    /// The caller's own token goes with the operation, and is good for as long as Keystone says.
    Token,
    /// The service's own user acts.
    Operator,
}

impl Grants {
    pub(super) async fn make(
        &self,
        api: &Api,
        project: &ProjectId,
        token: Option<SecretString>,
    ) -> Result<Option<Grant>, Fault> {
        let by = match (self, token) {
            (Self::Operator, _) => By::Operator,
            (Self::Token, Some(token)) => By::Token(token.expose_secret().to_owned()),
            // A Heat that asks for none.
            (Self::Token, None) => return Ok(None),
        };
        let made = api.store.now().await?;
        Ok(Some(Grant { id: Uuid::new_v4(), project: project.clone(), by, operation: None, made }))
    }

    /// Takes back what no operation came to use.
    pub(super) async fn unmake(&self, api: &Api, grant: &Grant) {
        if let By::Trust { .. } = grant.by
            && let Err(error) = api.store.drop_grant(&grant.project, grant.id).await
        {
            tracing::warn!(grant = %grant.id, %error, "an unused grant is left to be taken back later");
        }
    }
}
