//! What is made of a volume, and how patiently Cinder is waited for.

use stacksnap_common::types::VolumeMode;

use crate::drivers::openstack::Patience;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub mode: VolumeMode,
    /// Every so many backups of a volume one is full, the others incremental; 1: all are full.
    pub full_every: u32,
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: VolumeMode::default(), full_every: 7, patience: Patience::new("cinder.longest_wait") }
    }
}
