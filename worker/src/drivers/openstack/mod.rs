//! What the drivers of a cloud's resources do alike.
//!
//! - `call.rs`: a service asked, and its refusals as a step's errors. `wait.rs`: how patiently it is waited for.
//! - `marks.rs`: our name and metadata on what we make.
//! - `make.rs`: something is made once, whatever happens meanwhile.
//! - `orphans.rs`: what finders of orphans do alike.
//! - `lab.rs` (tests): a cloud in the process. `real.rs` (tests): one that `tests/openstack/up` has brought up.

pub(crate) mod call;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
pub(crate) mod lab;
pub(crate) mod make;
pub(crate) mod marks;
pub(crate) mod orphans;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
pub(crate) mod real;
pub(crate) mod wait;

pub use wait::Patience;
