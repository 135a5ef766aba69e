//! The saver of a contest, and the judge of what became of each of its saves. After every save it waits for the
//! operation in flight, and looks whether the save is still there: as it was, or as a version derived from it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::content::{version_bytes, version_of};
use crate::random::Random;
use crate::saver::{self, How};
use crate::watch;

use super::contest::{Contest, Figures, Version, count};
use super::story::Event;
use super::{Algorithm, Dates, Kind, Options, QUARANTINE};

/// One save in so many is not looked after, but followed by another one, maybe within the same operation, or while no
/// server is there.
const BURSTS: usize = 3;

/// Between the two halves of a slow save.
const SLOW: Duration = Duration::from_millis(2);

/// How long a conflict copy may be in coming.
const PATIENCE: Duration = Duration::from_secs(8);

/// What the file is found to be.
#[derive(Debug)]
enum Found {
    Version(Version),
    Missing,
    Torn(usize),
}

/// Saves so often, and judges.
pub(crate) fn work(
    contest: &Contest,
    figures: &Figures,
    saves: u64,
    kind: Kind,
    options: &Options,
    random: &mut Random,
) {
    let worker = watch::Worker::new(format!("saver of {}", contest.name));
    for token in 2..saves + 2 {
        if watch::enough() {
            return;
        }
        worker.begins("save", token);
        save(contest, figures, kind, token, random);
        if options.dates == Dates::Old {
            make_old(&contest.path, random);
        }
        contest.saved.store(token, SeqCst);
        count(&figures.saves);
        if token <= saves && random.one_in(BURSTS) {
            count(&figures.superseded);
            std::thread::sleep(Duration::from_micros(random.next() % (contest.lasting() + 1)));
            continue;
        }
        worker.begins("waiting for the operation in flight after save", token);
        contest.wait_for_the_operation();
        // The next save comes at any instant of the next operation. What an operation that has begun after the save
        // does to it is seen as well.
        let longest = options.pause.unwrap_or_else(|| contest.lasting() * 3 / 2);
        std::thread::sleep(Duration::from_micros(random.next() % (longest + 1)));
        if judge(contest, token).is_err() {
            worker.begins("looking closer at save", token);
            contest.alone(|| look_closer(contest, figures, token, options.algorithm));
        }
    }
}

/// Saves a token. What comes between two system calls of a save makes it begin again, as a program would.
fn save(contest: &Contest, figures: &Figures, kind: Kind, token: u64, random: &mut Random) {
    let bytes = version_bytes(Version::saved(token).0, contest.size);
    let begun = Instant::now();
    loop {
        let how = kind.how(random);
        contest.story.tell(Event::SaveBegins(token, how.map_or("slow", How::name)));
        let saved = match how {
            Some(how) => saver::save(how, &contest.path, &bytes),
            None => save_slowly(&contest.path, &bytes),
        };
        match saved {
            Ok(()) => return contest.story.tell(Event::SaveEnds(token)),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound)
                    && begun.elapsed() < PATIENCE =>
            {
                count(&figures.retried);
            }
            Err(error) => return watch::broken(format!("{}: save {token}: {error}", contest.name)),
        }
    }
}

/// Dates the file before 1970. When it is gone, or another one, meanwhile, that harms nobody.
fn make_old(path: &Path, random: &mut Random) {
    let before = Duration::new(random.next() % (1 << 31), (random.next() % 1_000_000_000) as u32);
    if let (Ok(file), Some(time)) = (File::open(path), UNIX_EPOCH.checked_sub(before)) {
        let _ = file.set_modified(time);
    }
}

fn save_slowly(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    let (one, other) = bytes.split_at(bytes.len() / 2);
    file.write_all(one)?;
    std::thread::sleep(SLOW);
    file.write_all(other)
}

/// Is the save there, and the last acknowledged write that was derived from it? The error says what is there instead.
fn judge(contest: &Contest, token: u64) -> Result<(), String> {
    // What is acknowledged before the file is read must be there.
    let last = contest.acknowledged();
    let found = match fs::read(&contest.path) {
        Ok(bytes) => {
            version_of(&bytes).map_or(Found::Torn(bytes.len()), |found| Found::Version(Version(found)))
        }
        Err(_) => Found::Missing,
    };
    let of_this_save = last.root() == token;
    match found {
        Found::Version(found)
            if found.root() == token && !(of_this_save && found.number() < last.number()) =>
        {
            Ok(())
        }
        Found::Missing if contest.deletion().is_some_and(|deletion| deletion.root() == token) => Ok(()),
        Found::Version(found) => Err(format!("{found} is there; the last acknowledged is {last}")),
        Found::Missing => Err(format!("the file is missing; the last acknowledged is {last}")),
        Found::Torn(length) => Err(format!("{length} bytes of no version; the last acknowledged is {last}")),
    }
}

/// Judges while no operation is in flight, and looks for a conflict copy before it calls the save lost.
fn look_closer(contest: &Contest, figures: &Figures, token: u64, algorithm: Algorithm) {
    let Err(why) = judge(contest, token) else { return count(&figures.passing) };
    let story = contest.story.to_string();
    if algorithm == Algorithm::Naive {
        return count(&figures.lost);
    }
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if take_copy(contest, figures, token) {
            return count(&figures.kept);
        }
        if judge(contest, token).is_ok() {
            return count(&figures.passing);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    count(&figures.lost);
    watch::broken(format!("{}: save {token} is lost: {why}{story}", contest.path.display()));
}

/// Finds the conflict copy that holds this save, and removes it.
fn take_copy(contest: &Contest, figures: &Figures, token: u64) -> bool {
    let Some(folder) = contest.path.parent() else { return false };
    for copy in copies(folder, &contest.name) {
        let version = fs::read(&copy).ok().and_then(|bytes| version_of(&bytes));
        if version == Some(Version::saved(token).0) {
            count(&figures.copies);
            // It may be counted twice when it cannot be removed, which harms nobody.
            let _ = fs::remove_file(&copy);
            return true;
        }
    }
    false
}

/// The conflict copies of a file.
fn copies(folder: &Path, name: &str) -> Vec<PathBuf> {
    let prefix = format!("{}.conflict-", name.trim_end_matches(".txt"));
    names(folder)
        .into_iter()
        .filter(|other| other.starts_with(&prefix))
        .map(|other| folder.join(other))
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the served folder");
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

/// When all is over: counts the conflict copies that nobody needed, and looks for names that should not be there.
pub(crate) fn look_around(folder: &Path, contests: &[Contest], figures: &Figures) {
    let begun = Instant::now();
    let reserved = |names: &[String]| names.iter().filter(|name| name.starts_with(".~ifmatch.")).count();
    while reserved(&names(folder)) > 0 && begun.elapsed() < QUARANTINE {
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = reserved(&names(folder));
    if left > 0 {
        watch::broken(format!("{left} reserved names are left in {} at the end", folder.display()));
    }
    for contest in contests {
        figures.copies.fetch_add(copies(folder, &contest.name).len() as u64, Relaxed);
    }
    for name in names(folder) {
        let known = contests.iter().any(|contest| contest.name == name);
        if !known && !name.starts_with(".~ifmatch.") && !name.contains(".conflict-") {
            watch::broken(format!("a strange name is left in {}: {name}", folder.display()));
        }
    }
}
