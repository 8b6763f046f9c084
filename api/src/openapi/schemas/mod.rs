//! What bodies look like, for the document only: answers are written by the `view.rs` beside each verb, requests read by
//! the verbs. The tests of the API hold each of their answers against these schemas.

#![expect(dead_code, reason = "only the schemas of these types are used")]

mod faults;
mod operations;
mod snapshots;
mod stacks;
mod templates;

pub(crate) use faults::*;
pub(crate) use operations::*;
pub(crate) use snapshots::*;
pub(crate) use stacks::*;
pub(crate) use templates::*;
