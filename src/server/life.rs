//! The life of the process: what it prepares at start, reports while it runs, reloads, and does when it stops.
//! Sockets and connections live in `server::listen`.

pub(super) mod announcement;
pub(super) mod capacity;
pub(super) mod health_client;
pub(super) mod progress;
pub(super) mod reload;
pub(super) mod sandbox;
mod sd_notify;
pub(super) mod stop;
