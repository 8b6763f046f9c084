//! The temporary directory of the demo, and its end.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::exit::Failure;

pub struct Place(TempDir);

impl Place {
    pub fn new() -> Result<Self, Failure> {
        let made = tempfile::Builder::new().prefix("stacksnap-demo-").tempdir();
        let dir = made.map_err(|error| Failure::failed(format!("can't make a temporary directory: {error}")))?;
        // The path goes into templates and allowed roots, which take no links.
        Ok(Self(dir))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap_or_else(|_| self.0.path().to_owned()).join(name)
    }

    /// A new directory in it.
    pub fn sub(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        std::fs::create_dir(&path)
            .map_err(|error| Failure::failed(format!("can't make {}: {error}", path.display())))?;
        Ok(path)
    }

    /// Removes it with all that is in it.
    pub fn remove(self) -> Result<(), Failure> {
        let path = self.0.keep();
        remove(&path).map_err(|error| Failure::failed(format!("{} is left behind, remove it: {error}", path.display())))
    }
}

/// The tree has directories that forbid their owner to write: who is not root must allow it first.
fn remove(path: &Path) -> std::io::Result<()> {
    if std::fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    Command::new("chmod").args(["-R", "u+rwx"]).arg(path).status()?;
    std::fs::remove_dir_all(path)
}
