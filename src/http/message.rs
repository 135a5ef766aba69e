//! What messages are made of: header fields, media types, and problem documents. Nothing here knows a site.

pub(in crate::http) mod accept;
pub(in crate::http) mod fields;
pub(in crate::http) mod html;
pub(in crate::http) mod media_types;
pub(in crate::http) mod problem;
