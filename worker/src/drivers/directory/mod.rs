//! `Stacksnap::Directory`.

mod beneath;
mod errors;
mod exclude;
mod inspect;
mod names;
mod notes;
mod policy;
mod properties;
mod reader;
mod restore;
mod source;
mod walk;

pub use policy::AllowedRoot;
pub use properties::Properties;
