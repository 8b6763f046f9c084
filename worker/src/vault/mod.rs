//! The vault: where bytes go. One restic-format repository per project.

pub mod tree;

/// One project's repository, open. Cheap to clone.
#[derive(Clone)]
pub struct Vault {}
