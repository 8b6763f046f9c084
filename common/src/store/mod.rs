//! The store: truth. `backend.rs` is the seam (bytes under keys, with laws); the domain's verbs stand above it.

pub mod backend;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
#[cfg(feature = "contract")]
pub mod faulty;
#[cfg(feature = "contract")]
pub mod model;
pub mod redis;
mod rules;

pub use backend::{Backend, Error, Millis};
