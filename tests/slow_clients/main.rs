//! What slow clients and wrong passwords in numbers do to those who read: a program that prints tables for `docs/limits.md`.
//!
//! ```sh
//! cargo test --release --test slow_clients
//! ```
//!
//! It takes three minutes and wants a quiet machine. It opens 10,000 connections that are slow in five ways, and opens each
//! again when the server ends it; measures ordinary requests before and meanwhile; and looks whether all are gone when nobody opens them any more. It ends
//! with 0 only if they are, and if the 99th percentile of ordinary requests is at most twice that of a server which is asked at the same time and has none of them (or below a millisecond).

#![allow(clippy::unwrap_used)]

mod guesses;
mod load;
mod server;
mod slow;

use std::process::ExitCode;

fn main() -> ExitCode {
    // As many descriptors as are allowed; the server takes as many for itself.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let enough = limit.maximum.is_none_or(|files| files >= 12_000);
    if !enough {
        eprintln!("slow_clients: 12,000 open files are needed; raise the limit (ulimit -Hn 20000)");
        return ExitCode::FAILURE;
    }
    let slow = slow::run();
    let guesses = guesses::run();
    if slow && guesses { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
