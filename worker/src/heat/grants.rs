//! What callers gave us to act by is taken back when nothing needs it any more: after its operation has ended, or when it
//! turns out that none ever used it.

use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::heat::{By, Grant};
use stacksnap_openstack::Keystone;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::Error;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(15);
/// A grant that no operation has begun to use after this is used by none.
const UNUSED: Duration = Duration::from_secs(10 * 60);

pub(crate) async fn run(shared: Arc<Shared>, token: CancellationToken) {
    while token.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match shared.store.spent_grants(UNUSED).await {
            Ok(spent) => {
                for grant in spent {
                    take_back(&shared, &grant).await;
                }
            }
            Err(error) => tracing::warn!(%error, "spent grants can't be looked for now"),
        }
    }
}

/// Out of the world; the record goes after it.
async fn undo(shared: &Shared, grant: &Grant) -> Result<(), Error> {
    if let By::Trust { id: Some(id), .. } = &grant.by {
        match Keystone::new(shared.clouds.by(grant)?).delete_trust(id).await {
            Ok(()) => {}
            // A trust that has ended, or whose user is gone, gives no token any more: there is nothing left of it to use.
            Err(error) if error.is_unauthorized() || error.is_gone() => {}
            Err(error) => return Err(Error::transient(error.to_string())),
        }
    }
    // One that was only intended: if it was made after all it ends by itself, and nobody has its id.
    shared.clouds.forget(grant);
    Ok(())
}

async fn take_back(shared: &Shared, grant: &Grant) {
    if let Err(error) = undo(shared, grant).await {
        tracing::warn!(grant = %grant.id, %error, "a spent grant is taken back later");
        return;
    }
    if let Err(error) = shared.store.drop_grant(&grant.project, grant.id).await {
        tracing::warn!(grant = %grant.id, %error, "a spent grant is forgotten later");
    }
}
