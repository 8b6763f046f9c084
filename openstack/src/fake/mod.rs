//! A cloud in the process, on free ports of 127.0.0.1, with state: what is made is there afterwards, who may not is
//! refused. Each answer is what the real service gives (Keystone 22, Cinder 21, Glance 25 and Nova 26, asked over the
//! wire), headers and texts with it. The services of one Keystone are one cloud: Nova attaches Cinder's volumes and makes
//! Glance's images.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "for tests only")]

pub mod cinder;
pub mod glance;
pub mod heat;
mod keystone;
mod neutron;
pub mod nova;
pub mod swift;
mod wire;

pub use cinder::Cinder;
pub use glance::Glance;
pub use heat::Heat;
pub use keystone::Keystone;
pub use neutron::Neutron;
pub use nova::Nova;
pub use swift::Swift;
