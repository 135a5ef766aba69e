//! The stress program: it tries for minutes or hours to break what the server promises about writes, against HTTP
//! clients, against another process that edits the folder, and against `kill -9`. It is no part of `cargo test`:
//!
//! ```sh
//! cargo test --release --test stress -- disk --saves 1000000 --folder /var/tmp --folder /dev/shm
//! ```
//!
//! Each subcommand prints one table, and ends with a code other than 0 when a promise was broken.

// A worker that cannot go on has nothing better to do than to panic where it stands.
#![allow(clippy::unwrap_used)]

#[path = "../it/harness/content.rs"]
#[allow(dead_code, reason = "shared with the integration tests")]
mod content;
mod dates;
mod disk;
#[path = "../it/harness"]
mod harness {
    #[allow(dead_code, reason = "shared with the integration tests")]
    pub(crate) mod mount;
}
mod history;
mod images;
mod increments;
mod kill;
mod late;
mod place;
#[path = "../it/harness/random.rs"]
#[allow(dead_code, reason = "shared with the integration tests")]
mod random;
#[path = "../it/harness/saver.rs"]
#[allow(dead_code, reason = "shared with the integration tests")]
mod saver;
mod server;
mod table;
mod watch;
mod winners;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Tries to break the promises of ifmatch.
#[derive(Debug, Parser)]
#[command(name = "stress", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Conditional requests against another process that saves the same files
    Disk(disk::Options),
    /// Many clients count in one file by compare-and-swap
    Increments(increments::Options),
    /// Many equal requests at once, of which exactly one may succeed
    Winners(winners::Options),
    /// The server is killed at random instants and started again
    Kill(kill::Options),
    /// Uploads to a disk behind SFTP that is full again and again
    Late(late::Options),
    /// Filesystem images take each other's place under readers
    Images(images::Options),
    /// Saves under a clock that steps both ways, and clients that have only a date
    Dates(dates::Options),
    /// Short concurrent histories, each checked for linearizability
    History(history::Options),
}

/// What every subcommand takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The program under test
    #[arg(long, global = true, default_value = env!("CARGO_BIN_EXE_ifmatch"))]
    binary: PathBuf,
    /// Where to make the folders that are served; may be repeated, for several filesystems [default: the temporary one]
    #[arg(long = "folder", global = true)]
    folders: Vec<PathBuf>,
    /// The server's --durability
    #[arg(long, global = true, default_value = "full")]
    durability: String,
    /// One more argument for the server; may be repeated
    #[arg(long = "server-arg", global = true, allow_hyphen_values = true)]
    server_args: Vec<String>,
    /// Variables for the server
    #[arg(skip)]
    environment: Vec<(String, String)>,
}

impl Common {
    /// The places of `--folder`, or the one for temporary files.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        if self.folders.is_empty() { vec![std::env::temp_dir()] } else { self.folders.clone() }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    watch::start();
    let outcome = match &arguments.command {
        Command::Disk(options) => disk::run(&arguments.common, options),
        Command::Increments(options) => increments::run(&arguments.common, options),
        Command::Winners(options) => winners::run(&arguments.common, options),
        Command::Kill(options) => kill::run(&arguments.common, options),
        Command::Late(options) => late::run(&arguments.common, options),
        Command::Images(options) => images::run(&arguments.common, options),
        Command::Dates(options) => dates::run(&arguments.common, options),
        Command::History(options) => history::run(&arguments.common, options),
    };
    let broken = watch::count();
    match outcome {
        Ok(()) if broken == 0 => ExitCode::SUCCESS,
        Ok(()) => {
            println!("\n{broken} promises broken; see above");
            ExitCode::FAILURE
        }
        Err(trouble) => {
            println!("\nnot finished: {trouble}");
            ExitCode::from(2)
        }
    }
}
