//! The promises under load: nothing stale, nothing torn, whatever another process does to the files. The short versions
//! run always; the long ones with `--ignored`, as many rounds as `IFMATCH_STRESS_ROUNDS` says (20,000 by default).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fuzz::Sent;
use crate::harness::{
    Broken, Ending, Folder, How, Launch, Random, Response, Saver, Server, get, head, tag_of, version_bytes,
    version_of,
};

fn long_rounds() -> u64 {
    std::env::var("IFMATCH_STRESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000)
}

/// The places to test at, each with the ways of saving that it can tell of.
fn places() -> Vec<(&'static str, Arc<Folder>, &'static [How])> {
    let mut places: Vec<(_, _, &[How])> = vec![("temporary folder", Arc::new(Folder::new()), &How::ALL)];
    if let Some(folder) = Folder::on_tmpfs() {
        // Left out: a store through a mapping does not stamp a file on tmpfs (see `How::ON_TMPFS`).
        places.push(("tmpfs", Arc::new(folder), &How::ON_TMPFS));
    }
    places
}

/// Another process saves, and at once the file is asked for.
fn save_then_get(rounds: u64) {
    for (place, folder, hows) in places() {
        let server = Launch::new().start_in(folder);
        for how in hows {
            let name = format!("{how:?}");
            let (mut saver, mut client) = (Saver::start(), server.connect());
            let (mut stale, mut torn, mut wrong_tag) = (0, 0, 0);
            let path = server.folder().path(&name);
            server.folder().write_version(&name, 0, 4000);
            for round in 1..=rounds {
                saver.save(*how, &path, round, 4000);
                let response = client.ask(&get(format!("/{name}"))).expect(200);
                match version_of(&response.body) {
                    Some(version) if version == round => {}
                    Some(_) => stale += 1,
                    None => torn += 1,
                }
                wrong_tag += u64::from(response.tag() != tag_of(&response.body));
            }
            eprintln!("{place}, {how:?}: {rounds} saves, {stale} stale, {torn} torn, {wrong_tag} wrong tags");
            assert_eq!((stale, torn, wrong_tag), (0, 0, 0), "{place}, {how:?}");
        }
    }
}

/// What the answers were while the file was being saved over and over.
#[derive(Debug, Default)]
struct Figures {
    whole: AtomicU64,
    ranges: AtomicU64,
    resumed: AtomicU64,
    cut: AtomicU64,
    weak: AtomicU64,
    mixed: AtomicU64,
    false_tags: AtomicU64,
}

impl Figures {
    fn count(&self, which: fn(&Figures) -> &AtomicU64) {
        which(self).fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self, which: fn(&Figures) -> &AtomicU64) -> u64 {
        which(self).load(Ordering::Relaxed)
    }

    /// Judges a whole body.
    fn judge(&self, response: &Response, body: &[u8]) {
        match response.field("ETag") {
            Some(tag) if !tag.starts_with("W/") => {
                if tag != tag_of(body) {
                    self.count(|figures| &figures.false_tags);
                }
            }
            _ => self.count(|figures| &figures.weak),
        }
        if version_of(body).is_none() {
            self.count(|figures| &figures.mixed);
        }
    }
}

/// How many clients read at the same time.
const READERS: u64 = 3;

/// How many bytes of a large file a reader takes before it changes its mind.
const SOME: usize = 1 << 20;

/// Reads the file once: whole, or in two halves joined by If-Range.
fn read_once(server: &Server, name: &str, size: usize, random: &mut Random, figures: &Figures) {
    let mut client = server.connect();
    let request = get(format!("/{name}"));
    client.send(request.bytes());
    let mut response = match client.try_read_head(&request) {
        Ok(response) => response.expect_one_of(&[200, 404]),
        // Cut off before the head was sent.
        Err(Broken::Closed) => return figures.count(|figures| &figures.cut),
        Err(broken) => panic!("{broken:?}"),
    };
    if response.status == 404 {
        return; // Between unlink and create.
    }
    if random.one_in(2) || size < SOME {
        client.try_read_rest(&mut response).unwrap_or_else(|broken| panic!("{broken:?}"));
        if response.ending == Ending::Cut {
            return figures.count(|figures| &figures.cut);
        }
        figures.count(|figures| &figures.whole);
        figures.judge(&response, &response.body);
    } else {
        client.read_some(&mut response, SOME);
    }
    resume(server, name, &response, random, figures);
}

/// Asks for the rest under If-Range and joins it to what was read before.
fn resume(server: &Server, name: &str, begun: &Response, random: &mut Random, figures: &Figures) {
    let is_known = begun.field("ETag").is_some_and(|tag| !tag.starts_with("W/"));
    if !is_known || begun.body.len() < 2 {
        return;
    }
    let first = 1 + random.below(begun.body.len() - 1);
    let request =
        get(format!("/{name}")).field("Range", format!("bytes={first}-")).field("If-Range", begun.tag());
    let mut client = server.connect();
    client.send(request.bytes());
    let response = match client.try_read(&request) {
        Ok(response) => response.expect_one_of(&[200, 206, 404, 416]),
        Err(Broken::Closed) => return figures.count(|figures| &figures.cut),
        Err(broken) => panic!("{broken:?}"),
    };
    match (response.status, response.ending) {
        (_, Ending::Cut) => figures.count(|figures| &figures.cut),
        (206, _) => {
            figures.count(|figures| &figures.ranges);
            let joined = [&begun.body[..first], &response.body].concat();
            assert_eq!(response.tag(), begun.tag(), "a range of another version\n{response}");
            figures.judge(&response, &joined);
            figures.count(|figures| &figures.resumed);
        }
        (200, _) => {
            figures.count(|figures| &figures.whole);
            figures.judge(&response, &response.body);
        }
        _ => {}
    }
}

/// Readers against a saver, one file at a time.
fn torn(size: usize, reads: u64) {
    for (place, folder, hows) in places() {
        let server = Launch::new().start_in(folder);
        for how in hows {
            let name = format!("{how:?}");
            let path = server.folder().path(&name);
            server.folder().write_version(&name, 1, size);
            let figures = Figures::default();
            let mut saver = Saver::start();
            let pause = Duration::from_micros(if size < SOME { 500 } else { 30_000 });
            saver.keep_saving(*how, &path, size, pause);
            std::thread::scope(|scope| {
                for reader in 0..READERS {
                    let (server, name, figures) = (&server, &name, &figures);
                    scope.spawn(move || {
                        let mut random = Random::new(&format!("reader {reader}"));
                        for _ in 0..reads / READERS {
                            read_once(server, name, size, &mut random, figures);
                        }
                    });
                }
            });
            let done = saver.stop();
            eprintln!("{place}, {how:?}, {size} bytes: {done:?}, {figures:?}");
            assert_eq!(
                figures.get(|figures| &figures.false_tags),
                0,
                "{place}, {how:?}: a tag of other bytes"
            );
            // A saver that was not scheduled in the middle of a save shows a half-written file; the server gives up
            // waiting after 100 ms and truthfully serves what is there, to each reader once in that time.
            let mixed = figures.get(|figures| &figures.mixed);
            let excused = READERS * (done.slow + done.slow_millis / 60);
            assert!(
                mixed <= excused,
                "{place}, {how:?}: {mixed} mixed bodies, {excused} excused by {done:?}"
            );
            assert!(
                how != &How::Rename || mixed == 0,
                "{place}: {mixed} mixed bodies although every save was a rename"
            );
            settles(&server, &path, &name);
        }
    }
}

/// When the saver has stopped, the last version is served, under its strong tag.
fn settles(server: &Server, path: &Path, name: &str) {
    let bytes = std::fs::read(path).unwrap();
    assert!(version_of(&bytes).is_some(), "the saver left a broken file");
    server.get_settled(format!("/{name}")).expect_file(&bytes);
}

#[test]
fn nothing_is_stale_when_another_process_saves() {
    save_then_get(150);
}

#[test]
fn no_small_body_is_torn_while_another_process_saves() {
    torn(64 << 10, 300);
}

#[test]
fn no_large_body_is_torn_while_another_process_saves() {
    torn(8 << 20, 30);
}

#[test]
#[ignore = "long: IFMATCH_STRESS_ROUNDS saves of every kind"]
fn nothing_is_stale_in_very_many_saves() {
    save_then_get(long_rounds());
}

#[test]
#[ignore = "long: IFMATCH_STRESS_ROUNDS reads of every kind"]
fn no_small_body_is_torn_in_very_many_reads() {
    torn(64 << 10, long_rounds());
}

#[test]
#[ignore = "long: IFMATCH_STRESS_ROUNDS / 10 reads of every kind"]
fn no_large_body_is_torn_in_very_many_reads() {
    torn(8 << 20, long_rounds() / 10);
}

#[test]
#[ignore = "long: ten times IFMATCH_STRESS_ROUNDS requests"]
fn very_many_random_requests_are_all_answered() {
    crate::fuzz::fuzz(Sent::OneByOne, 5 * long_rounds() as usize, "very many, one by one");
    crate::fuzz::fuzz(Sent::Pipelined, 5 * long_rounds() as usize, "very many, pipelined");
}

#[test]
#[ignore = "long: a thousand connections and a gigabyte"]
fn a_thousand_gets_of_a_cold_large_file_read_it_once() {
    const SIZE: u64 = 1 << 30;
    let server = Server::start();
    std::fs::File::create(server.folder().path("large")).unwrap().set_len(SIZE).unwrap();
    let before = server.bytes_read();
    std::thread::scope(|scope| {
        for _ in 0..1000 {
            scope.spawn(|| {
                let mut client = server.connect();
                client.be_patient(Duration::from_secs(300));
                client.ask(&head("/large").field("If-None-Match", "\"other\"")).expect(200);
            });
        }
    });
    let read = server.bytes_read() - before;
    assert!(read < 3 * SIZE, "{} MiB were read to hash {} MiB", read >> 20, SIZE >> 20);
}

#[test]
fn a_version_is_told_from_its_neighbour() {
    // The judge itself must be able to say no.
    let (one, two) = (version_bytes(1, 4000), version_bytes(2, 4000));
    assert_eq!(version_of(&[&one[..2000], &two[2000..]].concat()), None);
    assert_eq!(version_of(&one[..0]), None);
}
