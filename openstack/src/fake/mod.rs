//! A cloud in the process, on free ports of 127.0.0.1, with state: what is made is there afterwards, who may not is
//! refused. Answers are what the real services give, headers and texts with them: those of Keystone 22, Heat 27, Cinder 21,
//! Nova 26, Glance 25 and Swift 2.30 were asked over the wire, and are compared with what came (`tests/it/wire`); Manila's and
//! Trove's are from their sources, Neutron's from its API reference. The services of one Keystone are one cloud: Nova
//! attaches Cinder's volumes and makes Glance's images.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "for tests only")]

pub mod cinder;
pub mod glance;
pub mod heat;
mod keystone;
pub mod manila;
mod neutron;
pub mod nova;
pub mod swift;
pub mod trove;
mod wire;

pub use cinder::Cinder;
pub use glance::Glance;
pub use heat::Heat;
pub use keystone::Keystone;
pub use manila::Manila;
pub use neutron::Neutron;
pub use nova::Nova;
pub use swift::Swift;
pub use trove::Trove;
