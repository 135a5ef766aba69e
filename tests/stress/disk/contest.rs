//! One file that a saver and a client fight over: what both know, and how they wait for each other. A version names the
//! save it is derived from (its root) and its number among the client's writes; a save has the number 0.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::content::version_bytes;

use super::story::Story;

/// How long to sleep while waiting for the other side.
const TURN: Duration = Duration::from_micros(30);

/// No operation that is answered by the server it was sent to lasts much longer.
const LONG: Duration = Duration::from_millis(10);

/// A version of the file, or its deletion, as one number that fits in the bytes of [`version_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u64);

impl Version {
    const DELETION: u64 = 1 << 31;

    /// What the saver writes.
    pub(crate) fn saved(token: u64) -> Version {
        Version(token << 32)
    }

    /// What a client makes of a version with this root.
    pub(crate) fn derived(root: u64, number: u64) -> Version {
        Version(root << 32 | number)
    }

    /// The deletion that stands in the place of this version.
    pub(crate) fn deletion(self) -> Version {
        Version(self.0 | Version::DELETION)
    }

    /// The token of the save it is derived from.
    pub(crate) fn root(self) -> u64 {
        self.0 >> 32
    }

    /// Its number among the client's writes; 0 for a save.
    pub(crate) fn number(self) -> u64 {
        self.0 & (Version::DELETION - 1)
    }

    /// Is it a deletion?
    pub(crate) fn is_deletion(self) -> bool {
        self.0 & Version::DELETION != 0
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_deletion() { "deletion" } else { "write" };
        match self.number() {
            0 => write!(f, "save {}", self.root()),
            number => write!(f, "{kind} {number} derived from save {}", self.root()),
        }
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct Contest {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: usize,
    pub(crate) story: Story,
    /// Odd while an operation of the client is in flight.
    phase: AtomicU64,
    /// No operation begins while it is closed.
    closed: AtomicBool,
    stopped: AtomicBool,
    /// How long an operation lasts of late, in microseconds.
    lasting: AtomicU64,
    /// The token of the last save that is complete.
    pub(crate) saved: AtomicU64,
    /// The last version, or deletion, that was acknowledged to the client.
    acknowledged: AtomicU64,
    /// The last deletion that drew no answer; it may have been done.
    unanswered: AtomicU64,
}

impl Contest {
    /// Makes the file with token 1.
    pub(crate) fn new(root: &Path, number: usize, size: usize) -> Contest {
        let name = format!("file-{number}.txt");
        let path = root.join(&name);
        fs::write(&path, version_bytes(Version::saved(1).0, size)).expect("the first version");
        Contest {
            name,
            path,
            size,
            story: Story::new(),
            phase: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            lasting: AtomicU64::new(1000),
            saved: AtomicU64::new(1),
            acknowledged: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        }
    }

    /// Runs one operation of the client, when the gate is open; `None` when the contest is over.
    pub(crate) fn operation<T>(&self, operate: impl FnOnce() -> T) -> Option<T> {
        loop {
            if self.stopped.load(SeqCst) {
                return None;
            }
            self.phase.fetch_add(1, SeqCst);
            if !self.closed.load(SeqCst) {
                break;
            }
            self.phase.fetch_add(1, SeqCst);
            std::thread::sleep(TURN);
        }
        let begun = Instant::now();
        let result = operate();
        self.phase.fetch_add(1, SeqCst);
        // One that has waited for a new server tells nothing.
        let took = begun.elapsed().min(LONG).as_micros() as u64;
        let lasting = self.lasting.load(SeqCst) * 15 + took;
        self.lasting.store(lasting / 16, SeqCst);
        Some(result)
    }

    /// How long an operation lasts of late, in microseconds.
    pub(crate) fn lasting(&self) -> u64 {
        self.lasting.load(SeqCst)
    }

    /// Waits until the operation that is in flight now has ended.
    pub(crate) fn wait_for_the_operation(&self) {
        let phase = self.phase.load(SeqCst);
        while phase % 2 == 1 && self.phase.load(SeqCst) == phase {
            std::thread::sleep(TURN);
        }
    }

    /// Runs this while no operation is in flight.
    pub(crate) fn alone<T>(&self, look: impl FnOnce() -> T) -> T {
        self.closed.store(true, SeqCst);
        while self.phase.load(SeqCst) % 2 == 1 {
            std::thread::sleep(TURN);
        }
        let result = look();
        self.closed.store(false, SeqCst);
        result
    }

    /// Ends the contest.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, SeqCst);
    }

    /// Records that the client was told of a success.
    pub(crate) fn acknowledge(&self, version: Version) {
        self.acknowledged.store(version.0, SeqCst);
    }

    /// Records that the client has no answer to a deletion.
    pub(crate) fn leave_open(&self, deletion: Version) {
        self.unanswered.store(deletion.0, SeqCst);
    }

    /// The client's own deletion in whose place the file is missing, if it is missing; one without an answer may have
    /// been done as well.
    pub(crate) fn deletion(&self) -> Option<Version> {
        let open = Version(self.unanswered.load(SeqCst));
        let last = self.acknowledged();
        let deletion = if open.number() > last.number() { open } else { last };
        deletion.is_deletion().then_some(deletion)
    }

    /// The last success that the client was told of.
    pub(crate) fn acknowledged(&self) -> Version {
        Version(self.acknowledged.load(SeqCst))
    }
}

/// What happened, over all files of a cell.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) saves: AtomicU64,
    /// Saves that the saver itself has overwritten before anybody could look.
    pub(crate) superseded: AtomicU64,
    /// Saves that had to be made again, because a file came or went between two of their system calls.
    pub(crate) retried: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) created: AtomicU64,
    pub(crate) deleted: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Answers 409, by what they say.
    busy: Mutex<BTreeMap<String, u64>>,
    /// Servers that were killed, and writes that drew no answer because of it.
    pub(crate) kills: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    /// Answers of servers without writes after a kill; and those that hid a save behind something older.
    pub(crate) read: AtomicU64,
    pub(crate) hidden: AtomicU64,
    /// Reads that gave nothing to derive a version from: no file, half a file, or a weak tag.
    pub(crate) unusable: AtomicU64,
    /// Reads that gave an older version than the save that was complete before them.
    pub(crate) stale: AtomicU64,
    /// States that looked wrong and were right when everything stood still.
    pub(crate) passing: AtomicU64,
    /// Conflict copies, and those of them without which a save would have been lost.
    pub(crate) copies: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) lost: AtomicU64,
}

impl Figures {
    /// Counts an answer 409.
    pub(crate) fn busy(&self, why: &str) {
        let mut busy = self.busy.lock().expect("no client panics");
        *busy.entry(why.to_owned()).or_default() += 1;
    }

    /// What `cells` tells.
    pub(crate) const HEADING: [&str; 15] = [
        "saves",
        "per s",
        "kills",
        "PUT ok",
        "DELETE ok",
        "read-only",
        "HIDDEN",
        "412",
        "409",
        "unusable",
        "stale",
        "passing",
        "copies",
        "kept",
        "LOST",
    ];

    /// The figures after so much time, for a table.
    pub(crate) fn cells(&self, time: Duration) -> Vec<String> {
        let get = |figure: &AtomicU64| figure.load(SeqCst);
        let saves = get(&self.saves);
        let busy = self.busy.lock().expect("no client panics").values().sum();
        let per_second = (saves as f64 / time.as_secs_f64()) as u64;
        let of_clients =
            [&self.kills, &self.replaced, &self.deleted, &self.read, &self.hidden, &self.refused].map(get);
        let others =
            [&self.unusable, &self.stale, &self.passing, &self.copies, &self.kept, &self.lost].map(get);
        let all = [&[saves, per_second][..], &of_clients, &[busy], &others].concat();
        all.iter().map(u64::to_string).collect()
    }
}

/// Adds one.
pub(crate) fn count(figure: &AtomicU64) {
    figure.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}
