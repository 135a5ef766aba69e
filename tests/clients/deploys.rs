//! `rsync` and `git checkout` put releases into the folder, forward and back, while clients read it. Every answer is a
//! whole file of a release that was there between the question and the answer; once a deploy has ended, nothing of
//! the release before is told any more, neither as bytes nor as 304.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::{
    Folder, Random, Request, Response, Server, eventually, get, tag_of, version_bytes, version_of,
};
use crate::programs::{command, need, printed, serving};

/// The files of a release, and their sizes: below and above what is kept in memory.
const FILES: [(&str, usize); 8] = [
    ("a.html", 120),
    ("b.css", 5_000),
    ("c.js", 70_000),
    ("d.png", 300_000),
    ("e.json", 900),
    ("f.svg", 20_000),
    ("large.bin", 3 << 20),
    ("other.bin", 2 << 20),
];

/// The releases that are deployed one after the other; some are taken back.
const DEPLOYS: [u64; 14] = [1, 2, 3, 2, 4, 1, 5, 4, 5, 6, 7, 1, 8, 9];

const READERS: usize = 3;

/// The version of a file in a release: each release changes half of them.
fn version_in(file: usize, release: u64) -> u64 {
    release - (release + file as u64) % 2
}

/// What a way of deploying does to a file before the new one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    /// It is the old one: the new one is renamed over it.
    Old,
    /// It is missing, and then written: for an instant it is not there, and one that git does not get on with (its
    /// process was not scheduled, say) is answered as it stands.
    MissingOrUnfinished,
}

/// How far the deploys are: the numbers of those that have begun and ended. The first has ended before anybody reads.
#[derive(Default)]
struct Progress {
    begun: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
    /// How many answers there were, and how many of them while a deploy was under way.
    answers: AtomicUsize,
    during: AtomicUsize,
}

/// What a reader keeps of a file.
struct Kept {
    version: u64,
    tag: Option<String>,
    date: Option<String>,
}

impl Kept {
    fn of(version: u64, answer: &Response) -> Kept {
        Kept {
            version,
            tag: answer.field("ETag").map(str::to_owned),
            date: answer.field("Last-Modified").map(str::to_owned),
        }
    }
}

/// A client that keeps what it has read, and asks whether it still holds: by tag, by date, or not at all.
struct Reader<'a> {
    server: &'a Server,
    progress: &'a Progress,
    between: Between,
    random: Random,
    kept: HashMap<usize, Kept>,
}

impl Reader<'_> {
    fn read_until_the_end(mut self) {
        let mut client = self.server.connect();
        while !self.progress.over.load(Ordering::SeqCst) {
            let file = self.random.below(FILES.len());
            let question = self.question(file);
            let ended = self.progress.ended.load(Ordering::SeqCst);
            let answer = client.ask(&question);
            let begun = self.progress.begun.load(Ordering::SeqCst);
            self.judge(file, &DEPLOYS[ended..=begun], answer);
            self.progress.answers.fetch_add(1, Ordering::SeqCst);
            self.progress.during.fetch_add(usize::from(ended < begun), Ordering::SeqCst);
        }
    }

    fn question(&mut self, file: usize) -> Request {
        let question = get(format!("/app/{}", FILES[file].0));
        match (self.kept.get(&file), self.random.below(3)) {
            (Some(Kept { tag: Some(tag), .. }), 0) => question.field("If-None-Match", tag),
            (Some(Kept { date: Some(date), .. }), 1) => question.field("If-Modified-Since", date),
            _ => question,
        }
    }

    /// Panics unless the answer tells of the file in one of these releases.
    fn judge(&mut self, file: usize, releases: &[u64], answer: Response) {
        let (name, size) = FILES[file];
        let possible: Vec<u64> = releases.iter().map(|release| version_in(file, *release)).collect();
        let between = self.between == Between::MissingOrUnfinished && releases.len() > 1;
        match answer.status {
            200 => match version_of(&answer.body) {
                Some(version) => {
                    assert!(possible.contains(&version), "{name} {version}, not of {possible:?}\n{answer}");
                    // A large file has none before it is hashed.
                    let is_right = |tag: &str| tag == tag_of(&answer.body) || tag.starts_with("W/");
                    assert!(answer.field("ETag").is_none_or(is_right), "{answer}");
                    self.kept.insert(file, Kept::of(version, &answer));
                }
                None => {
                    let begins = |version: &u64| version_bytes(*version, size).starts_with(&answer.body);
                    assert!(between && possible.iter().any(begins), "{name} is torn\n{answer}");
                }
            },
            304 => {
                let version = self.kept[&file].version;
                assert!(possible.contains(&version), "{name} {version}, not of {possible:?}\n{answer}");
            }
            404 | 503 => assert!(between, "{name} of {releases:?}\n{answer}"),
            _ => panic!("{name} of {releases:?}\n{answer}"),
        }
    }
}

/// Writes a release to a folder.
fn write_release(folder: &Path, release: u64) {
    fs::create_dir_all(folder).unwrap();
    for (file, (name, size)) in FILES.into_iter().enumerate() {
        fs::write(folder.join(name), version_bytes(version_in(file, release), size)).unwrap();
    }
}

/// Lets `READERS` clients read while `deploy` puts one release after the other into the folder.
fn deploy_among_readers(between: Between, server: &Server, deploy: impl Fn(u64)) {
    let (progress, mut random) = (Progress::default(), Random::new("the readers of a deploy"));
    deploy(DEPLOYS[0]);
    thread::scope(|scope| {
        // Also when a check fails: otherwise the readers would go on for ever.
        let end = at_the_end_set(&progress.over);
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let random = random.split();
            let reader = Reader { server, progress: &progress, between, random, kept: HashMap::new() };
            readers.push(scope.spawn(move || reader.read_until_the_end()));
        }
        for (number, release) in DEPLOYS.into_iter().enumerate().skip(1) {
            let before = progress.answers.load(Ordering::SeqCst);
            eventually("the readers have read", || {
                let answers = progress.answers.load(Ordering::SeqCst);
                (answers >= before + 50 || readers.iter().any(|reader| reader.is_finished())).then_some(())
            });
            progress.begun.store(number, Ordering::SeqCst);
            deploy(release);
            progress.ended.store(number, Ordering::SeqCst);
            for (file, (name, size)) in FILES.into_iter().enumerate() {
                let answer = server.get_settled(format!("/app/{name}"));
                answer.expect_file(&version_bytes(version_in(file, release), size));
            }
        }
        drop(end);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert!(progress.during.load(Ordering::SeqCst) > 0, "nobody has read during a deploy");
}

/// Sets the flag when it is dropped.
fn at_the_end_set(flag: &AtomicBool) -> impl Drop {
    struct Guard<'a>(&'a AtomicBool);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    Guard(flag)
}

#[test]
fn rsync_deploys_while_clients_read() {
    need("rsync", "rsync");
    let mut server = serving();
    let folder = server.folder().clone();
    let app = folder.folder("app");
    deploy_among_readers(Between::Old, &server, |release| {
        let build = folder.outside(&format!("release-{release}"));
        write_release(&build, release);
        // Two releases may have files of the same size and time, which rsync would take for the same.
        let mut rsync = command(&folder, "rsync");
        rsync.args(["-a", "--checksum", "--delete"]).arg(build.join("")).arg(&app);
        assert_eq!(printed(&mut rsync), "");
    });
    server.assert_well();
}

/// git in this folder, with an author.
fn git(folder: &Folder, place: &Path, arguments: &[&str]) {
    let mut git = command(folder, "git");
    git.args([
        "-c",
        "user.name=Example",
        "-c",
        "user.email=example@example.org",
        "-c",
        "init.defaultBranch=main",
    ]);
    git.arg("-C").arg(place).args(arguments);
    assert_eq!(printed(&mut git), "");
}

#[test]
fn git_checks_out_while_clients_read() {
    need("git", "git");
    let mut server = serving();
    let folder = server.folder().clone();
    let app = folder.folder("app");
    git(&folder, &app, &["init", "-q"]);
    for release in 1..=DEPLOYS.into_iter().max().unwrap() {
        write_release(&app, release);
        git(&folder, &app, &["add", "."]);
        git(&folder, &app, &["commit", "-q", "-m", "a release"]);
        git(&folder, &app, &["tag", &format!("release-{release}")]);
    }
    deploy_among_readers(Between::MissingOrUnfinished, &server, |release| {
        git(&folder, &app, &["checkout", "-q", &format!("release-{release}")]);
    });
    server.get("/app/.git/HEAD").expect(404);
    server.assert_well();
}
