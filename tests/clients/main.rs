//! `examples/clients`, run with the programs that they are for, against the real server: what they print is compared with
//! what is kept beside them. And what goes beyond an example: several of them at once, a browser, and deploys into the
//! served folder while clients read. It is no part of a plain `cargo test`, because it needs Debian's curl, php-cli,
//! php-curl, python3-requests, wget, aria2, rclone, rsync, git, chromium and chromium-driver:
//!
//! ```sh
//! cargo test --test clients
//! ```

// A test that cannot go on has nothing better to do than to panic where it stands.
#![allow(clippy::unwrap_used)]

#[path = "../it"]
mod it {
    #[allow(dead_code, unused_imports, reason = "shared with the integration tests")]
    pub(crate) mod harness;
}

mod browser;
mod counting;
mod deploys;
mod document;
mod examples;
mod habits;
mod programs;
mod webdriver;

use it::harness;
