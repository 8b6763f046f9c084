//! `Stacksnap::Directory`.

mod archive;
mod beneath;
mod compare;
mod control;
mod errors;
mod exclude;
mod inspect;
mod names;
mod notes;
mod policy;
mod properties;
mod reader;
mod restore;
mod rights;
pub mod sample;
mod source;
mod summary;
mod walk;

pub use policy::AllowedRoot;
pub use properties::Properties;
