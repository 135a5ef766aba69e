//! The server is killed with `kill -9` at a random instant while clients write, and started again in the same folder.
//! When it says that it is ready, each file must be whole, and be what was acknowledged last or what was in flight at
//! the kill; and nothing else may be in the folder.

mod client;
mod lane;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use clap::Args;

use crate::random::Random;
use crate::table::{Table, cells};
use crate::{Common, watch};

use lane::Lane;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many kills in all
    #[arg(long, default_value_t = 2000)]
    kills: u64,
    /// How many folders at a time, each with a server and clients of its own
    #[arg(long, default_value_t = 4)]
    lanes: usize,
    /// How many clients of each server
    #[arg(long, default_value_t = 3)]
    clients: usize,
    /// The latest instant of a kill after the clients have begun, in milliseconds
    #[arg(long, default_value_t = 40)]
    within: usize,
    /// The size of the large bodies, in bytes
    #[arg(long, default_value_t = 3 << 20)]
    large: usize,
}

/// What happened, over all lanes of a folder.
#[derive(Debug, Default)]
struct Figures {
    kills: AtomicU64,
    acknowledged: AtomicU64,
    /// Operations without an answer at the kill; and those of them that have taken effect nevertheless.
    in_flight: AtomicU64,
    effective: AtomicU64,
    /// Reserved names that a dead server had left.
    leftovers: AtomicU64,
    /// The longest time until a server was ready, in milliseconds.
    slowest: AtomicU64,
}

/// Kills in every folder.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let mut random = Random::new("kill");
    let folders = common.folders();
    let lanes = options.lanes.max(1);
    let kills = options.kills.div_ceil((folders.len() * lanes) as u64);
    let mut table = Table::new(&[
        "folder",
        "kills",
        "acknowledged",
        "in flight",
        "took effect",
        "reserved names",
        "slowest start, ms",
        "broken",
        "seconds",
    ]);
    for folder in &folders {
        let (begun, before) = (Instant::now(), watch::count());
        let figures = Figures::default();
        let results: Vec<Result<(), String>> = std::thread::scope(|scope| {
            let spawn = |number| {
                let (mut random, figures) = (random.split(), &figures);
                scope.spawn(move || {
                    let mut lane = Lane::new(number, common, options, folder, figures, &mut random)?;
                    (0..kills).try_for_each(|_| if watch::enough() { Ok(()) } else { lane.cycle() })?;
                    lane.end()
                })
            };
            let threads: Vec<_> = (0..lanes).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().expect("a lane")).collect()
        });
        results.into_iter().collect::<Result<(), String>>()?;
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
        table.row(cells![
            folder.display(),
            figures.kills.load(Relaxed),
            figures.acknowledged.load(Relaxed),
            figures.in_flight.load(Relaxed),
            figures.effective.load(Relaxed),
            figures.leftovers.load(Relaxed),
            figures.slowest.load(Relaxed),
            watch::count() - before,
            seconds,
        ]);
    }
    table.print();
    Ok(())
}
