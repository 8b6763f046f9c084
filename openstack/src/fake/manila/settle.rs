//! How things move with time, as `manila/share/manager.py` ends them.
//!
//! Whatever takes time has its `due`: when it is over, and what it is then. Nothing runs in the background: before
//! anybody looks, [`State::up_to_now`] brings everything up to now, in the order in which things came due.

use std::time::Instant;

use super::state::{Message, Next, State};

/// What something is that came due.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    Share(String),
    Snapshot(String),
    Rule { share: String, rule: String },
}

impl State {
    pub(super) fn up_to_now(&mut self) {
        let now = Instant::now();
        while !self.held {
            let due = |due: &Option<(Instant, Next)>| due.as_ref().map(|(at, _)| *at).filter(|at| *at <= now);
            let shares = self.shares.values().map(|it| (due(&it.due), Of::Share(it.id.clone())));
            let snapshots = self.snapshots.values().map(|it| (due(&it.due), Of::Snapshot(it.id.clone())));
            let rules = self.shares.values().flat_map(|share| {
                let of = |rule: &str| Of::Rule { share: share.id.clone(), rule: rule.to_owned() };
                share.rules.iter().map(move |rule| (due(&rule.due), of(&rule.id)))
            });
            let all = shares.chain(snapshots).chain(rules).filter_map(|(at, of)| Some((at?, of)));
            let Some((_, first)) = all.min_by_key(|(at, _)| *at) else { return };
            match first {
                Of::Share(id) => self.settle_share(&id),
                Of::Snapshot(id) => self.settle_snapshot(&id),
                Of::Rule { share, rule } => self.settle_rule(&share, &rule),
            }
        }
    }

    fn settle_share(&mut self, id: &str) {
        let Some(share) = self.shares.get_mut(id) else { return };
        let Some((_, next)) = share.due.take() else { return };
        let mut told = None;
        match next {
            Next::Made => share.status = "available".to_owned(),
            Next::Failed => {
                share.status = "error".to_owned();
                // `DRIVER_FAILED_CREATING_FROM_SNAP` in `manila/message/message_field.py`.
                told = Some(
                    "create: Share Driver has failed to create the share from snapshot. This operation can be re-attempted by \
                     creating a new share. Contact your administrator to determine the cause of this failure.",
                );
            }
            Next::Deleted => drop(self.shares.remove(id)),
            Next::NotDeleted => share.status = "error_deleting".to_owned(),
            Next::Sized(size) => {
                share.size = size;
                share.status = "available".to_owned();
            }
            Next::NotSized(status) => share.status = status.to_owned(),
            Next::Reverted { snapshot: of, well } => {
                share.status = if well { "available" } else { "reverting_error" }.to_owned();
                told = (!well).then_some("revert to snapshot: An unknown error occurred.");
                if let Some(snapshot) = self.snapshots.get_mut(&of) {
                    snapshot.status = "available".to_owned();
                    if well {
                        share.content.clone_from(&snapshot.content);
                        share.size = snapshot.size;
                    }
                }
            }
        }
        if let Some(text) = told {
            let message = Message { share: id.to_owned(), text: text.to_owned(), created: Self::now() };
            self.messages.push(message);
        }
    }

    fn settle_snapshot(&mut self, id: &str) {
        let Some(snapshot) = self.snapshots.get_mut(id) else { return };
        match snapshot.due.take().map(|(_, next)| next) {
            Some(Next::Made) => snapshot.status = "available".to_owned(),
            Some(Next::Failed) => snapshot.status = "error".to_owned(),
            Some(Next::Deleted) => drop(self.snapshots.remove(id)),
            Some(Next::NotDeleted) => snapshot.status = "error_deleting".to_owned(),
            _ => {}
        }
    }

    fn settle_rule(&mut self, share: &str, id: &str) {
        let Some(share) = self.shares.get_mut(share) else { return };
        let Some(rule) = share.rules.iter_mut().find(|rule| rule.id == id) else { return };
        match rule.due.take().map(|(_, next)| next) {
            Some(Next::Made) => rule.state = "active".to_owned(),
            Some(Next::Deleted) => share.rules.retain(|rule| rule.id != id),
            _ => rule.state = "error".to_owned(),
        }
    }
}
