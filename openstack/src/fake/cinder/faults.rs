//! What the fake Cinder does wrong on demand.

/// Something that takes time and ends badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    VolumeInError,
    SnapshotInError,
    GroupSnapshotInError,
    BackupInError,
    RestoreInError,
    RevertInError,
    /// Of a backup, a snapshot, a group's snapshot or a volume: it stays, as `error_deleting`.
    DeleteInError,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) ends: Vec<Ends>,
    pub(super) always: Vec<Ends>,
}

impl Faults {
    pub(super) fn ends(&mut self, kind: Ends) -> bool {
        if self.always.contains(&kind) {
            return true;
        }
        let found = self.ends.iter().position(|ends| *ends == kind);
        found.map(|place| self.ends.remove(place)).is_some()
    }
}
