//! A stage: one verb on a range of an operation's items, when it is run, and in which window its steps are published.

use serde::{Deserialize, Serialize};

use super::Verb;
use crate::queue::Lane;

/// When a stage is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// In its turn, as long as nothing has gone wrong.
    Going,
    /// Whatever happened, if stage `after` was begun: a thaw is owed.
    Owed { after: u16 },
    /// Only when the operation stops before stage `unless` is done: what was made is taken away again.
    Undo { unless: u16 },
}

/// Which snapshot a stage's artifacts belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The operation's (or the item's own, in a stack-delete).
    Snapshot,
    /// The safety snapshot of a restore.
    Safety,
}

/// What a failed step means for the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The operation stops: nothing further is begun.
    Stop,
    /// The others go on; the operation fails at its end (a check tells all that is wrong, not the first).
    GoOn,
    /// A resource that is gone or can't be read is written down as not protected; any other failure stops.
    NoteGone,
}

/// One verb on a range of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub verb: Verb,
    pub of: Of,
    pub when: When,
    pub on_failure: OnFailure,
    /// Half-open ranges of items, in order, without overlap.
    pub items: Vec<(u32, u32)>,
    /// Items of this stage that are begun by the end of their step in an earlier stage (held cuts): counted here, but
    /// published by nobody. Within `items`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<(u32, u32)>,
}

impl Stage {
    /// The lane of its steps. The safety snapshot of a restore goes with the restore: it must not wait behind a row of
    /// long copies either.
    pub fn lane(&self) -> Lane {
        match (self.of, self.verb.lane()) {
            (Of::Safety, Lane::Data) => Lane::Restore,
            (_, lane) => lane,
        }
    }

    pub fn len(&self) -> u32 {
        self.items.iter().map(|(from, to)| to - from).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, item: u32) -> bool {
        within(&self.items, item)
    }

    pub fn is_held(&self, item: u32) -> bool {
        within(&self.held, item)
    }

    /// The items that are published when the stage starts: the first `window` that are not held.
    pub fn first_window(&self, window: u32) -> Vec<u32> {
        self.published().take(window as usize).collect()
    }

    /// Which item is published when `item` has ended, or is put off for the first time: the one `window` places further on.
    /// Chains of every `window`th item, so that at most `window` are published at a time and no two ends meet on one record.
    pub fn after(&self, item: u32, window: u32) -> Option<u32> {
        if self.is_held(item) {
            return None;
        }
        self.published().skip_while(|other| *other != item).nth(window as usize)
    }

    fn published(&self) -> impl Iterator<Item = u32> + '_ {
        self.items.iter().flat_map(|(from, to)| *from..*to).filter(|item| !self.is_held(*item))
    }
}

fn within(ranges: &[(u32, u32)], item: u32) -> bool {
    ranges.iter().any(|(from, to)| (*from..*to).contains(&item))
}
