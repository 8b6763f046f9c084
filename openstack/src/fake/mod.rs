//! A cloud in the process, on a free port of 127.0.0.1, with state: what is made is there afterwards, who may not is
//! refused. Each answer is what the real service gives (Keystone 22 and Cinder 21, asked over the wire), headers and texts with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "for tests only")]

pub mod cinder;
pub mod heat;
mod keystone;
mod neutron;
pub mod swift;

pub use cinder::Cinder;
pub use heat::Heat;
pub use keystone::Keystone;
pub use neutron::Neutron;
pub use swift::Swift;
