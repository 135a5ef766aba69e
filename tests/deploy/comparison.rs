//! What validators and conditional writes of nginx and Apache httpd can do and cannot, next to ours: each line of the table in
//! `docs/comparison.md` is found out here, of the real servers.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::contenders::{Contender, KINDS, Kind, THEN};
use crate::debian::Program;
use crate::exchange;
use crate::figures::{settle, table};
use crate::harness::{Client, Ending, get, head, version_bytes};
use crate::harness::{content::version_of, folder::set_modified_seconds};
use crate::writes::WRITES;

/// Something to find out.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    /// What it must find of ifmatch.
    pub(crate) good: &'static str,
    pub(crate) find: fn(&Contender) -> String,
}

const READS: &[Probe] = &[
    Probe { name: "the tag of a file", good: "strong", find: strength },
    Probe { name: "… changed at this very moment", good: "strong", find: strength_of_the_new },
    Probe { name: "`touch`; GET, If-None-Match: the tag from before", good: "304", find: touched },
    Probe {
        name: "a copy of the file with another time (`cp`, `git checkout`)",
        good: "the same tag",
        find: copied,
    },
    Probe {
        name: "other bytes, same size, time set back; GET, If-None-Match: the tag from before",
        good: "200, new bytes",
        find: rewritten_with_time_set_back,
    },
    Probe {
        name: "other bytes, same size, within the same second; the same GET",
        good: "200, new bytes",
        find: rewritten_within_the_second,
    },
    Probe { name: "a download is resumed (If-Range) after `touch`", good: "206", find: resumed_after_touch },
    Probe {
        name: "a download is resumed (If-Range) after other bytes came, time set back",
        good: "200, the new file",
        find: resumed_after_change,
    },
    Probe {
        name: "a download of 64 MiB, during which the file is overwritten in place",
        good: "is cut off",
        find: changed_while_sent,
    },
    Probe {
        name: "processor time of ten 304s for an unchanged file of 64 MiB",
        good: "less than 0.1 s",
        find: cost_of_304,
    },
    Probe { name: "the tag of the answer compressed with gzip", good: "is not compressed", find: compressed },
];

#[test]
fn ifmatch_keeps_what_the_comparison_says_and_others_do_what_it_says() {
    let probes: Vec<&Probe> = READS.iter().chain(WRITES).collect();
    let of_kind = |kind: Kind| {
        let contender = Contender::start(kind);
        probes.iter().map(|probe| (probe.find)(&contender)).collect::<Vec<_>>()
    };
    let columns: Vec<Vec<String>> = std::thread::scope(|scope| {
        let columns = KINDS.map(|kind| scope.spawn(move || of_kind(kind)));
        columns.into_iter().map(|column| column.join().expect("a server that can be measured")).collect()
    });
    let good: Vec<&str> = probes.iter().map(|probe| probe.good).collect();
    assert_eq!(columns[0], good, "ifmatch");
    let row = |at: usize| columns.iter().map(|column| column[at].clone()).collect::<Vec<_>>();
    let rows: Vec<(&str, Vec<String>)> =
        probes.iter().enumerate().map(|(at, probe)| (probe.name, row(at))).collect();
    // A probe that finds the same of everybody compares nothing.
    let even: Vec<&str> = rows
        .iter()
        .filter(|(_, cells)| cells.iter().all(|cell| cell == &cells[0]))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(even, EVEN);
    let headings: Vec<&str> = [""].into_iter().chain(KINDS.map(Kind::heading)).collect();
    settle(
        "comparison.md",
        "servers",
        &[Program::Nginx.version(), Program::Apache.version()],
        &table(&headings, &rows),
    );
}

/// What all do alike, and rightly.
const EVEN: &[&str] = &["the tag of a file", "PUT, If-Match: the current tag", "an upload that breaks off"];

const SIZE: usize = 100_000;

fn strength(contender: &Contender) -> String {
    contender.save("strength.bin", version_bytes(1, SIZE), THEN);
    strength_of(&contender.tag("/strength.bin"))
}

/// The time is a minute ahead, so that the moment is not over when the file is asked for.
fn strength_of_the_new(contender: &Contender) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    contender.save("new.bin", version_bytes(1, SIZE), now as i64 + 60);
    strength_of(&contender.tag("/new.bin"))
}

fn strength_of(tag: &str) -> String {
    if tag.starts_with("W/") { "weak" } else { "strong" }.to_owned()
}

/// A GET with a tag from before, of a file that is of this version now.
fn revalidated(contender: &Contender, target: &str, tag: &str, now: u64) -> String {
    let response = contender.ask(&get(target).field("If-None-Match", tag));
    let new = response.body == version_bytes(now, SIZE);
    match (response.status, now) {
        (304, 1) => "304".to_owned(),
        (304, _) => "**304: stale**".to_owned(),
        (200, 1) if new => "200, all of it again".to_owned(),
        (200, _) if new => "200, new bytes".to_owned(),
        (status, _) => format!("{status}, other bytes"),
    }
}

fn touched(contender: &Contender) -> String {
    let path = contender.save("touched.bin", version_bytes(1, SIZE), THEN);
    let tag = contender.tag("/touched.bin");
    set_modified_seconds(&path, THEN + 100);
    revalidated(contender, "/touched.bin", &tag, 1)
}

fn copied(contender: &Contender) -> String {
    contender.save("one.bin", version_bytes(1, SIZE), THEN);
    contender.save("copy.bin", version_bytes(1, SIZE), THEN + 100);
    match contender.tag("/one.bin") == contender.tag("/copy.bin") {
        true => "the same tag".to_owned(),
        false => "another tag".to_owned(),
    }
}

fn rewritten_with_time_set_back(contender: &Contender) -> String {
    contender.save("back.bin", version_bytes(1, SIZE), THEN);
    let tag = contender.tag("/back.bin");
    contender.save("back.bin", version_bytes(2, SIZE), THEN);
    revalidated(contender, "/back.bin", &tag, 2)
}

/// Two saves a quarter of a second apart.
fn rewritten_within_the_second(contender: &Contender) -> String {
    let path = contender.save("second.bin", version_bytes(1, SIZE), THEN);
    let tag = contender.tag("/second.bin");
    contender.save("second.bin", version_bytes(2, SIZE), THEN);
    let time = UNIX_EPOCH + Duration::from_secs(THEN as u64) + Duration::from_millis(250);
    crate::harness::folder::set_modified(&path, time);
    revalidated(contender, "/second.bin", &tag, 2)
}

/// The second half, for a client that has the first half of version 1.
fn resumed(contender: &Contender, target: &str, tag: &str, now: u64) -> String {
    let half = SIZE / 2;
    let response =
        contender.ask(&get(target).field("Range", format!("bytes={half}-")).field("If-Range", tag));
    let all = version_bytes(now, SIZE);
    match (response.status, now) {
        (206, 1) if response.body == all[half..] => "206".to_owned(),
        (206, _) => "**206: two files in one**".to_owned(),
        (200, 1) if response.body == all => "200, all of it again".to_owned(),
        (200, _) if response.body == all => "200, the new file".to_owned(),
        (status, _) => status.to_string(),
    }
}

fn resumed_after_touch(contender: &Contender) -> String {
    let path = contender.save("resumed.bin", version_bytes(1, SIZE), THEN);
    let tag = contender.tag("/resumed.bin");
    set_modified_seconds(&path, THEN + 100);
    resumed(contender, "/resumed.bin", &tag, 1)
}

fn resumed_after_change(contender: &Contender) -> String {
    contender.save("spliced.bin", version_bytes(1, SIZE), THEN);
    let tag = contender.tag("/spliced.bin");
    contender.save("spliced.bin", version_bytes(2, SIZE), THEN);
    resumed(contender, "/spliced.bin", &tag, 2)
}

/// What the kernel buffers for a reader who does not read is less than the file.
fn changed_while_sent(contender: &Contender) -> String {
    const LARGE: usize = 64 << 20;
    let path = contender.save("large.bin", version_bytes(1, LARGE), THEN);
    // A tag is named, so that nobody answers before he knows the own one.
    let request = get("/large.bin").field("If-None-Match", "\"none\"").field("Connection", "close");
    let mut client = Client::connect(contender.address());
    client.send(request.bytes());
    let mut response = client.try_read_head(&request).expect("an answer");
    // Not truncated before: that might be noticed.
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all(&version_bytes(2, LARGE)).unwrap();
    exchange::read_rest(&mut client, &mut response);
    match (response.ending, version_of(&response.body)) {
        (Ending::Cut, _) => "is cut off".to_owned(),
        (_, Some(version)) => format!("is version {version}"),
        (_, None) => "**ends well, and is a mixture**".to_owned(),
    }
}

/// To read 640 MiB and to hash them takes more than a tenth of a second, whatever the machine.
fn cost_of_304(contender: &Contender) -> String {
    const LARGE: usize = 64 << 20;
    const A_TENTH_OF_A_SECOND: u64 = 10;
    contender.save("cost.bin", version_bytes(1, LARGE), THEN);
    // Twice: the first time it may be read.
    contender.ask(&head("/cost.bin").field("If-None-Match", "\"none\""));
    let tag = contender.ask(&head("/cost.bin").field("If-None-Match", "\"none\"")).tag();
    let before = contender.ticks();
    for _ in 0..10 {
        assert_eq!(contender.ask(&get("/cost.bin").field("If-None-Match", &tag)).status, 304);
    }
    match contender.ticks() - before {
        ..A_TENTH_OF_A_SECOND => "less than 0.1 s".to_owned(),
        _ => "more than 0.1 s".to_owned(),
    }
}

fn compressed(contender: &Contender) -> String {
    contender.save("words.txt", "words, words\n".repeat(10_000), THEN);
    let plain = contender.tag("/words.txt");
    let response = contender.ask(&get("/words.txt").field("Accept-Encoding", "gzip"));
    if response.field("Content-Encoding").is_none() {
        return "is not compressed".to_owned();
    }
    let again = get("/words.txt").field("Accept-Encoding", "gzip").field("If-None-Match", response.tag());
    let again = contender.ask(&again).status;
    let how = match response.tag() {
        tag if tag == plain => "the same, for other bytes",
        tag if tag == format!("W/{plain}") => "weak",
        _ => "`-gzip` behind it",
    };
    format!("{how}; If-None-Match: {again}")
}
