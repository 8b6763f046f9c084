pub(crate) mod temporary;
