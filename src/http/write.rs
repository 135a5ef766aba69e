//! PUT and DELETE.

mod content_fields;
pub(in crate::http) mod put;
mod refusal;
