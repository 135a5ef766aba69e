//! When a connection ends.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Of which each limit has its own length.
fn limits() -> Limits {
    let [head, body, send, idle] = [20, 30, 60, 75].map(Duration::from_secs);
    Limits { head, body, send, idle, head_size: 100, ..Limits::DEFAULT }
}

fn over<S>(stream: S, stopped: impl Future<Output = ()> + 'static) -> Http2Stream<S> {
    let patience = Patience { idle: Box::new(|| limits().idle), limits: limits(), note: Box::new(|_| None) };
    Http2Stream::new(stream, stopped, patience)
}

fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[size[1], size[2], size[3], kind, flags, 0, 0, 0, 1], content].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const REQUEST: (u8, u8, &[u8]) = (1, 4, b"request");
const PING: (u8, u8, &[u8]) = (6, 0, b"12345678");

/// After how many seconds a connection ends on which the client sends this, and goes on to send `again` every five seconds.
fn ends_after(first: &[(u8, u8, &[u8])], again: &'static [(u8, u8, &[u8])]) -> u64 {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(10_000);
        let (mut stream, began) = (over(server, std::future::pending()), Instant::now());
        client.write_all(PREFACE).await.unwrap();
        for (kind, flags, content) in first {
            client.write_all(&frame(*kind, *flags, content)).await.unwrap();
        }
        let sending = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let all = again.iter().flat_map(|(kind, flags, content)| frame(*kind, *flags, content));
                client.write_all(&all.collect::<Vec<u8>>()).await.unwrap();
            }
        });
        let mut buffer = [0; 1000];
        while began.elapsed().as_secs() < 1000 && stream.read(&mut buffer).await.unwrap() > 0 {}
        sending.abort();
        began.elapsed().as_secs()
    })
}

#[test]
fn it_ends_when_nothing_is_asked_whatever_else_is_sent() {
    for (name, first, again, seconds) in [
        ("nothing", &[][..], &[][..], 75),
        ("a request", &[REQUEST], &[], 75),
        ("pings", &[REQUEST], &[PING], 75),
        ("windows", &[REQUEST], &[(8, 0, &[0, 0, 0, 1])], 75),
        ("requests", &[], &[REQUEST], 1000),
        ("content", &[REQUEST], &[(0, 0, b"x")], 1000),
        ("content without bytes", &[REQUEST], &[(0, 0, b"")], 75),
        ("a head that does not end", &[(1, 0, b"x")], &[], 20),
        ("a head that goes on without end", &[(1, 0, b"x")], &[(9, 0, b"")], 20),
        ("a head behind a request", &[REQUEST, (1, 0, b"x")], &[(9, 0, b"y")], 20),
        (
            "heads that end just when the next one begins",
            &[(1, 0, b"x")],
            &[(9, 4, b"y"), (1, 0, b"x")],
            1000,
        ),
    ] {
        let ended = ends_after(first, again);
        assert!((seconds..seconds + 6).contains(&ended), "{name}: {ended}");
    }
}

#[test]
fn it_ends_soon_when_the_server_is_to_stop_and_when_nobody_takes_what_is_written() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut buffer = [0; 100];
        let (_client, server) = tokio::io::duplex(100);
        let second = Duration::from_secs(1);
        let (mut stream, began) = (over(server, tokio::time::sleep(second)), Instant::now());
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(began.elapsed().as_secs(), (second + DRAIN_LIMIT).as_secs());

        let (_client, server) = tokio::io::duplex(100);
        let (mut stream, began) = (over(server, std::future::pending()), Instant::now());
        let written = stream.write_all(&frame(0, 0, &[0; 1000])).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), limits().idle.as_secs());

        // An answer keeps it alive; that to a ping is none.
        let (_client, server) = tokio::io::duplex(10_000);
        let (mut stream, began) = (over(server, std::future::pending()), Instant::now());
        tokio::time::sleep(limits().idle / 2).await;
        stream.write_all(&frame(0, 0, b"answer")).await.unwrap();
        tokio::time::sleep(limits().idle / 2).await;
        stream.write_all(&frame(6, 1, b"12345678")).await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(began.elapsed().as_secs(), (limits().idle * 3 / 2).as_secs());
    });
}

/// Whether the frames, which follow the preface in pieces of `piece` bytes, have a head of more than 100 bytes.
fn is_too_large(frames: &[(u8, u8, usize)], piece: usize) -> bool {
    let frames = frames.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, &vec![1; *length]));
    let bytes: Vec<u8> = PREFACE.iter().copied().chain(frames).collect();
    let mut questions = Questions::new(100);
    bytes.chunks(piece).any(|piece| questions.read(piece) == Brought::TooMuch)
}

#[test]
fn a_head_is_measured_over_all_its_frames() {
    for (name, frames, wanted) in [
        ("none", &[][..], false),
        ("one that just fits", &[(1, 4, 100)], false),
        ("one that does not", &[(1, 4, 101)], true),
        ("in two frames", &[(1, 0, 60), (9, 4, 41)], true),
        ("in many that fit", &[(1, 0, 50), (9, 0, 25), (9, 4, 25)], false),
        ("many heads", &[(1, 4, 90), (1, 5, 90), (1, 4, 90)], false),
        ("trailers", &[(1, 4, 90), (0, 0, 5000), (1, 5, 90)], false),
        ("content is none", &[(0, 1, 16_384), (4, 0, 6), (0, 0, 16_384)], false),
        ("behind other frames", &[(4, 0, 6), (0, 0, 3), (1, 0, 0), (9, 0, 200)], true),
    ] {
        for piece in [1, 2, 9, 10, 50, 1_000_000] {
            assert_eq!(is_too_large(frames, piece), wanted, "{name}, in pieces of {piece}");
        }
    }
}

#[test]
fn a_client_that_gets_refusals_only_is_given_up_and_no_other_one() {
    let refusals = |count: usize| frame(3, 0, &[0, 0, 0, 7]).repeat(count);
    let mut answers = Answers::new();
    answers.write(&refusals(900));
    // An answer in between.
    assert!(answers.write(&frame(1, 4, b"x")) && !answers.are_refusals());
    assert!(!answers.write(&refusals(900)) && !answers.are_refusals());
    answers.write(&refusals(200));
    assert!(answers.are_refusals());
}
