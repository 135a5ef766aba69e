//! What the operator decided: who may ask, how much, from where, and which fields go with the answer.

pub(in crate::http) mod auth;
pub(in crate::http) mod confinement;
pub(in crate::http) mod connection_limit;
pub mod cors;
pub mod header_rules;
pub(in crate::http) mod limits;
pub(in crate::http) mod origin;
pub(in crate::http) mod rate_limit;
