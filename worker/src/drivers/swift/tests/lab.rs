//! A cloud with one container in one project.

use std::ops::Deref;

use stacksnap_common::ids::StepId;
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource, Verdict};
use stacksnap_openstack::fake;

use crate::driver::{Ctx, Cut, Driver, Error, Outcome};
use crate::drivers::openstack::lab::{self, Caller};
use crate::drivers::swift::{Container, TYPE};

pub(super) const PROJECT: &str = "demo-id";
pub(super) const NAME: &str = "files";

pub(super) struct Lab {
    pub(super) keystone: fake::Keystone,
    pub(super) swift: fake::Swift,
    /// The cloud's and the store's time, seconds since 1970.
    pub(super) now: u64,
    caller: Caller,
}

impl Deref for Lab {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
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
        swift.put_container(
            PROJECT,
            NAME,
            &[("X-Container-Read", ".r:*"), ("X-Container-Meta-Color", "red"), ("X-Storage-Policy", "gold")],
        );
        let caller = Caller::of(&keystone);
        Self { keystone, swift, now: 1_000, caller }
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

    pub(super) fn resource(&self) -> Resource {
        lab::resource("files", TYPE, NAME)
    }

    pub(super) fn ctx(&self, step: StepId) -> Ctx {
        Ctx { now: Millis(self.now * 1000), ..self.caller.ctx(step, self.resource()) }
    }

    pub(super) async fn copy(&self) -> Result<Artifact, Error> {
        Container.copy(&self.ctx(lab::step()), Cut::None).await.map(done)
    }

    pub(super) async fn restore(&self, artifact: &Artifact) -> Result<Preview, Error> {
        Container.restore(&self.ctx(lab::step()), artifact).await.map(done)
    }

    pub(super) async fn preview(&self, artifact: &Artifact) -> Result<Preview, Error> {
        Container.preview(&self.ctx(lab::step()), artifact).await.map(done)
    }

    pub(super) async fn verify(&self, artifact: &Artifact) -> Verdict {
        done(Container.verify(&self.ctx(lab::step()), artifact).await.unwrap())
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
