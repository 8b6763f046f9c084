//! The laws of every driver, on a tree of all kinds with some large files.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rustix::io::Errno;
use serde_json::Value;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource};

use crate::driver::{Driver, VaultSource};
use crate::drivers::contract::{Shelf, Subject, driver_contract};
use crate::drivers::directory::{AllowedRoot, Directory, KIND, Settings, sample};

driver_contract!(async { Tree::new() });

/// Reading a file of this name fails like a broken disk, after its first bytes. It comes last in its directory.
const BROKEN: &str = "~broken";

/// For the reader of files: whether the next read at `at` shall fail.
pub(in crate::drivers::directory) fn broken(path: &[Vec<u8>], at: u64) -> io::Result<()> {
    let named = path.last().is_some_and(|name| name == BROKEN.as_bytes());
    if named && at > 0 { Err(Errno::IO.into()) } else { Ok(()) }
}

/// Files that are large enough to be caught half-way.
const LARGE: [&str; 4] = ["large-1", "large-2", "large-3", "large-4"];
const EACH: u64 = 10 << 20;

struct Tree {
    base: tempfile::TempDir,
    shelf: Shelf,
}

impl Tree {
    fn new() -> Self {
        let tree = Self { base: tempfile::tempdir().unwrap(), shelf: Shelf::new() };
        fs::create_dir(tree.data()).unwrap();
        sample::build(&tree.data(), 51, sample::Size { entries: 60, largest: 100_000 }).unwrap();
        for (seed, name) in LARGE.into_iter().enumerate() {
            let mut numbers = sample::Numbers::new(seed as u64);
            let bytes: Vec<u8> = (0..EACH / 8).flat_map(|_| numbers.next().to_le_bytes()).collect();
            fs::write(tree.data().join(name), bytes).unwrap();
        }
        tree
    }

    fn data(&self) -> PathBuf {
        self.base.path().canonicalize().unwrap().join("data")
    }

    fn control(&self) -> PathBuf {
        self.base.path().canonicalize().unwrap().join("control")
    }

    /// Entries of a directory of the control directory whose names begin with the step's id.
    fn controlled(&self, dir: PathBuf, step: StepId) -> usize {
        let Ok(entries) = fs::read_dir(dir) else { return 0 };
        let of_step = |name: &str| name == step.to_string() || name.starts_with(&format!("{step}."));
        entries.filter(|entry| of_step(&entry.as_ref().unwrap().file_name().to_string_lossy())).count()
    }
}

#[async_trait]
impl Subject for Tree {
    fn driver(&self) -> Arc<dyn Driver> {
        let roots = vec![AllowedRoot { project: Some(self.project()), path: self.data() }];
        Arc::new(Directory::new(Settings { roots, control: self.control(), own: Vec::new() }))
    }

    fn project(&self) -> ProjectId {
        "p1".parse().unwrap()
    }

    fn resource(&self) -> Resource {
        Resource {
            name: "files".parse().unwrap(),
            kind: KIND.to_owned(),
            external_id: Some(self.data().to_str().unwrap().to_owned()),
            properties: Default::default(),
            depends_on: Vec::new(),
            pool: Default::default(),
            data: Value::Null,
        }
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.shelf.vault()
    }

    async fn change(&self, round: u64) {
        for name in LARGE {
            let path = self.data().join(name);
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir_all(&path);
            fs::write(&path, format!("damaged in round {round}")).unwrap();
        }
        sample::damage(&self.data(), round).unwrap();
    }

    async fn remove(&self) {
        fs::remove_dir_all(self.data()).unwrap();
    }

    async fn state(&self) -> String {
        sample::manifest(&self.data()).unwrap().to_string()
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        let mut left = self.shelf.left_by(&self.project(), step).await;
        if self.controlled(self.control().join("copies"), step) > 0 {
            left.push("notes of a copy".to_owned());
        }
        for restores in fs::read_dir(self.control().join("restores")).into_iter().flatten() {
            if self.controlled(restores.unwrap().path(), step) > 0 {
                left.push("the record of a restore".to_owned());
            }
        }
        // A restore's temporary names don't say whose they are.
        if self.data().exists() {
            let state = self.state().await;
            left.extend(state.lines().filter(|line| line.contains(".stacksnap-restore.")).map(str::to_owned));
        }
        left
    }

    async fn break_reads(&self) {
        fs::write(self.data().join(BROKEN), vec![7; 3 << 20]).unwrap();
    }

    async fn mend_reads(&self) {
        fs::remove_file(self.data().join(BROKEN)).unwrap();
    }

    async fn damage(&self, _artifact: &Artifact) {
        self.shelf.damage();
    }
}
