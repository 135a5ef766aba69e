//! The HTTP edge: bytes of a request -> types, outcomes -> a response. What is decided below this
//! module becomes a status here and nowhere else.
//!
//! The folders are layers. Each names only those above it in this list, except that `policy/auth` and
//! `listing` take a `Site`:
//!
//! 1. `message`: header fields, media types, problem documents;
//! 2. `policy`: what the operator decided, as functions of a request;
//! 3. `representation`: the fields and the bytes of one representation;
//! 4. `listing`: folders as documents;
//! 5. `observation`: counters and the access log;
//! 6. `site`: the state of one served folder;
//! 7. `read`: GET and HEAD;
//! 8. `write`: PUT and DELETE;
//! 9. `connection`: what actix-http does not do on a connection;
//! 10. `service`: dispatch, and the services that actix calls.
//!
//! No file of this module makes a filesystem call or computes the digest of a file.

mod connection;
mod listing;
mod message;
mod observation;
pub mod policy;
mod read;
mod representation;
mod service;
mod site;
mod write;

pub(crate) use connection::fast_path::{not_encrypted, too_many_connections};
pub(crate) use connection::h2_streams::Streams;
pub(crate) use connection::http1::Opening;
pub use connection::http1::{TurnStream, remember_turn};
pub(crate) use message::fields::date;
pub use policy::confinement::UploadTrust;
pub(crate) use policy::connection_limit::{Crowd, UnderWay};
pub use policy::limits::{LARGEST_HEAD, Limits, Rate, SMALLEST_HEAD};
pub use policy::origin::{Encryption, Hosts};
pub use representation::fields::{Fields, Store, renderer};
pub(crate) use service::https_redirect::to_https;
pub use service::mount::MountedSite;
pub use service::site_service::{Reached, SiteService};
pub use site::Site;
pub use site::options::{Fallback, Listing, OwnResources, SiteOptions};

#[cfg(test)]
mod tests;
