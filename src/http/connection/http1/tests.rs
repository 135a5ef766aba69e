//! The pace at which a connection hands out requests.

use actix_web::body::BoxBody;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\nHost: a\n\n";
const PUT: &str = "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nbytes";

/// What is handed out turn by turn of `sent`, written in pieces of `piece` bytes.
fn turns(sent: &str, piece: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut stream = TurnStream::new(server);
        let turn = stream.turn();
        let mut turns = vec![String::new()];
        let mut pieces = sent.as_bytes().chunks(piece);
        loop {
            let mut buffer = [0; 4096];
            let read = tokio::select! {
                biased;
                read = stream.read(&mut buffer) => read.unwrap(),
                () = std::future::ready(()) => match pieces.next() {
                    Some(piece) => { client.write_all(piece).await.unwrap(); continue }
                    None if turn.is_answering() => { turn.end(); turns.push(String::new()); continue }
                    None => break,
                },
            };
            turns.last_mut().unwrap().push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        turns.retain(|turn| !turn.is_empty());
        turns
    })
}

#[test]
fn pipelined_requests_come_one_at_a_time() {
    let trailers =
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456\r\n\n\r\n000;a\r\nX: y\r\n\r\n";
    let chunked = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbytes\r\n0\r\n\r\n";
    for (name, requests) in [
        ("one", vec![GET]),
        ("three", vec![GET, HEAD, GET]),
        ("a body with its head", vec![PUT, GET]),
        ("two bodies", vec![GET, PUT, PUT, HEAD]),
        ("blank lines between", vec![GET, "\r\n\r\nGET / HTTP/1.1\r\n\r\n", HEAD]),
        ("a chunked body", vec![GET, chunked, HEAD]),
        ("chunks with extensions and trailers", vec![trailers, GET]),
        (
            "an upgrade that is none, for a chunked body wins",
            vec![
                "PUT / HTTP/1.1\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbytes\r\n0\r\n\r\n",
                HEAD,
            ],
        ),
        ("an empty chunked body", vec!["PUT / HTTP/1.1\r\ntransfer-encoding:chunked\r\n\r\n0\r\n\r\n", HEAD]),
    ] {
        for piece in [1, 2, 3, 7, 50, 10_000] {
            assert_eq!(turns(&requests.concat(), piece), requests, "{name}, pieces of {piece}");
        }
    }
}

#[test]
fn a_large_body_is_handed_on_in_portions() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let length = 3 * PORTION;
        let (mut client, server) = tokio::io::duplex(length + 100);
        let mut stream = TurnStream::new(server);
        client
            .write_all(format!("PUT / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        client.write_all(&vec![b'x'; length]).await.unwrap();
        let mut space = vec![0; 8 * 1024];
        let mut stretches = vec![0];
        let mut left = length;
        std::future::poll_fn(|context| {
            while left > 0 {
                let mut buffer = ReadBuf::new(&mut space);
                let polled = Pin::new(&mut stream).poll_read(context, &mut buffer);
                if polled.is_pending() {
                    stretches.push(0);
                    return Poll::Pending;
                }
                let body = buffer.filled().iter().filter(|byte| **byte == b'x').count();
                left -= body;
                *stretches.last_mut().unwrap() += body;
            }
            Poll::Ready(())
        })
        .await;
        assert!(stretches.len() > 2, "{stretches:?}");
        assert!(stretches.iter().all(|stretch| *stretch <= PORTION + 16 * 1024), "{stretches:?}");
    });
}

#[test]
fn the_end_of_the_connection_is_noticed_while_answering() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut stream = TurnStream::new(server);
        client.write_all(GET.as_bytes()).await.unwrap();
        let mut buffer = [0; 4096];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), GET.len());
        drop(client);
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn the_end_of_the_connection_behind_a_body_waits_for_the_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut stream = TurnStream::new(server);
        client.write_all(PUT.as_bytes()).await.unwrap();
        drop(client);
        let (turn, mut buffer) = (stream.turn(), [0; 4096]);
        stream.read_exact(&mut buffer[..PUT.len()]).await.unwrap();
        let told = tokio::select! {
            biased;
            read = stream.read(&mut buffer) => Some(read.unwrap()),
            () = std::future::ready(()) => None,
        };
        assert_eq!(told, None, "the body may not have been read yet");
        turn.end();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(10);
        let mut stream = TurnStream::new(server);
        let began = tokio::time::Instant::now();
        // A slow one is not: it takes a little, and then the time runs anew.
        let (sent, ()) = tokio::join!(stream.write_all(&[0; 20]), async {
            tokio::time::sleep(Limits::DEFAULT.send - Duration::from_secs(1)).await;
            client.read_exact(&mut [0; 10]).await.unwrap();
        });
        assert!(sent.is_ok());
        let error = stream.write_all(&[0; 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= Limits::DEFAULT.send * 2 - Duration::from_secs(1));
    });
}

/// Sends a head that announces ten bytes and `body`, ends the turn, and reads to the end of the connection as it is
/// told; returns what came of the body, and how long that took.
async fn rest_of(body: &str) -> (String, Duration) {
    let (mut client, server) = tokio::io::duplex(1 << 10);
    let mut stream = TurnStream::new(server);
    client.write_all(b"PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\n").await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    stream.turn().end();
    client.write_all(body.as_bytes()).await.unwrap();
    let (began, mut rest) = (tokio::time::Instant::now(), String::new());
    stream.read_to_string(&mut rest).await.unwrap();
    (rest, began.elapsed())
}

#[test]
fn after_an_early_answer_the_connection_ends_with_the_body() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (rest, took) = rest_of("0123456789GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!((rest.as_str(), took), ("0123456789", Duration::ZERO), "a body that comes whole");
        let (rest, took) = rest_of("0123").await;
        assert_eq!((rest.as_str(), took >= REST_LIMIT), ("0123", true), "a body that does not go on");
    });
}

proptest! {
    #[test]
    fn no_byte_is_lost_or_altered(sent in "([A-Z]{1,3} /[ :\r\n]{0,3}|content-length: ?[0-9x]{1,2}|\r?\n){0,30}", piece in 1..40_usize) {
        let handed_out = turns(&sent, piece).concat();
        prop_assert_eq!(handed_out, sent);
    }
}

/// How long a connection lives on which `sent` arrives, a byte every two seconds, and what the client is told. A
/// complete request is answered at once.
async fn life_of(sent: &str) -> (String, Duration) {
    let (mut client, server) = tokio::io::duplex(1 << 10);
    let mut stream = TurnStream::new(server);
    let turn = stream.turn();
    let began = Instant::now();
    let mut buffer = [0; 1024];
    let mut bytes = sent.as_bytes().iter();
    loop {
        tokio::select! {
            biased;
            read = stream.read(&mut buffer) => {
                if read.unwrap() == 0 {
                    break;
                }
                if !stream.framing.is_amid_head() {
                    drop(turn.watch(BoxBody::new(())));
                    turn.end();
                    stream.flush().await.unwrap();
                }
            }
            () = tokio::time::sleep(Duration::from_secs(2)), if !bytes.as_slice().is_empty() => {
                client.write_all(std::slice::from_ref(bytes.next().unwrap())).await.unwrap();
            }
        }
    }
    let lived = began.elapsed();
    drop(stream);
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    (told.lines().next().unwrap_or_default().to_owned(), lived)
}

#[test]
fn who_asks_nothing_or_too_slowly_is_given_up() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let timeout = "HTTP/1.1 408 Request Timeout".to_owned();
        assert_eq!(life_of("").await, (String::new(), Limits::DEFAULT.head));
        // The first head counts from the beginning.
        assert_eq!(life_of("GET / HTTP/1.1\r\n").await, (timeout.clone(), Limits::DEFAULT.head));
        let short = "GET /\n\n";
        let sent = Duration::from_secs(2) * u32::try_from(short.len()).unwrap();
        assert_eq!(life_of(short).await.0, timeout, "a head of {sent:?}");
        let quick = "G\n\n";
        let sent = Duration::from_secs(2) * u32::try_from(quick.len()).unwrap();
        assert_eq!(life_of(quick).await, (String::new(), sent + Limits::DEFAULT.idle));
        // A later one counts from its first byte.
        let next = sent + Duration::from_secs(2);
        assert_eq!(life_of(&format!("{quick}GET / HTTP/1.1")).await, (timeout, next + Limits::DEFAULT.head));
        assert_eq!(
            life_of(&format!("{quick}{quick}")).await,
            (String::new(), 2 * sent + Limits::DEFAULT.idle)
        );
    });
}

/// Reads whatever comes until nothing does for so long.
async fn reads_for(stream: &mut (impl AsyncRead + Unpin), time: Duration) -> Option<usize> {
    let mut buffer = [0; 1024];
    tokio::time::timeout(time, stream.read(&mut buffer)).await.ok().map(Result::unwrap)
}

#[test]
fn the_time_between_requests_begins_when_the_answer_is_sent() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut stream = TurnStream::new(server);
        let (turn, second) = (stream.turn(), Duration::from_secs(1));
        // A body that takes its time outlives the timer that was set for the head.
        assert_eq!(reads_for(&mut stream, second).await, None);
        let (head, body) = PUT.split_at(PUT.len() - 5);
        client.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(reads_for(&mut stream, second).await, Some(head.len()));
        assert_eq!(reads_for(&mut stream, 20 * second).await, None);
        client.write_all(body.as_bytes()).await.unwrap();
        assert_eq!(reads_for(&mut stream, second).await, Some(body.len()));
        // The answer is made, and for long not sent; a part of the next head counts for nothing meanwhile.
        let answer = turn.watch(BoxBody::new("answer"));
        turn.end();
        stream.flush().await.unwrap();
        client.write_all(b"GET").await.unwrap();
        assert_eq!(reads_for(&mut stream, second).await, Some(3));
        assert_eq!(reads_for(&mut stream, 200 * second).await, None);
        // It is sent; from now on time counts, although nobody reads.
        drop(answer);
        stream.flush().await.unwrap();
        let sent = Instant::now();
        assert_eq!(reads_for(&mut stream, 200 * second).await, Some(0));
        assert!(sent.elapsed() <= Limits::DEFAULT.head, "{:?}", sent.elapsed());
    });
}

#[test]
fn what_nobody_answers_at_once_opens_the_connection_to_actix() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for (sent, wanted) in [(GET, Some(GET)), ("G", Some("G")), ("", None)] {
            let (mut client, server) = tokio::io::duplex(1 << 10);
            let mut stream = TurnStream::new(server);
            client.write_all(sent.as_bytes()).await.unwrap();
            if wanted.is_none() {
                drop(client);
            }
            let opening = std::future::poll_fn(|context| stream.poll_opening(context)).await.unwrap();
            assert_eq!(opening == Opening::Asked, wanted.is_some(), "{sent}");
            let Some(wanted) = wanted else { continue };
            let mut buffer = vec![0; wanted.len()];
            stream.read_exact(&mut buffer).await.unwrap();
            assert_eq!(std::str::from_utf8(&buffer), Ok(wanted));
        }
        // Who asks nothing is given up.
        let (_client, server) = tokio::io::duplex(1 << 10);
        let (mut stream, began) = (TurnStream::new(server), Instant::now());
        let opening = std::future::poll_fn(|context| stream.poll_opening(context)).await.unwrap();
        assert_eq!((opening, began.elapsed()), (Opening::Over, Limits::DEFAULT.head));
    });
}

/// Where the answer to the request before is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Sent,
    OnItsWay,
}

/// What the client gets of `written`, which actix writes while the answer to the request before is on its way or not.
async fn gets(written: &str, before: Before) -> String {
    let (mut client, server) = tokio::io::duplex(1 << 10);
    let mut stream = TurnStream::new(server);
    let (turn, mut buffer) = (stream.turn(), [0; 1024]);
    client.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(stream.read(&mut buffer).await.unwrap(), GET.len());
    if before == Before::OnItsWay {
        // actix has taken all of it, and not written it yet.
        drop(turn.watch(BoxBody::new("the answer before")));
        turn.end();
        client.write_all(GET.as_bytes()).await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), GET.len());
    }
    let ((), got) = tokio::join!(
        async {
            stream.write_all(written.as_bytes()).await.unwrap();
            drop(stream);
        },
        async {
            let mut got = String::new();
            client.read_to_string(&mut got).await.unwrap();
            got
        }
    );
    got
}

#[test]
fn a_refusal_of_actix_is_explained_and_bytes_that_look_like_one_are_left_alone() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for (written, reason) in [
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", "malformed"),
            ("HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n", "more header fields"),
        ] {
            let got = gets(written, Before::Sent).await;
            assert!(got.starts_with(&written[..12]) && got.contains(reason), "{got}");
            assert_eq!(gets(written, Before::OnItsWay).await, written, "they belong to the answer before");
        }
        for written in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1."] {
            assert_eq!(gets(written, Before::Sent).await, written);
        }
    });
}
