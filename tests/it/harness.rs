//! What the tests share: the running program, a client that controls every byte, contents whose version can be told
//! from their bytes, and another process that saves files. Nothing here knows what any single test is about.

pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod folder;
pub(crate) mod mount;
pub(crate) mod random;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod saver;
pub(crate) mod server;
#[cfg(target_arch = "x86_64")]
pub(crate) mod syscall;
pub(crate) mod tree;
pub(crate) mod upload;

pub(crate) use client::{Broken, Client};
pub(crate) use content::{blake3_tag_of, tag_of, version_bytes, version_of};
pub(crate) use folder::Folder;
pub(crate) use random::Random;
pub(crate) use request::{Request, delete, get, head, put, request};
pub(crate) use response::{Ending, Response};
pub(crate) use saver::{How, Saver, save};
pub(crate) use server::{Launch, Server};
pub(crate) use tree::{assert_nothing_left, tree};
pub(crate) use upload::Upload;

use std::io::Write;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it. It is no measure of speed: it only ends what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until `attempt` has an answer; for things that come about by themselves, such as an event of
/// the watcher. Panics when there is none within a generous time.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE * 2, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says why a test, or a part of one, cannot run here; for what a machine lacks (IPv6, say), not for
/// what could be installed. It is written past the test runner's capture, so that it is always seen.
#[expect(clippy::explicit_write, reason = "eprintln! is captured")]
pub(crate) fn skip(why: &str) {
    writeln!(std::io::stderr(), "skipped: {why}").unwrap();
}
