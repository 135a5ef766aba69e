//! Short histories of concurrent clients on a few files, each checked for linearizability: is there an order of the
//! operations that respects when each was begun and answered, and in which every answer is right?

mod checker;
mod clients;
mod model;
mod self_test;

use std::time::Instant;

use clap::Args;

use crate::place::Place;
use crate::random::Random;
use crate::table::{Table, cells};
use crate::{Common, watch};

use model::Answered;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many histories
    #[arg(long, default_value_t = 2000)]
    histories: u64,
    /// How many clients
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// How many files
    #[arg(long, default_value_t = 3)]
    keys: usize,
    /// How many operations of each client in a history
    #[arg(long, default_value_t = 8)]
    operations: usize,
    /// How many servers on the same folder
    #[arg(long, default_value_t = 1)]
    servers: usize,
    /// Test the checker itself, and nothing else
    #[arg(long)]
    self_test: bool,
}

/// Checks histories in every folder.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    if options.self_test {
        return self_test::run();
    }
    if options.clients * options.operations > checker::LONGEST {
        return Err(format!("a history may have {} operations, not more", checker::LONGEST));
    }
    let mut random = Random::new("history");
    let mut table = Table::new(&[
        "folder",
        "servers",
        "histories",
        "operations",
        "2xx",
        "412",
        "404",
        "409",
        "rejected",
        "seconds",
    ]);
    for folder in common.folders() {
        let begun = Instant::now();
        let place = Place::new(&folder)?;
        let servers = place.serve_by(options.servers.max(1), common)?;
        let addresses: Vec<_> = servers.iter().map(crate::server::Server::address).collect();
        let mut counts = [0_u64; 5];
        let mut rejected = 0;
        clients::record(options, &addresses, &mut random, |number, history| {
            for event in history.iter().flatten() {
                for (count, holds) in counts.iter_mut().zip(kinds(event.answered)) {
                    *count += u64::from(holds);
                }
            }
            for (key, events) in history.iter().enumerate() {
                if let Err(window) = checker::check(events, model::State::Absent) {
                    rejected += 1;
                    watch::broken(format!("history {number}, file {key} is not linearizable\n{window}"));
                }
            }
        });
        let [operations, successes, failed, missing, busy] = counts;
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
        table.row(cells![
            folder.display(),
            servers.len(),
            options.histories,
            operations,
            successes,
            failed,
            missing,
            busy,
            rejected,
            seconds,
        ]);
    }
    table.print();
    Ok(())
}

/// All, successes, 412, 404, 409.
fn kinds(answered: Answered) -> [bool; 5] {
    [
        true,
        matches!(answered, Answered::Found(_) | Answered::Created | Answered::Done),
        answered == Answered::Failed,
        answered == Answered::Missing,
        answered == Answered::Busy,
    ]
}
