//! Slots: how many steps of each lane run at once in this process.
//!
//! `control` and `cut` have their own. `restore` and `data` share the slots for bytes; of three or more of those, one is
//! kept for restores, so that a restore does not wait behind a row of long copies.

use std::sync::Arc;

use stacksnap_common::queue::Lane;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many slots a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Slots for bytes, in either direction; 1 or more.
    pub data: usize,
    pub cut: usize,
    pub control: usize,
}

#[derive(Clone)]
pub struct Slots {
    counts: Counts,
    control: Arc<Semaphore>,
    cut: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// What of `bytes` copies may take.
    copies: Arc<Semaphore>,
    /// Cuts that are held, and copied at once, beside the slots for bytes.
    held: Arc<Semaphore>,
}

/// One slot; free again when dropped.
#[derive(Debug)]
pub struct Slot {
    _permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl Slots {
    pub fn new(counts: Counts) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count));
        let copies = if counts.data >= 3 { counts.data - 1 } else { counts.data };
        Self {
            counts,
            control: semaphore(counts.control),
            cut: semaphore(counts.cut),
            bytes: semaphore(counts.data),
            copies: semaphore(copies),
            held: semaphore(counts.data),
        }
    }

    /// How many consumers a lane's queue is given, each with its own slot and one delivery at most.
    pub fn consumers(&self, lane: Lane) -> usize {
        let slots = match lane {
            Lane::Control => self.counts.control,
            Lane::Cut => self.counts.cut,
            Lane::Restore | Lane::Data => self.counts.data,
        };
        (slots / 4).clamp(1, 16)
    }

    /// Waits for a slot.
    pub async fn take(&self, lane: Lane) -> Option<Slot> {
        let permits = match lane {
            Lane::Control => (acquire(&self.control).await?, None),
            Lane::Cut => (acquire(&self.cut).await?, None),
            Lane::Restore => (acquire(&self.bytes).await?, None),
            Lane::Data => {
                let copy = acquire(&self.copies).await?;
                (copy, Some(acquire(&self.bytes).await?))
            }
        };
        Some(Slot { _permits: permits })
    }

    /// A slot if one is free now.
    pub fn try_take(&self, lane: Lane) -> Option<Slot> {
        let try_one = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).try_acquire_owned().ok();
        let permits = match lane {
            Lane::Control => (try_one(&self.control)?, None),
            Lane::Cut => (try_one(&self.cut)?, None),
            Lane::Restore => (try_one(&self.bytes)?, None),
            Lane::Data => {
                let copy = try_one(&self.copies)?;
                (copy, Some(try_one(&self.bytes)?))
            }
        };
        Some(Slot { _permits: permits })
    }

    /// Waits until another cut may be held.
    pub async fn hold(&self) -> Option<Slot> {
        Some(Slot { _permits: (acquire(&self.held).await?, None) })
    }
}

/// `None` only when the semaphore is closed, which nobody does.
async fn acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.ok()
}
