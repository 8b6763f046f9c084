//! Housekeeping: now and then one worker removes from a project's vault what no entry needs any more.
//!
//! Each worker asks every few minutes whether a project's turn has come; the store gives the turn to one of them. It
//! prunes under that lease, renewing it, and stops when it loses it.

use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::ids::ProjectId;
use stacksnap_common::store::housekeeping::PruneLease;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::Error;
use crate::lease::Lease;
use crate::progress::Progress;
use crate::vault::{PruneRules, Work};

/// When and how vaults are pruned.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How often a project's vault is pruned.
    pub every: Duration,
    pub rules: PruneRules,
}

/// How often a worker asks whether there is something to do.
const ASK: Duration = Duration::from_secs(300);

pub(crate) async fn run(shared: Arc<Shared>, token: CancellationToken) {
    loop {
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(ASK.min(shared.settings.housekeeping.every)) => {}
        }
        let projects = match shared.vaults.projects().await {
            Ok(projects) => projects,
            Err(error) => {
                tracing::warn!(%error, "the vaults can't be listed; they are pruned later");
                continue;
            }
        };
        for project in projects {
            if token.is_cancelled() {
                return;
            }
            if let Err(error) = prune(&shared, &project, &token).await {
                tracing::warn!(%project, %error, "the vault was not pruned; it will be tried again");
            }
        }
    }
}

async fn prune(shared: &Shared, project: &ProjectId, token: &CancellationToken) -> Result<(), Error> {
    let away = |error: stacksnap_common::store::Error| Error::transient(error.to_string());
    let settings = shared.settings.housekeeping;
    let turn = shared.store.begin_prune(project, &shared.me.id, settings.every).await.map_err(away)?;
    let Some(mut turn) = turn else { return Ok(()) };
    let length = shared.store.settings.lease;
    let lease = Lease::new(turn.fence(), turn.sent, length);
    let work = Work { progress: Progress::default(), cancel: token.child_token(), lease: lease.clone() };
    let pruning = async {
        let vault = shared.vaults.vault(project).await?;
        Ok::<_, Error>(vault.prune(settings.rules, work.clone()).await?)
    };
    tokio::pin!(pruning);
    let ended = loop {
        tokio::select! {
            ended = &mut pruning => break ended,
            () = tokio::time::sleep(shared.settings.renew) => keep(shared, &mut turn, &lease, &work.cancel).await,
        }
    };
    shared.store.end_prune(turn, ended.is_ok()).await.map_err(away)?;
    let pruned = ended?;
    tracing::info!(
        %project, packs_removed = pruned.packs_removed, bytes_removed = pruned.bytes_removed,
        bytes_unneeded = pruned.bytes_unneeded, "vault pruned"
    );
    Ok(())
}

async fn keep(shared: &Shared, turn: &mut PruneLease, lease: &Lease, cancel: &CancellationToken) {
    match shared.store.renew_prune(turn).await {
        Ok(true) => lease.renewed(turn.sent, shared.store.settings.lease),
        Ok(false) => {
            lease.lose();
            cancel.cancel();
        }
        // Without a renewal the lease ends by itself, and every write of the prune asks for it.
        Err(error) => tracing::warn!(%error, "can't renew the right to prune now"),
    }
}
