//! The store: truth. `backend.rs` is the seam (bytes under keys, with laws); the domain's verbs stand above it.

pub mod backend;

pub use backend::{Backend, Error, Millis};
