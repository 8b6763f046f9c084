//! A cloud with one container in one project.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use stacksnap_common::ids::{OperationId, SnapshotId, StackId, StepId};
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource, Verdict};
use stacksnap_openstack::{Credentials, Domain, Http, Scope, Session, User, fake, http};
use tokio_util::sync::CancellationToken;

use crate::driver::{CloudSource, Ctx, Cut, Driver, Error, Outcome};
use crate::drivers::contract::Shelf;
use crate::drivers::swift::{Container, TYPE};
use crate::lease::Lease;
use crate::progress::Progress;

pub(super) const PROJECT: &str = "demo-id";
pub(super) const NAME: &str = "files";

pub(super) struct Lab {
    pub(super) keystone: fake::Keystone,
    pub(super) swift: fake::Swift,
    pub(super) shelf: Shelf,
    /// The cloud's and the store's time, seconds since 1970.
    pub(super) now: u64,
    session: Session,
    stack: StackId,
    snapshot: SnapshotId,
}

struct Given(Session);

#[async_trait]
impl CloudSource for Given {
    async fn session(&self) -> Result<Session, Error> {
        Ok(self.0.clone())
    }
}

impl Lab {
    /// With an empty container.
    pub(super) async fn start() -> Self {
        let keystone = fake::Keystone::start().await;
        let swift = fake::Swift::start(&keystone).await;
        Self::with(keystone, swift)
    }

    pub(super) fn with(keystone: fake::Keystone, swift: fake::Swift) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        keystone.grant("alice", "demo", &["member"]);
        swift.put_container(
            PROJECT,
            NAME,
            &[("X-Container-Read", ".r:*"), ("X-Container-Meta-Color", "red"), ("X-Storage-Policy", "gold")],
        );
        let domain = Domain::Id("default".to_owned());
        let credentials = Credentials::Password {
            user: User::Name("alice".to_owned(), domain.clone()),
            password: "secret-of-alice".into(),
            scope: Scope::Project("demo".to_owned(), domain),
        };
        let http = http::Settings { answer: Duration::from_secs(20), ..http::Settings::default() };
        let session = Session::new(Http::new(http).unwrap(), keystone.url(), credentials, Default::default()).unwrap();
        let (stack, snapshot) = (StackId::random(), SnapshotId::random());
        Self { keystone, swift, shelf: Shelf::new(), now: 1_000, session, stack, snapshot }
    }

    /// A few of everything: names that are hard, headers, all kinds of large objects, a link.
    pub(super) fn fill(&self) {
        let swift = &self.swift;
        for name in ["a", "a.b", "a/b", "a0", "dir/", "//", "..", "%2F", "ü/ö", "sp ace?&#", "z\n"] {
            self.put(name, format!("content of {name}").as_bytes());
        }
        self.put_with(
            "typed",
            b"x",
            &[("Content-Type", "text/x; charset=y"), ("X-Object-Meta-A", "1"), ("X-Delete-At", "4000000000")],
        );
        self.put("empty", b"");
        self.put("parts/1", b"one");
        self.put("parts/2", b"two");
        self.put_with("dynamic", b"", &[("X-Object-Manifest", "files/parts/"), ("X-Object-Meta-A", "2")]);
        swift.put_slo(PROJECT, NAME, "static", &[(NAME, "parts/2"), (NAME, "parts/1")]);
        // Sorted before what it is made of.
        swift.put_slo(PROJECT, NAME, "a-nested", &[(NAME, "static"), (NAME, "parts/1")]);
        swift.put_container(PROJECT, "elsewhere", &[]);
        for part in ["dyn/1", "dyn/2", "seg/1", "seg/2", "other"] {
            swift.put(PROJECT, "elsewhere", part, part.as_bytes(), &[]);
        }
        self.put_with("far", b"", &[("X-Object-Manifest", "elsewhere/dyn/")]);
        swift.put_slo(PROJECT, NAME, "far-static", &[("elsewhere", "seg/2"), ("elsewhere", "seg/1")]);
        self.put_with("link", b"", &[("X-Symlink-Target", "files/a")]);
    }

    pub(super) fn put(&self, name: &str, content: &[u8]) {
        self.swift.put(PROJECT, NAME, name, content, &[]);
    }

    pub(super) fn put_with(&self, name: &str, content: &[u8], headers: &[(&str, &str)]) {
        self.swift.put(PROJECT, NAME, name, content, headers);
    }

    pub(super) fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.swift.content(PROJECT, NAME, name)
    }

    /// The container as anybody sees it, and what its large objects are made of.
    pub(super) fn shown(&self) -> Vec<String> {
        let shown = |name| self.swift.shown(PROJECT, name).unwrap_or_default();
        [shown(NAME), shown("elsewhere")].concat()
    }

    pub(super) fn cloud(&self) -> Arc<dyn CloudSource> {
        Arc::new(Given(self.session.clone()))
    }

    pub(super) fn resource(&self) -> Resource {
        Resource {
            name: "files".parse().unwrap(),
            kind: TYPE.to_owned(),
            external_id: Some(NAME.to_owned()),
            properties: Default::default(),
            depends_on: Vec::new(),
            pool: Default::default(),
            data: Value::Null,
        }
    }

    pub(super) fn step() -> StepId {
        StepId { operation: OperationId::next(), stage: 3, index: 0 }
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        Ctx {
            step,
            project: PROJECT.parse().unwrap(),
            stack: self.stack,
            snapshot: Some(self.snapshot),
            resource: Arc::new(self.resource()),
            current: None,
            checkpoint: Value::Null,
            volumes: None,
            may_move: true,
            progress: Progress::default(),
            cancel: CancellationToken::new(),
            lease: Lease::new(1, Instant::now(), Duration::from_secs(3600)),
            vault: self.shelf.vault(),
            cloud: self.cloud(),
            now: Millis(self.now * 1000),
        }
    }

    pub(super) async fn copy(&self) -> Result<Artifact, Error> {
        Container.copy(&self.ctx(Self::step()), Cut::None).await.map(done)
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        Container.restore(&self.ctx(Self::step()), artifact).await.map(done)
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        Container.preview(&self.ctx(Self::step()), artifact).await.map(done)
    }

    pub(super) async fn verify(&self, artifact: &Artifact) -> Verdict {
        done(Container.verify(&self.ctx(Self::step()), artifact).await.unwrap())
    }

    /// Which objects were asked for by this method since the last time, without the container's name.
    pub(super) fn asked(&self, method: &str) -> Vec<String> {
        let asked = self.swift.asked().into_iter();
        asked.filter_map(|it| it.strip_prefix(&format!("{method} /files/")).map(str::to_owned)).collect()
    }
}

fn done<T>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Done(done) => done,
        Outcome::Later { .. } => panic!("nothing is put off"),
    }
}
