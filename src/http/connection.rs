//! HTTP connections, where actix-http 3.20 does not do what the server promises.

pub(in crate::http) mod fast_path;
mod framing;
pub(in crate::http) mod h2_streams;
pub(in crate::http) mod http1;
mod response;
mod target;
pub(in crate::http) mod turn;
