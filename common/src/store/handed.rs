//! Steps that the end of another has made room for, handed to this process's own pump.
//!
//! A timer that is due is seen by every pump, and one of them takes it by a commit. Where the process that sets it has a
//! pump itself, that commit can be spared: the timer is set as if it were taken already, to when it is to be looked at
//! again, and the pump is told. Should the process die in between, others look at it then.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::backend::Due;

/// How long a handed timer is out of others' sight, in milliseconds: as long as one that a pump has taken.
pub(super) const AGAIN: u64 = 30_000;

/// Shared by all clones of a store.
#[derive(Clone, Default)]
pub(super) struct Handed(Arc<Mutex<Option<mpsc::UnboundedSender<Due>>>>);

impl Handed {
    /// From now on the timers go to who has this; until it is dropped.
    pub(super) fn take(&self) -> mpsc::UnboundedReceiver<Due> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Whether somebody is there who takes them.
    pub(super) fn taken(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// If nobody is there any more, others look at it when its time comes.
    pub(super) fn give(&self, due: Due) {
        if let Some(sender) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = sender.send(due);
        }
    }
}
