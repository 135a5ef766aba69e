//! GET and HEAD.

pub(in crate::http) mod get;
mod missing;
