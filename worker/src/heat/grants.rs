//! What callers gave us to act by is taken back when nothing needs it any more: after its operation has ended, or when it
//! turns out that none ever used it.

use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::heat::{By, Grant};
use tokio_util::sync::CancellationToken;

use crate::Shared;

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

async fn take_back(shared: &Shared, grant: &Grant) {
    if let By::Trust { .. } = grant.by {
        return;
    }
    if let Err(error) = shared.store.drop_grant(&grant.project, grant.id).await {
        tracing::warn!(grant = %grant.id, %error, "a spent grant is forgotten later");
    }
}
