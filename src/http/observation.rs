//! What operators see: counters, and a line for each answer.

pub(in crate::http) mod access_log;
pub(in crate::http) mod metrics;
