//! What is made of an instance, and how patiently Trove is waited for.

use crate::drivers::openstack::Patience;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Every so many backups of an instance one is full, the others incremental; 1: all are full.
    pub full_every: u32,
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self { full_every: 7, patience: Patience::new("openstack.longest_wait") }
    }
}
