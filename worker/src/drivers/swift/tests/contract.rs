//! The laws of every driver, in the fake cloud; `real.rs` has what is another in a real one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource};

use super::lab::Lab;
use super::owner::Owner;
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};
use crate::drivers::openstack::lab::{self, Caller};
use crate::drivers::swift::{Container, TYPE};

driver_contract!(subject());

async fn subject() -> InSwift<Lab> {
    let lab = Lab::start().await;
    let subject = InSwift::filled(lab.owner().await, lab).await;
    subject.cloud.swift.pace(Duration::from_millis(10));
    subject
}

/// The cloud that a container is in, where it is not the same to its owner.
#[async_trait]
pub(super) trait Cloud: Send + Sync {
    fn caller(&self) -> &Caller;

    /// Of this object, at least.
    async fn break_reads(&self, content: &[u8]);

    async fn mend_reads(&self);
}

/// A container with a few of everything, and one object that takes its time.
pub(super) struct InSwift<C> {
    pub(super) owner: Owner,
    pub(super) cloud: C,
}

impl<C> InSwift<C> {
    pub(super) async fn filled(owner: Owner, cloud: C) -> Self {
        owner.fill().await;
        let subject = Self { owner, cloud };
        subject.owner.put("large", &subject.large(0)).await;
        subject
    }

    /// What is in it at first, and after each round of changes; in no other container.
    fn large(&self, round: u64) -> Vec<u8> {
        let seed = self.owner.container.bytes().fold(round, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..3 << 20).map(|_| next()).collect()
    }
}

#[async_trait]
impl<C: Cloud> Subject for InSwift<C> {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Container)
    }

    fn project(&self) -> ProjectId {
        self.cloud.caller().project.clone()
    }

    fn resource(&self) -> Resource {
        lab::resource("files", TYPE, &self.owner.container)
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.cloud.caller().shelf.vault()
    }

    fn cloud(&self) -> Arc<dyn CloudSource> {
        self.cloud.caller().source()
    }

    async fn change(&self, round: u64) {
        self.owner.change(round, &self.large(round)).await;
    }

    async fn remove(&self) {
        self.owner.remove().await;
    }

    async fn state(&self) -> String {
        self.owner.shown().await
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        self.cloud.caller().shelf.left_by(&self.cloud.caller().project, step).await
    }

    async fn break_reads(&self) {
        self.cloud.break_reads(&self.large(0)).await;
    }

    async fn mend_reads(&self) {
        self.cloud.mend_reads().await;
        self.owner.put("large", &self.large(0)).await;
    }

    async fn damage(&self, _: &Artifact) {
        self.cloud.caller().shelf.damage();
    }
}

#[async_trait]
impl Cloud for Lab {
    fn caller(&self) -> &Caller {
        self
    }

    async fn break_reads(&self, _: &[u8]) {
        self.swift.break_reads(true);
    }

    async fn mend_reads(&self) {
        self.swift.break_reads(false);
    }
}
