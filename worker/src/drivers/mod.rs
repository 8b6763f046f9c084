//! The drivers, one resource type a module.
