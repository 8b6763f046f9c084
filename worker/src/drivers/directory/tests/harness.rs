//! A directory, a vault and a control directory, and contexts to call the driver with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource};
use tokio_util::sync::CancellationToken;

use crate::cloud::NoCloud;
use crate::driver::{Ctx, Cut, Driver, Error, Outcome};
use crate::drivers::contract::AllKept;
use crate::drivers::directory::{AllowedRoot, Directory, KIND, Settings, sample};
use crate::lease::Lease;
use crate::progress::Progress;
use crate::vault::{self, Location, MasterKey, Vaults};

pub(super) struct Harness {
    pub(super) base: tempfile::TempDir,
    pub(super) driver: Directory,
    pub(super) vaults: Vaults,
    pub(super) properties: Value,
    stack: StackId,
}

impl Harness {
    pub(super) fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join("data")).unwrap();
        Self::at(base)
    }

    pub(super) fn at(base: tempfile::TempDir) -> Self {
        let (driver, vaults) = open(base.path());
        let stack = StackId("6a9b1c8e-3c8b-4df0-9c0a-3d3d5a1c2b11".parse().unwrap());
        Self { base, driver, vaults, properties: json!({}), stack }
    }

    /// With a tree of all kinds.
    pub(super) fn filled(seed: u64, entries: u64) -> Self {
        let harness = Self::new();
        sample::build(&harness.data(), seed, sample::Size { entries, largest: 2_000_000 }).unwrap();
        harness
    }

    pub(super) fn data(&self) -> PathBuf {
        self.base.path().join("data")
    }

    pub(super) fn project() -> ProjectId {
        "p1".parse().unwrap()
    }

    /// A new step with a lease of an hour.
    pub(super) fn ctx(&self) -> Ctx {
        self.ctx_of(step(), 1)
    }

    pub(super) fn ctx_of(&self, step: StepId, fence: u64) -> Ctx {
        let resource = Resource {
            name: "files".parse().unwrap(),
            kind: KIND.to_owned(),
            external_id: Some(self.data().to_str().unwrap().to_owned()),
            properties: serde_json::from_value(self.properties.clone()).unwrap(),
            depends_on: Vec::new(),
            pool: Default::default(),
            data: Default::default(),
        };
        Ctx {
            step,
            project: Self::project(),
            stack: self.stack,
            snapshot: Some(SnapshotId::random()),
            resource: Arc::new(resource),
            current: None,
            checkpoint: Value::Null,
            volumes: None,
            servers: Default::default(),
            leaves: false,
            may_move: true,
            safety: Default::default(),
            progress: Progress::default(),
            cancel: CancellationToken::new(),
            lease: Lease::new(fence, Instant::now(), Duration::from_secs(3600)),
            vault: Arc::new(self.vaults.clone()),
            cloud: Arc::new(NoCloud),
            records: Arc::new(AllKept),
            now: Millis(1_000_000),
        }
    }

    pub(super) async fn copy(&self) -> Result<Artifact, Error> {
        done(self.driver.copy(&self.ctx(), Cut::None).await)
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        done(self.driver.restore(&self.ctx(), artifact).await)
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        done(self.driver.preview(&self.ctx(), artifact).await)
    }

    pub(super) async fn entries(&self) -> usize {
        self.vaults.project(&Self::project()).await.unwrap().entries().await.unwrap().len()
    }
}

pub(super) fn open(base: &Path) -> (Directory, Vaults) {
    let base = base.canonicalize().unwrap();
    let driver = Directory::new(Settings {
        roots: vec![AllowedRoot { project: Some(Harness::project()), path: base.clone() }],
        control: base.join("control"),
        own: vec![base.join("vault"), base.join("secret/key")],
    });
    let master = MasterKey::parse(&"5a".repeat(32), "the test").unwrap();
    let vaults = Vaults::new(vault::Settings::new(Location::Directory(base.join("vault"))), master).unwrap();
    (driver, vaults)
}

pub(super) fn step() -> StepId {
    StepId { operation: OperationId::next(), stage: 1, index: 0 }
}

pub(super) fn done<T: std::fmt::Debug>(outcome: Result<Outcome<T>, Error>) -> Result<T, Error> {
    match outcome? {
        Outcome::Done(done) => Ok(done),
        later => panic!("{later:?}"),
    }
}
