//! Files are saved under a clock that steps both ways, several times in a second, with old bytes and with new; and a client
//! that has only a `Last-Modified` date asks whether something has changed since. A date is never given to other bytes than
//! those it was first sent with, and nobody is told 304 for bytes he has not got.
//!
//! The clock is made up: libfaketime tells it to the server, and each save sets the modification time. The kernel's own
//! clock, which sets the time of the last change, runs on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;

use crate::content::{version_bytes, version_of};
use crate::place::Place;
use crate::random::Random;
use crate::saver::{self, How};
use crate::table::{Table, cells};
use crate::wire::{Condition, Wire};
use crate::{Common, watch};

/// In milliseconds.
const LONG_PAUSE: usize = 2500;

/// The longest time between two steps of the clock, in milliseconds.
const CLOCK_PAUSE: usize = 2000;

/// Where Debian has the library that lies about the clock.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The size of the files, in bytes.
const SIZE: usize = 500;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many steps of each file: saves, and questions
    #[arg(long, default_value_t = 400)]
    steps: u64,
    /// How many files, each with a saver and a client in one
    #[arg(long, default_value_t = 32)]
    files: usize,
    /// The farthest that the clock steps, in milliseconds
    #[arg(long, default_value_t = 5000)]
    jump: usize,
    /// The longest pause between two steps, in milliseconds
    #[arg(long, default_value_t = 10)]
    pause: usize,
    /// One pause in so many is a long one, of up to 2.5 seconds: dates that lay in the future have come then
    #[arg(long, default_value_t = 12)]
    long_pauses: usize,
    /// Ask this program instead, which gives each file the date of its modification time; a run in which that is always
    /// right has failed
    #[arg(long)]
    self_test: bool,
}

/// What happened.
#[derive(Debug, Default)]
struct Figures {
    saves: AtomicU64,
    dated: AtomicU64,
    undated: AtomicU64,
    unmodified: AtomicU64,
    /// Dates that were given to two versions.
    twice: AtomicU64,
    /// Answers 304 for bytes that the client has not got.
    untrue: AtomicU64,
}

/// Runs the files of each folder.
pub(crate) fn run(common: &Common, options: &Options) -> Result<(), String> {
    let mut random = Random::new("dates");
    let (begun, figures) = (Instant::now(), Figures::default());
    for folder in common.folders() {
        let place = Place::new(&folder)?;
        let clock = Clock::new(place.root().with_file_name("clock"));
        clock.set(0)?;
        let server = if options.self_test { None } else { Some(place.serve(&clock.told_to(common)?)?) };
        let (clock, working) = (&clock, AtomicU64::new(options.files.max(1) as u64));
        std::thread::scope(|scope| {
            let (working, mut own) = (&working, random.split());
            scope.spawn(move || clock.step_until(|| working.load(SeqCst) == 0, options.jump, &mut own));
            for number in 0..options.files.max(1) {
                let wire = server.as_ref().map(|server| Wire::new(server.address()));
                let name = format!("file-{number}");
                let path = place.path(&name);
                let mut dated = Dated {
                    name,
                    path,
                    wire,
                    clock,
                    now: 0,
                    versions: 0,
                    given: BTreeMap::new(),
                    figures: &figures,
                };
                let mut random = random.split();
                scope.spawn(move || {
                    dated.work(options, &mut random);
                    working.fetch_sub(1, SeqCst);
                });
            }
        });
    }
    let count = |figure: &AtomicU64| figure.load(Relaxed);
    let mut table =
        Table::new(&["saves", "dated", "without a date", "304", "GIVEN TWICE", "UNTRUE 304", "seconds"]);
    let Figures { saves, dated, undated, unmodified, twice, untrue } = &figures;
    let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
    let counts = [saves, dated, undated, unmodified, twice, untrue].map(count);
    table.row(counts.iter().map(u64::to_string).chain(cells![seconds]).collect());
    table.print();
    if options.self_test && (count(twice) == 0 || count(untrue) == 0) {
        return Err("every date was right: this run could not have seen a wrong one".to_owned());
    }
    Ok(())
}

/// The clock of the savers and of the server.
struct Clock {
    /// The file from which libfaketime reads how far it is ahead of the real one.
    file: PathBuf,
    /// How far, in milliseconds.
    ahead: AtomicI64,
}

impl Clock {
    fn new(file: PathBuf) -> Clock {
        Clock { file, ahead: AtomicI64::new(0) }
    }

    fn set(&self, ahead: i64) -> Result<(), String> {
        // Renamed into place: the server reads it at any moment.
        let beside = self.file.with_extension("new");
        let seconds = ahead as f64 / 1000.0;
        fs::write(&beside, format!("{seconds:+.3}\n")).map_err(|error| error.to_string())?;
        fs::rename(&beside, &self.file).map_err(|error| error.to_string())?;
        self.ahead.store(ahead, SeqCst);
        Ok(())
    }

    /// The same options, for a server that goes by this clock.
    fn told_to(&self, common: &Common) -> Result<Common, String> {
        let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists());
        let library = library.ok_or("no libfaketime (Debian package libfaketime)")?;
        let file = self.file.display().to_string();
        let mut common = common.clone();
        for (name, value) in [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ] {
            common.environment.push((name.to_owned(), value.to_owned()));
        }
        Ok(common)
    }

    /// Steps to and fro, by so many milliseconds at most.
    fn step_until(&self, over: impl Fn() -> bool, jump: usize, random: &mut Random) {
        let worker = watch::Worker::new("the clock");
        for step in 0.. {
            worker.begins("step", step);
            let until = Instant::now() + Duration::from_millis(random.below(CLOCK_PAUSE) as u64);
            while Instant::now() < until {
                if over() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            if let Err(why) = self.set(random.below(2 * jump + 1) as i64 - jump as i64) {
                watch::broken(format!("the clock: {why}"));
            }
        }
    }
}

/// A file, and what its client knows.
struct Dated<'a> {
    name: String,
    path: PathBuf,
    /// The server; without one the client answers itself.
    wire: Option<Wire>,
    clock: &'a Clock,
    /// The version that is there.
    now: u64,
    /// How many versions there were.
    versions: u64,
    /// The version that came with each date.
    given: BTreeMap<String, u64>,
    figures: &'a Figures,
}

/// An answer, as far as it matters here.
struct Told {
    status: u16,
    date: Option<String>,
    version: Option<u64>,
}

impl Dated<'_> {
    fn work(&mut self, options: &Options, random: &mut Random) {
        let worker = watch::Worker::new(self.name.clone());
        for step in 0..options.steps {
            worker.begins("step", step);
            if watch::enough() {
                return;
            }
            let done = match random.below(3) {
                0 => self.save(random),
                _ if step == 0 => self.save(random),
                1 => self.ask(),
                _ => self.ask_by_date(random),
            };
            if let Err(why) = done {
                return watch::broken(format!("{}: {why}", self.name));
            }
            let longest = if random.one_in(options.long_pauses) { LONG_PAUSE } else { options.pause };
            std::thread::sleep(Duration::from_micros(random.below(longest * 1000 + 1) as u64));
        }
    }

    /// Saves a new version, or an old one again, and dates it by the saver's clock.
    fn save(&mut self, random: &mut Random) -> Result<(), String> {
        let rollback = self.versions > 0 && random.one_in(4);
        let version = if rollback { 1 + random.next() % self.versions } else { self.versions + 1 };
        self.versions = self.versions.max(version);
        let bytes = version_bytes(version, SIZE);
        match (&mut self.wire, random.below(6)) {
            (Some(wire), 0) => {
                let answer = wire.put(&format!("/{}", self.name), Condition::None, &bytes)?;
                if !matches!(answer.status, 201 | 204) {
                    return Err(format!("a PUT drew {}", answer.status));
                }
            }
            _ => saver::save(*random.pick(&How::ON_TMPFS), &self.path, &bytes)
                .map_err(|error| error.to_string())?,
        }
        let ahead = self.clock.ahead.load(SeqCst);
        let (shift, now) = (Duration::from_millis(ahead.unsigned_abs()), SystemTime::now());
        let time = if ahead < 0 { now - shift } else { now + shift };
        let dated = File::open(&self.path).and_then(|file| file.set_modified(time));
        dated.map_err(|error| error.to_string())?;
        self.now = version;
        self.figures.saves.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Asks for the file, and remembers the date.
    fn ask(&mut self) -> Result<(), String> {
        let told = self.answer(None)?;
        self.learn(told)
    }

    /// Asks whether it has changed since a date that was given before.
    fn ask_by_date(&mut self, random: &mut Random) -> Result<(), String> {
        let Some(at) = self.given.len().checked_sub(1) else { return self.ask() };
        // The dates of late are the interesting ones.
        let back = random.below(at.min(3) + 1);
        let (date, version) =
            self.given.iter().nth_back(back).map(|(date, version)| (date.clone(), *version)).expect("a date");
        let told = self.answer(Some(&date))?;
        if told.status != 304 {
            return self.learn(told);
        }
        self.figures.unmodified.fetch_add(1, Relaxed);
        if version != self.now {
            self.figures.untrue.fetch_add(1, Relaxed);
            self.report(format!("304 to {date:?}, which came with version {version}; {} is there", self.now));
        }
        Ok(())
    }

    fn learn(&mut self, told: Told) -> Result<(), String> {
        let Some(version) = told.version.filter(|_| told.status == 200) else {
            return Err(format!("an answer {} with version {:?}", told.status, told.version));
        };
        if version != self.now {
            return Err(format!("version {version} was sent, and {} is there", self.now));
        }
        let Some(date) = told.date else {
            self.figures.undated.fetch_add(1, Relaxed);
            return Ok(());
        };
        self.figures.dated.fetch_add(1, Relaxed);
        let before = self.given.insert(date.clone(), version);
        if let Some(before) = before.filter(|before| *before != version) {
            self.figures.twice.fetch_add(1, Relaxed);
            self.report(format!("the date {date:?} of version {before} is given to version {version}"));
        }
        Ok(())
    }

    fn report(&self, what: String) {
        if self.wire.is_some() {
            watch::broken(format!("{}: {what}", self.name));
        }
    }

    /// Asks the server, or answers as one that knows no more than the modification time.
    fn answer(&mut self, since: Option<&str>) -> Result<Told, String> {
        if let Some(wire) = &mut self.wire {
            let condition = since.map_or(Condition::None, Condition::ModifiedSince);
            let answer = wire.ask("GET", &format!("/{}", self.name), condition, None)?;
            return Ok(Told { status: answer.status, date: answer.date, version: version_of(&answer.body) });
        }
        let seconds = fs::metadata(&self.path).map_err(|error| error.to_string())?.mtime();
        let modified = since.is_none_or(|since| since.parse::<i64>().is_ok_and(|since| seconds > since));
        let bytes = fs::read(&self.path).map_err(|error| error.to_string())?;
        let status = if modified { 200 } else { 304 };
        Ok(Told { status, date: Some(seconds.to_string()), version: version_of(&bytes) })
    }
}
