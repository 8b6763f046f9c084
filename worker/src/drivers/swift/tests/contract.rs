//! The laws of every driver.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stacksnap_common::ids::{ProjectId, StepId};
use stacksnap_common::types::{Artifact, Resource};

use super::lab::{Lab, NAME, PROJECT};
use crate::driver::{CloudSource, Driver, VaultSource};
use crate::drivers::contract::{Subject, driver_contract};
use crate::drivers::swift::Container;

driver_contract!(subject());

/// With one object that takes its time.
async fn subject() -> Lab {
    let lab = Lab::start().await;
    lab.fill();
    lab.put("large", &noise(1, 3 << 20));
    lab.swift.pace(Duration::from_millis(10));
    lab
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

#[async_trait]
impl Subject for Lab {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Container)
    }

    fn project(&self) -> ProjectId {
        PROJECT.parse().unwrap()
    }

    fn resource(&self) -> Resource {
        Lab::resource(self)
    }

    fn vault(&self) -> Arc<dyn VaultSource> {
        self.shelf.vault()
    }

    fn cloud(&self) -> Arc<dyn CloudSource> {
        self.source()
    }

    async fn change(&self, round: u64) {
        self.put("large", &noise(round + 100, 3 << 20));
        self.put("a", format!("another, {round}").as_bytes());
        self.put(&format!("new/{round}"), b"new");
        for gone in ["a/b", "parts/1"] {
            if self.content(gone).is_some() {
                self.swift.remove(PROJECT, NAME, gone);
            }
        }
        if self.content("typed").is_some() {
            self.swift.change(PROJECT, NAME, "typed", |object| {
                object.headers.insert("x-object-meta-round".to_owned(), round.to_string().into_bytes());
            });
        }
        self.swift.change_container(PROJECT, NAME, |headers| {
            headers.insert("x-container-meta-round".to_owned(), round.to_string().into_bytes());
            headers.remove("x-container-read");
        });
    }

    async fn remove(&self) {
        self.swift.lose_container(PROJECT, NAME);
    }

    async fn state(&self) -> String {
        self.shown().join("\n")
    }

    async fn left_by(&self, step: StepId) -> Vec<String> {
        self.shelf.left_by(&PROJECT.parse().unwrap(), step).await
    }

    async fn break_reads(&self) {
        self.swift.break_reads(true);
    }

    async fn mend_reads(&self) {
        self.swift.break_reads(false);
    }

    async fn damage(&self, _: &Artifact) {
        self.shelf.damage();
    }
}
