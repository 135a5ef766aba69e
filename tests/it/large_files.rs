//! Files above 1 MiB whose tag is not known: because nobody has read them yet, or because somebody is writing to them. A
//! client that asks once gets an answer from which it can go on.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::folder::set_modified_seconds;
use crate::harness::response::Ending;
use crate::harness::{Response, Server, get, head, version_bytes};

/// Larger than what can be hashed while a client waits for a moment.
const HUGE: u64 = 1 << 30;

const MODIFIED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

/// A server with a huge file that nobody has asked for yet.
fn with_cold_file() -> Server {
    let server = Server::start();
    let path = server.folder().path("film.mkv");
    fs::File::create(&path).unwrap().set_len(HUGE).unwrap();
    set_modified_seconds(&path, 1_700_000_000);
    server
}

#[track_caller]
fn assert_one_can_go_on(response: &Response) {
    assert_eq!(response.field("Accept-Ranges"), Some("bytes"), "{response}");
    assert_eq!(response.field("Last-Modified"), Some(MODIFIED), "{response}");
    assert_eq!(response.field("ETag"), None, "a tag that will be another one later\n{response}");
}

#[test]
fn a_cold_file_says_at_once_that_it_has_ranges_and_a_date() {
    let server = with_cold_file();
    let before = server.bytes_read();
    assert_one_can_go_on(&server.head("/film.mkv").expect(200));
    let mut client = server.connect();
    let question = get("/film.mkv");
    client.send(question.bytes());
    let mut response = client.try_read_head(&question).unwrap().expect(200);
    client.read_some(&mut response, 65536);
    assert_one_can_go_on(&response);
    for (range, first) in [("bytes=1000000000-1000000099", 1_000_000_000), ("bytes=-100", HUGE - 100)] {
        let part = server.ask(&get("/film.mkv").field("Range", range)).expect(206);
        assert_one_can_go_on(&part);
        let expected = format!("bytes {first}-{}/{HUGE}", first + 99);
        assert_eq!((part.field("Content-Range"), part.body.len()), (Some(expected.as_str()), 100), "{part}");
    }
    assert!(server.bytes_read() - before < HUGE, "it was hashed before");
}

#[test]
fn what_a_client_got_of_a_cold_file_is_good_for_its_next_questions() {
    let server = with_cold_file();
    let date = server.head("/film.mkv").field("Last-Modified").unwrap().to_owned();
    let part = get("/film.mkv").field("Range", "bytes=100-199");
    let resumed = server.ask(&part.clone().field("If-Range", &date)).expect(206);
    assert!(!resumed.tag().starts_with("W/"), "{resumed}");
    assert_eq!(resumed.field("Last-Modified"), Some(date.as_str()), "{resumed}");
    server.ask(&get("/film.mkv").field("If-Modified-Since", &date)).expect(304);
    server.ask(&head("/film.mkv").field("If-Modified-Since", &date)).expect(304);
    server.ask(&get("/film.mkv").field("If-None-Match", resumed.tag())).expect(304);
    // Once the bytes are others, the date is as well.
    let path = server.folder().path("film.mkv");
    fs::File::options().write(true).open(&path).unwrap().write_all(b"?").unwrap();
    set_modified_seconds(&path, 1_700_000_000);
    server.ask(&head("/film.mkv").field("If-Modified-Since", &date)).expect(200);
    server.ask(&part.field("If-Range", &date).only_head()).expect(200);
}

/// A log that is appended to a hundred times a second until the value is dropped.
struct Log {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Log {
    fn start(server: &Server) -> Log {
        server.folder().write_version("log", 1, 3 << 20);
        let (path, stop) = (server.folder().path("log"), Arc::new(AtomicBool::new(false)));
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        let stopping = Arc::clone(&stop);
        let writer = std::thread::spawn(move || {
            for line in 0.. {
                if stopping.load(Ordering::Relaxed) {
                    break;
                }
                writeln!(file, "line {line} of a log that is written to all the time").unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Log { path, stop, writer: Some(writer) }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            writer.join().unwrap();
        }
    }

    /// The first bytes of what the log has at the end.
    fn prefix(&mut self, length: usize) -> Vec<u8> {
        self.stop();
        let mut bytes = fs::read(&self.path).unwrap();
        bytes.truncate(length);
        bytes
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn the_end_of_a_log_that_is_written_to_all_the_time_is_the_end_at_this_moment() {
    let server = Server::start();
    let mut log = Log::start(&server);
    let tails: Vec<Response> =
        (0..5).map(|_| server.ask(&get("/log").field("Range", "bytes=-1000")).expect(206)).collect();
    for tail in &tails {
        let range = tail.field("Content-Range").unwrap();
        let length: usize = range.rsplit_once('/').unwrap().1.parse().unwrap();
        assert_eq!(range, format!("bytes {}-{}/{length}", length - 1000, length - 1));
        assert!(tail.tag().starts_with("W/") && tail.ending == Ending::Complete, "{tail}");
        assert!(log.prefix(length).ends_with(&tail.body), "{tail}");
    }
    assert!(tails.windows(2).all(|two| two[0].tag() != two[1].tag()), "a tag of no version");
}

#[test]
fn the_whole_of_a_log_that_is_written_to_all_the_time_is_what_it_was_at_one_moment() {
    let server = Server::start();
    let mut log = Log::start(&server);
    let whole = server.get("/log").expect(200);
    assert!(whole.tag().starts_with("W/") && whole.ending == Ending::Complete, "{whole}");
    assert!(whole.body.len() > 3 << 20, "{whole}");
    assert!(log.prefix(whole.body.len()) == whole.body, "{whole}");
}

#[test]
fn a_reader_slower_than_the_log_gets_what_was_there_when_it_asked() {
    let server = Server::start();
    let size = 32 << 20;
    let bytes = server.folder().write_version("log", 1, size);
    let mut log = fs::File::options().append(true).open(server.folder().path("log")).unwrap();
    let (mut client, question) = (server.connect(), get("/log"));
    client.send(question.bytes());
    let mut response = client.try_read_head(&question).unwrap().expect(200);
    while response.body.len() < size {
        log.write_all(b"a line\n").unwrap();
        let left = size - response.body.len();
        client.read_some(&mut response, left.min(2 << 20));
    }
    assert!(response.body == bytes, "{response}");
}

#[test]
fn a_log_that_is_emptied_or_written_over_while_it_is_sent_is_never_finished() {
    let server = Server::start();
    let path = server.folder().path("log");
    for change in [
        (|path| fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap()) as fn(&PathBuf),
        |path| fs::File::options().write(true).open(path).unwrap().write_all(b"others").unwrap(),
    ] {
        fs::write(&path, version_bytes(1, 32 << 20)).unwrap();
        let _log = fs::File::options().append(true).open(&path).unwrap();
        let (mut client, question) = (server.connect(), get("/log"));
        client.send(question.bytes());
        let mut response = client.try_read_head(&question).unwrap().expect(200);
        client.read_some(&mut response, 1000);
        change(&path);
        client.try_read_rest(&mut response).unwrap();
        assert_eq!(response.ending, Ending::Cut, "{response}");
    }
}
