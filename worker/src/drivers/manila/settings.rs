//! How patiently Manila is waited for.

use crate::drivers::openstack::Patience;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self { patience: Patience::new("manila.longest_wait") }
    }
}
