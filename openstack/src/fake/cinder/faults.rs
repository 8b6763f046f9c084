//! What the fake Cinder does wrong on demand.

use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered by this status and nothing is done: 503, 500, 401, …
    Status(u16),
    /// 429, with `Retry-After` in seconds.
    Busy(u64),
    /// Nothing is done, and the answer ends before its end.
    CutOff,
    /// What was asked is done, and nobody gets to know.
    Lost,
    /// It is answered well, after this.
    Slow(Duration),
}

/// Something that takes time and ends badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    VolumeInError,
    SnapshotInError,
    BackupInError,
    RestoreInError,
    RevertInError,
    /// Of a backup, a snapshot or a volume: it stays, as `error_deleting`.
    DeleteInError,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    requests: Vec<(String, Fault, usize)>,
    pub(super) ends: Vec<Ends>,
    pub(super) always: Vec<Ends>,
}

impl Faults {
    pub(super) fn add(&mut self, at: &str, fault: Fault, times: usize) {
        self.requests.push((at.to_owned(), fault, times));
    }

    /// What this request meets.
    pub(super) fn meets(&mut self, request: &str) -> Option<Fault> {
        let (_, fault, left) =
            self.requests.iter_mut().find(|(at, _, left)| *left > 0 && request.contains(at.as_str()))?;
        *left -= 1;
        Some(fault.clone())
    }

    pub(super) fn ends(&mut self, kind: Ends) -> bool {
        if self.always.contains(&kind) {
            return true;
        }
        let found = self.ends.iter().position(|ends| *ends == kind);
        found.map(|place| self.ends.remove(place)).is_some()
    }
}
