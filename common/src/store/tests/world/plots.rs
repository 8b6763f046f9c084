//! What happens to one step of one kind of operation, and to no other.

use std::time::Duration;

use serde_json::json;

use super::World;
use crate::ids::StepId;
use crate::operation::Kind;
use crate::store::{Claimed, Ended, Error};

/// What happens to one chosen step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::tests) enum Fate {
    /// Every run of it fails for good.
    Fails,
    /// Its worker dies once, before it did anything.
    DiesBefore,
    /// Its worker dies once, after it did everything and before it said so.
    DiesAfter,
    /// Two workers run it, and both say that they did it.
    Twice,
    /// It is given back once.
    HandedBack,
    /// It is worked on when its operation is cancelled.
    Cancelled,
    /// What it needs is away, for [`AWAY`] from its first run on.
    Away,
}

/// Longer than failed runs are tried again, and shorter than an outage is waited for.
pub(in crate::store::tests) const AWAY: Duration = Duration::from_secs(300);

#[derive(Debug, Clone)]
pub(in crate::store::tests) struct Plot {
    pub(in crate::store::tests) kind: Kind,
    pub(in crate::store::tests) stage: u16,
    pub(in crate::store::tests) index: u32,
    pub(in crate::store::tests) fate: Fate,
    pub(in crate::store::tests) struck: bool,
    /// When, by the world's clock.
    pub(in crate::store::tests) since: Duration,
}

impl Plot {
    pub(in crate::store::tests) fn of(kind: Kind, stage: u16, index: u32, fate: Fate) -> Self {
        Self { kind, stage, index, fate, struck: false, since: Duration::ZERO }
    }
}

impl World {
    pub(super) fn plotted(&mut self, claimed: &Claimed) -> Option<Fate> {
        let now = self.now();
        let is = |plot: &&mut Plot| {
            let StepId { stage, index, .. } = claimed.step;
            let again = match plot.fate {
                Fate::Fails => true,
                Fate::Away => now < plot.since + AWAY,
                _ => false,
            };
            (plot.kind, plot.stage, plot.index) == (claimed.operation.kind, stage, index) && (again || !plot.struck)
        };
        let plot = self.plots.iter_mut().find(is)?;
        if !plot.struck {
            (plot.struck, plot.since) = (true, now);
        }
        Some(plot.fate)
    }

    pub(super) async fn strike(&mut self, claimed: Claimed, fate: Fate) {
        if fate != Fate::DiesBefore {
            self.outside.make(&claimed);
        }
        match fate {
            Fate::Fails => self.end(claimed, Ended::Failed { reason: "drawn".to_owned(), gone: false }).await,
            Fate::DiesBefore => {}
            Fate::DiesAfter => self.outside.take_away(&claimed),
            Fate::Twice => {
                self.outside.take_away(&claimed);
                self.second.push(claimed);
            }
            Fate::Away => {
                self.end(claimed, Ended::Retry { reason: "the vault is away".to_owned(), after: None, away: true })
                    .await;
            }
            Fate::HandedBack => self.end(claimed, Ended::HandedBack { checkpoint: json!(1) }).await,
            Fate::Cancelled => {
                let op = &claimed.operation;
                match self.store.cancel(&op.project, op.id, "somebody").await {
                    Ok(_) | Err(Error::NotCancellable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                self.running.push(claimed);
            }
        }
    }
}
