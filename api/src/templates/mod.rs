//! What can be asked about templates before there is a stack: whether one is valid, what would come of it, what types and
//! functions there are. Nothing here changes anything. One verb a file.

pub(crate) mod functions;
pub(crate) mod preview;
pub(crate) mod routes;
pub(crate) mod schema;
pub(crate) mod types;
pub(crate) mod validate;
pub(crate) mod versions;
