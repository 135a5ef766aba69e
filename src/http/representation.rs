//! One representation on its way to a client: its fields and its bytes.

pub(in crate::http) mod body;
pub(in crate::http) mod cached_heads;
pub(in crate::http) mod held;
pub(in crate::http) mod respond;
