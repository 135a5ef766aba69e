//! What stands between ifmatch and its clients, and what stands in its place: the configurations of `deploy/` with the
//! real proxies, and other file servers with the abilities nearest to ours. All of them are Debian's. It is no part of a
//! plain `cargo test`:
//!
//! ```sh
//! cargo test --test deploy
//! IFMATCH_UPDATE_DOCS=1 cargo test --test deploy    # writes the tables of docs/ anew
//! ```
//!
//! What is measured goes into tables of `docs/behind-a-proxy.md` and `docs/comparison.md`. With the versions named there,
//! a table that differs is a failure; with others the new one is printed.

// A test that cannot go on has nothing better to do than to panic where it stands.
#![allow(clippy::unwrap_used)]

#[path = "../it"]
mod it {
    #[allow(dead_code, unused_imports, reason = "shared with the integration tests")]
    pub(crate) mod harness;
}

mod comparison;
mod contenders;
mod copies;
mod debian;
mod exchange;
mod figures;
mod private;
mod probes;
mod proxies;
mod replicas;
mod same;
mod writes;

use it::harness;
