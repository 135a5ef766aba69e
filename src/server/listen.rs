//! Listening: sockets, accepted connections, encryption, and the listeners beside the site. What the process does
//! before and after it listens lives in `server::life`.

pub(super) mod accept;
pub(super) mod admin;
pub(super) mod bind;
mod oneshot;
mod redirect;
pub(super) mod tls;
mod transport;
