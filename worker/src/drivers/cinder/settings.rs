//! What is made of a volume, and how patiently Cinder is waited for.

use std::time::Duration;

use stacksnap_common::types::VolumeMode;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub mode: VolumeMode,
    /// Every so many backups of a volume one is full, the others incremental; 1: all are full.
    pub full_every: u32,
    /// The longest that Cinder may take for one thing.
    pub longest_wait: Duration,
    /// Between two looks at something that takes time: at first, and at most.
    pub pace: (Duration, Duration),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: VolumeMode::default(),
            full_every: 7,
            longest_wait: Duration::from_secs(24 * 3600),
            pace: (Duration::from_secs(1), Duration::from_secs(30)),
        }
    }
}
