//! One representation on its way to a client: its fields and its bytes.

pub(in crate::http) mod body;
pub(in crate::http) mod cached_heads;
mod failed;
pub(in crate::http) mod fields;
pub(in crate::http) mod held;
pub(in crate::http) mod respond;
