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

/// Lanes that draw on the same slots. An idle slot waits for all of a group's lanes at once: one that waited for a
/// single lane would be missing in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Control,
    Cut,
    Bytes,
}

impl Group {
    pub const ALL: [Group; 3] = [Group::Control, Group::Cut, Group::Bytes];

    /// Its lanes; those that come first are preferred.
    pub fn lanes(self) -> &'static [Lane] {
        match self {
            Group::Control => &[Lane::Control],
            Group::Cut => &[Lane::Cut],
            Group::Bytes => &[Lane::Restore, Lane::Data],
        }
    }
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

/// The right to take a copy, beside the slot for its bytes.
#[derive(Debug)]
pub struct CopyRight(OwnedSemaphorePermit);

impl Slot {
    /// The slot of a copy, which holds its right as long.
    pub fn with(mut self, right: Option<CopyRight>) -> Self {
        self._permits.1 = right.map(|right| right.0);
        self
    }
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

    fn of(&self, group: Group) -> &Arc<Semaphore> {
        match group {
            Group::Control => &self.control,
            Group::Cut => &self.cut,
            Group::Bytes => &self.bytes,
        }
    }

    /// How many intakes a group is given, each with its own slot and one delivery at most. Claims are what takes time in
    /// the short lanes, so there are many at once; where bytes move, one intake feeds several slots.
    pub fn intakes(&self, group: Group) -> usize {
        let intakes = match group {
            Group::Control => self.counts.control,
            Group::Cut => self.counts.cut,
            Group::Bytes => self.counts.data / 4,
        };
        intakes.clamp(1, 16)
    }

    /// Waits for a slot. `None` never comes: nobody closes a semaphore here.
    pub async fn take(&self, group: Group) -> Option<Slot> {
        Some(Slot { _permits: (acquire(self.of(group)).await?, None) })
    }

    /// A slot if one is free now.
    pub fn try_take(&self, group: Group) -> Option<Slot> {
        let permit = Arc::clone(self.of(group)).try_acquire_owned().ok()?;
        Some(Slot { _permits: (permit, None) })
    }

    /// Waits until one more copy may be taken.
    pub async fn copy(&self) -> Option<CopyRight> {
        Some(CopyRight(acquire(&self.copies).await?))
    }

    /// The right to one more copy, if there is one now.
    pub fn try_copy(&self) -> Option<CopyRight> {
        Arc::clone(&self.copies).try_acquire_owned().ok().map(CopyRight)
    }

    /// Waits until another cut may be held.
    pub async fn hold(&self) -> Option<Slot> {
        Some(Slot { _permits: (acquire(&self.held).await?, None) })
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.ok()
}
