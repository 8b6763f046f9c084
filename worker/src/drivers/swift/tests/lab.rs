//! A cloud with one container in one project.

use std::ops::Deref;

use stacksnap_common::ids::StepId;
use stacksnap_common::store::Millis;
use stacksnap_common::types::{Artifact, Preview, Resource, Verdict};
use stacksnap_openstack::{Swift, fake};

use super::owner::Owner;
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

    /// See [`Owner::fill`].
    pub(super) async fn fill(&self) {
        self.owner().await.fill().await;
        self.swift.asked();
    }

    pub(super) async fn owner(&self) -> Owner {
        let swift = Swift::new(self.source().session().await.unwrap());
        Owner { swift, container: NAME.to_owned(), elsewhere: "elsewhere".to_owned() }
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
