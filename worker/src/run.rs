//! Runs one claimed step to its end: asks the driver, keeps the lease, tells the progress, records the outcome.
//!
//! While the driver works, a second task renews the lease every few seconds. It ends the driver's work when the
//! operation has stopped (if the verb is one that stops), when the lease is lost, and when the worker shuts down. What
//! the driver answers becomes one commit, in which the store counts the step down. If the store is away then, the commit
//! is sent again until it is back: the lease is still ours as long as nobody moved it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stacksnap_common::metrics;
use stacksnap_common::operation::Verb;
use stacksnap_common::store::{self, Claimed, Ended, Renewed};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::{Ctx, Error};
use crate::lease::Lease;
use crate::progress::Progress;
use crate::slots::Slot;
use crate::verbs::{self, Session};

/// How long an outcome is tried to be recorded while the store is away. The store refuses a change that is older than
/// 10 minutes.
const PATIENCE: Duration = Duration::from_secs(9 * 60);

/// Runs a claimed step, and the copy that follows a held cut.
pub(crate) async fn step(shared: Arc<Shared>, claimed: Claimed, slot: Slot) {
    let (mut next, mut slot) = (Some((claimed, None)), Some(slot));
    while let Some((claimed, session)) = next.take() {
        next = one(&shared, claimed, session, &mut slot).await.map(|(copy, session)| (copy, Some(session)));
    }
}

/// One run of one step. Returns the copy to go on with, if the step was a cut that is held. If it was not, the slot is
/// free from the moment in which the driver has ended: the next step is claimed while this one's outcome is recorded.
async fn one(
    shared: &Arc<Shared>,
    mut claimed: Claimed,
    session: Option<Session>,
    slot: &mut Option<Slot>,
) -> Option<(Claimed, Session)> {
    let began = Instant::now();
    let (verb, lane) = (claimed.verb, claimed.lane());
    let _running = metrics::step_running(lane);
    let lease = Lease::new(claimed.fence(), claimed.sent, shared.store.settings.lease);
    let cancel = shared.hand_back.child_token();
    let progress = Progress::default();
    let stopped = CancellationToken::new();
    let ctx = verbs::context(shared, &claimed, lease.clone(), cancel.clone(), progress.clone());
    tracing::debug!(step = %claimed.step, verb = verb.as_str(), fence = claimed.fence(), "step begins");

    let (ran, ()) = {
        let done = CancellationToken::new();
        let keep = keep(shared, &claimed, &lease, &cancel, &stopped, &progress, &done);
        let work = async {
            let ran = verbs::run(shared, &ctx, &claimed, session).await;
            done.cancel();
            ran
        };
        tokio::join!(work, keep)
    };
    let (ended, session) = match ran {
        Ok(verbs::Ran { ended, session }) => (ended, session),
        Err(error) => {
            if claimed.verb == Verb::Restore && !ctx.lease.is_lost() {
                claimed.item.result = verbs::half_restored(shared, &ctx).await;
            }
            (failed(error, &claimed, &ctx, &stopped, shared), None)
        }
    };
    if session.is_none() {
        drop(slot.take());
    }
    let outcome = outcome(&ended);
    let copy = record(shared, &claimed, &lease, ended).await;
    metrics::step(lane, verb.as_str(), outcome, began.elapsed());
    tracing::info!(
        project = %claimed.operation.project, step = %claimed.step, verb = verb.as_str(), outcome = ?outcome,
        ms = began.elapsed().as_millis() as u64, "step ended"
    );
    copy.zip(session)
}

/// Renews the lease until the work is done.
async fn keep(
    shared: &Shared,
    claimed: &Claimed,
    lease: &Lease,
    cancel: &CancellationToken,
    stopped: &CancellationToken,
    progress: &Progress,
    done: &CancellationToken,
) {
    let mut last = progress.sample();
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(shared.settings.renew) => {}
        }
        let mut now = progress.sample();
        let seconds = shared.settings.renew.as_secs_f64().max(0.001);
        now.rate = (now.bytes.saturating_sub(last.bytes) as f64 / seconds) as u64;
        last = now.clone();
        match shared.store.renew(claimed, &now).await {
            Ok(Renewed::GoOn { sent }) => lease.renewed(sent, shared.store.settings.lease),
            Ok(Renewed::Stop { sent }) => {
                lease.renewed(sent, shared.store.settings.lease);
                if claimed.verb.stops() {
                    stopped.cancel();
                    cancel.cancel();
                }
            }
            Ok(Renewed::Lost) => {
                tracing::warn!(step = %claimed.step, "the lease is lost; another worker has the step");
                metrics::lease_lost();
                lease.lose();
                cancel.cancel();
                return;
            }
            // The work goes on: the driver asks the lease before what can't be taken back, and a lease that nobody
            // moved can be renewed later.
            Err(error) => tracing::warn!(step = %claimed.step, %error, "can't renew the lease now"),
        }
    }
}

/// What a driver's error means for the step.
fn failed(error: Error, claimed: &Claimed, ctx: &Ctx, stopped: &CancellationToken, shared: &Shared) -> Option<Ended> {
    let checkpoint = claimed.item.checkpoint.clone();
    Some(match error {
        _ if ctx.lease.is_lost() => return None,
        // Over by our own clock only: the store was away. It may be ours still; then it is tried again at once.
        Error::LeaseLost => Ended::HandedBack { checkpoint },
        _ if stopped.is_cancelled() => Ended::Stopped,
        Error::Cancelled if shared.hand_back.is_cancelled() => Ended::HandedBack { checkpoint },
        Error::Cancelled => Ended::Stopped,
        Error::Transient { reason, after, away } => Ended::Retry { reason, after, away },
        Error::Gone(reason) | Error::Unreadable(reason) => Ended::Failed { reason, gone: true },
        Error::Permanent(reason) | Error::Unsupported(reason) => Ended::Failed { reason, gone: false },
    })
}

/// Records how a run ended; `None` as end means that nothing may be recorded.
async fn record(shared: &Shared, claimed: &Claimed, lease: &Lease, ended: Option<Ended>) -> Option<Claimed> {
    let ended = ended?;
    let patience = if shared.hand_back.is_cancelled() { Duration::from_secs(5) } else { PATIENCE };
    match shared.store.finish(claimed, ended, patience).await {
        Ok(next) => next,
        Err(store::Error::Backend(store::backend::Error::Conflict(_))) => {
            tracing::warn!(step = %claimed.step, fence = lease.fence(), "another worker has the step; this outcome is dropped");
            metrics::lease_lost();
            None
        }
        Err(error) => {
            tracing::error!(step = %claimed.step, %error, "the outcome of a step could not be recorded; it will be run again");
            None
        }
    }
}

fn outcome(ended: &Option<Ended>) -> metrics::StepOutcome {
    use metrics::StepOutcome;
    match ended {
        None => StepOutcome::LeaseLost,
        Some(Ended::Done { .. } | Ended::Cut { .. } | Ended::Held { .. }) => StepOutcome::Done,
        Some(Ended::Later { .. }) => StepOutcome::Later,
        Some(Ended::Retry { .. }) => StepOutcome::Retried,
        Some(Ended::Failed { .. }) => StepOutcome::Failed,
        Some(Ended::HandedBack { .. }) => StepOutcome::HandedBack,
        Some(Ended::Stopped) => StepOutcome::Cancelled,
    }
}
