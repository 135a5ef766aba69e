//! GET and HEAD.

pub(in crate::http) mod decide;
pub(in crate::http) mod get;
mod missing;
