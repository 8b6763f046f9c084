//! A vault in a temporary directory, with a look at what is in it.

use std::path::PathBuf;
use std::sync::Arc;

use stacksnap_common::ids::{ProjectId, StepId};

use crate::driver::VaultSource;
use crate::vault::{Location, MasterKey, Settings, Vaults};

pub(crate) struct Shelf {
    dir: tempfile::TempDir,
    vaults: Vaults,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = MasterKey::parse(&"5a".repeat(32), "the test").unwrap();
        let vaults = Vaults::new(Settings::new(Location::Directory(dir.path().join("vault"))), key).unwrap();
        Self { dir, vaults }
    }

    pub(crate) fn vault(&self) -> Arc<dyn VaultSource> {
        Arc::new(self.vaults.clone())
    }

    /// The entries that `step` left.
    pub(crate) async fn left_by(&self, project: &ProjectId, step: StepId) -> Vec<String> {
        let entries = self.vaults.project(project).await.unwrap().find(step).await.unwrap();
        entries.into_iter().map(|entry| format!("entry {} of the vault", entry.id)).collect()
    }

    /// Changes bytes of every pack, at its beginning and in its middle.
    pub(crate) fn damage(&self) {
        let mut open = vec![self.dir.path().join("vault")];
        let mut packs: Vec<PathBuf> = Vec::new();
        while let Some(next) = open.pop() {
            let inside: Vec<PathBuf> = std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()).collect();
            let (directories, files): (Vec<_>, Vec<_>) = inside.into_iter().partition(|path| path.is_dir());
            open.extend(directories);
            packs.extend(files.into_iter().filter(|file| file.iter().any(|part| part == "data")));
        }
        assert!(!packs.is_empty(), "the vault has no packs");
        for pack in packs {
            let mut bytes = std::fs::read(&pack).unwrap();
            let middle = bytes.len() / 2;
            bytes[0] ^= 0xff;
            bytes[middle] ^= 0xff;
            std::fs::remove_file(&pack).unwrap();
            std::fs::write(&pack, bytes).unwrap();
        }
    }
}
