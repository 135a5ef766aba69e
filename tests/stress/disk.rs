//! HTTP against the disk: savers write files with plain system calls, each save with a higher token, while clients
//! replace the same files by conditional requests. No save may be lost, however it was made.
//!
//! The savers are threads of this program. To the server that is another process, which shares nothing with it but the
//! files; and with saver and client in one process a saver can wait for the operation in flight without disturbing it.

mod client;
mod contest;
mod judge;
mod life;
mod means;
mod story;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::place::Place;
use crate::random::Random;
use crate::saver::How;
use crate::server::Server;
use crate::table::{Table, cells};
use crate::{Common, watch};

use contest::{Contest, Figures};
use life::Life;
use means::Means;

/// How long the server may take to give up what it keeps of replaced files.
const QUARANTINE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many saves in all, over folders and kinds
    #[arg(long, default_value_t = 100_000)]
    saves: u64,
    /// The ways of saving [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// The longest pause between two saves, in microseconds [default: one and a half operations]
    #[arg(long)]
    pause: Option<u64>,
    /// The size of the files, in bytes
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(16..))]
    body_size: u64,
    /// How many files at a time, each with a saver and a client of its own
    #[arg(long, default_value_t = 4)]
    files: usize,
    /// One in so many writes of a client is a DELETE; 0: none
    #[arg(long, default_value_t = 16)]
    deletes: usize,
    /// Kill the server again and again, each time so many milliseconds after its start at the latest
    #[arg(long)]
    kill_within: Option<u64>,
    /// After each kill, start a server first that allows no write, and look what it answers
    #[arg(long, requires = "kill_within")]
    read_only_start: bool,
    /// What the savers set the modification time of their files to
    #[arg(long, value_enum, default_value_t = Dates::Now)]
    dates: Dates,
    /// Who compares and swaps
    #[arg(long, value_enum, default_value_t = Algorithm::Ifmatch)]
    algorithm: Algorithm,
}

/// A way of saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A new file beside the old, renamed over it
    Rename,
    /// `O_TRUNC`, one `write`
    Truncate,
    /// `pwrite` over the old bytes
    InPlace,
    /// Stores through a shared mapping
    Map,
    /// `unlink`, then `O_EXCL` and `write`
    Recreate,
    /// One of the above each time
    Mixed,
    /// `O_TRUNC` and two `write`s with a pause between them
    Slow,
}

/// The modification times of files that are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dates {
    /// They stay what the save has made them
    Now,
    /// Some time before 1970, as old archives and cameras without a clock have it
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// The server, asked over HTTP
    Ifmatch,
    /// This program: stat and compare, then rename. It loses saves; a run that finds none has failed
    Naive,
}

impl Kind {
    /// The way of the next save; `None` is the slow one.
    fn how(self, random: &mut Random) -> Option<How> {
        match self {
            Kind::Rename => Some(How::Rename),
            Kind::Truncate => Some(How::Truncate),
            Kind::InPlace => Some(How::InPlace),
            Kind::Map => Some(How::Map),
            Kind::Recreate => Some(How::Recreate),
            Kind::Mixed => Some(*random.pick(&How::ALL)),
            Kind::Slow => None,
        }
    }
}

/// Runs every kind in every folder, one after the other.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let kinds =
        if options.kinds.is_empty() { Kind::value_variants().to_vec() } else { options.kinds.clone() };
    let folders = common.folders();
    let files = options.files.max(1) as u64;
    let saves = options.saves.div_ceil(folders.len() as u64 * kinds.len() as u64 * files);
    let mut random = Random::new("disk");
    let mut table = Table::new(&[&["folder", "kind"], &Figures::HEADING[..]].concat());
    let mut lost = 0;
    for folder in &folders {
        for kind in &kinds {
            if watch::enough() {
                break;
            }
            let begun = Instant::now();
            let place = Place::new(folder)?;
            let contest = |number| Contest::new(&place.root(), number, options.body_size as usize);
            let contests = (0..options.files.max(1)).map(contest).collect();
            let figures = Figures::default();
            let cell = Cell { common, options, kind: *kind, saves, place, contests, figures };
            let figures = cell.run(&mut random)?;
            lost += figures.lost.load(Relaxed);
            let name = kind.to_possible_value().expect("no kind is hidden").get_name().to_owned();
            eprintln!("{} {name}: {figures:?}", folder.display());
            let mut row = cells![folder.display(), name];
            row.extend(figures.cells(begun.elapsed()));
            table.row(row);
        }
    }
    table.print();
    if options.algorithm == Algorithm::Naive && lost == 0 {
        return Err("the naive algorithm lost nothing: this run could not have seen a loss".to_owned());
    }
    Ok(())
}

/// One kind in one folder: several files, each with its saver and its client.
struct Cell<'a> {
    common: &'a Common,
    options: &'a Options,
    kind: Kind,
    /// How many saves of each file.
    saves: u64,
    place: Place,
    contests: Vec<Contest>,
    figures: Figures,
}

impl Cell<'_> {
    fn run(self, random: &mut Random) -> Result<Figures, String> {
        if self.options.algorithm == Algorithm::Naive {
            self.contend(None, random);
            return Ok(self.figures);
        }
        let server = self.place.serve(self.common)?;
        let life = Life::new(server.address());
        let mut server = match self.options.kill_within {
            None => {
                self.contend(Some(&life), random);
                server
            }
            Some(within) => self.contend_and_kill(&life, within, server, random),
        };
        judge::look_around(&self.place.root(), &self.contests, &self.figures);
        if server.has_ended() {
            watch::broken("the server has ended by itself");
        }
        Ok(self.figures)
    }

    /// Runs all savers and clients, until the savers are done.
    fn contend(&self, life: Option<&Life>, random: &mut Random) {
        std::thread::scope(|scope| {
            for contest in &self.contests {
                let means = match life {
                    Some(life) => Means::http(life, &contest.name),
                    None => Means::naive(&contest.path),
                };
                let (mut one, mut other) = (random.split(), random.split());
                scope.spawn(move || {
                    client::work(contest, &self.figures, means, self.options.deletes, &mut one);
                });
                scope.spawn(move || {
                    judge::work(contest, &self.figures, self.saves, self.kind, self.options, &mut other);
                    contest.stop();
                });
            }
        });
    }

    /// The same, with a thread that kills the server meanwhile; gives back the last server.
    fn contend_and_kill(&self, life: &Life, within: u64, server: Server, random: &mut Random) -> Server {
        let (over, mut own) = (AtomicBool::new(false), random.split());
        std::thread::scope(|scope| {
            let over = &over;
            let killer = scope.spawn(move || life.end_again_and_again(self, within, server, over, &mut own));
            self.contend(Some(life), random);
            over.store(true, SeqCst);
            killer.join().expect("the killer")
        })
    }
}
