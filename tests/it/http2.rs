//! Clients of HTTP/2 that mean harm, frame by frame (RFC 9113), over a connection that openssl encrypts.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::harness::{PATIENCE, Server, eventually};
use crate::tls::{curl, launch, serving};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `:method: GET`, `:scheme: https`, `:path: /file` and `:authority: localhost`, as HPACK has them (RFC 7541).
const GET_FILE: &[u8] = b"\x82\x87\x44\x05/file\x41\x09localhost";

/// A frame from the server.
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A connection on which any frame can be sent.
struct Http2 {
    openssl: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<Frame>,
    /// The settings that the server has told first.
    settings: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The status of an answer, whose first field it is: one of the static table, or a literal that may be Huffman-coded.
fn status(block: &[u8]) -> String {
    // The new size of the table, which stands in front once.
    let block = block.strip_prefix(b"\x20").unwrap_or(block);
    match block[0] {
        0x88 => "200".to_owned(),
        0x48 | 0x08 if block[1] & 0x80 == 0 => String::from_utf8_lossy(&block[2..5]).into_owned(),
        0x48 | 0x08 => {
            // The digits that statuses have here: `0` to `2` have five bits, the others six (RFC 7541, appendix B).
            let bits = block[2..]
                .iter()
                .take(usize::from(block[1] & 0x7f))
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let (mut left, mut digits) = (u32::from(block[1] & 0x7f) * 8, String::new());
            while digits.len() < 3 {
                let (digit, length) = match bits >> (left - 5) & 0x1f {
                    short @ 0..=2 => (short, 5),
                    _ => ((bits >> (left - 6) & 0x3f) - 0x19 + 3, 6),
                };
                digits.push(char::from_digit(digit, 10).unwrap());
                left -= length;
            }
            digits
        }
        other => panic!("a status was expected, and not {other:#x}"),
    }
}

impl Http2 {
    /// Connects, and both sides tell their settings.
    fn connect(server: &Server) -> Http2 {
        let mut openssl = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-nocommands",
                "-alpn",
                "h2",
                "-connect",
                &server.address().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl (Debian package openssl)");
        let (found, frames) = channel();
        let mut stdout = openssl.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut head = [0; 9];
            while stdout.read_exact(&mut head).is_ok() {
                let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
                let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                let whole = stdout.read_exact(&mut payload).is_ok();
                if !whole || found.send(Frame { kind: head[3], stream, payload }).is_err() {
                    return;
                }
            }
        });
        let mut http2 = Http2 { stdin: openssl.stdin.take(), openssl, frames, settings: Vec::new() };
        // SETTINGS_HEADER_TABLE_SIZE is 0: the server refers to nothing that it has sent before.
        let settings = frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
        http2.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat());
        http2.settings =
            http2.next(|frame| frame.kind == SETTINGS).expect("the server tells its settings").payload;
        http2
    }

    /// Sends as far as the server takes it.
    fn send(&mut self, bytes: &[u8]) -> bool {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).and_then(|()| stdin.flush()).is_ok()
    }

    /// The next frame of that kind; `None` if the connection ends before.
    fn next(&self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.frames.recv_timeout(PATIENCE).ok()?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// Whether the server has ended it, or does so now.
    fn ends(&self) -> bool {
        loop {
            match self.frames.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(error) => return error == std::sync::mpsc::RecvTimeoutError::Disconnected,
            }
        }
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.openssl.kill();
        let _ = self.openssl.wait();
    }
}

fn served(arguments: &[&str]) -> Server {
    let server = serving(launch("one").args(arguments));
    server.folder().write("file", "x");
    assert_eq!(curl(&server, "/file", &["--http2"]), "x");
    server
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection_soon() {
    const STREAMS: u32 = 100_000;
    let server = served(&[]);
    let before = server.processor_time();
    let mut http2 = Http2::connect(&server);
    let mut taken = 0;
    let mut streams = (0..STREAMS).map(|number| 2 * number + 1);
    loop {
        let burst: Vec<u8> = streams
            .by_ref()
            .take(500)
            .flat_map(|stream| {
                let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
                [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET_FILE), reset].concat()
            })
            .collect();
        if burst.is_empty() || !http2.send(&burst) {
            break;
        }
        taken += 500;
    }
    let goaway = http2.next(|frame| frame.kind == GOAWAY).expect("a word why");
    assert_eq!(goaway.payload[4..8], ENHANCE_YOUR_CALM.to_be_bytes(), "{:?}", goaway.payload);
    assert!(http2.ends() && taken < STREAMS, "{taken} streams");
    // In hundredths of a second; answering them all would take several seconds.
    let cost = server.processor_time() - before;
    assert!(cost < 100, "it cost {cost} hundredths of a second");
    assert_eq!(curl(&server, "/file", &["--http2"]), "x");
}

#[test]
fn a_path_of_http2_that_is_not_ascii_resets_its_stream_and_no_other() {
    const PROTOCOL_ERROR: u32 = 1;
    let server = served(&[]);
    let mut http2 = Http2::connect(&server);
    http2.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x82\x87\x44\x05/\xc3\xa4.x\x41\x09localhost"));
    let reset = http2.next(|frame| frame.kind == RST_STREAM).expect("a reset");
    assert_eq!((reset.stream, &reset.payload[..]), (1, &PROTOCOL_ERROR.to_be_bytes()[..]));
    http2.send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, GET_FILE));
    let head = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!((head.stream, status(&head.payload)), (3, "200".to_owned()));
}

#[test]
fn dot_segments_in_a_path_of_http2_mean_the_path_without_them() {
    let server = served(&[]);
    for (target, status) in
        [("/./file", 200), ("/x/%2e%2e/file", 200), ("/../file", 400), ("/x/../../file", 400)]
    {
        let told =
            curl(&server, target, &["--http2", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"]);
        assert_eq!(told, status.to_string(), "{target}");
    }
}

#[test]
fn a_head_of_http2_is_as_large_as_is_said() {
    let server = served(&["--max-head-size", "8K"]);
    // A literal field that is not indexed, with a name of one letter.
    let filler = |size: usize| {
        let length = size - 127;
        let length = [0x7f, (length % 128) as u8 | 0x80, u8::try_from(length / 128).unwrap()];
        [&[0, 1, b'x'][..], &length, &vec![b'y'; size]].concat()
    };
    let small = [GET_FILE, &filler(4000)].concat();
    let mut http2 = Http2::connect(&server);
    http2.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &small));
    let head = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!((head.stream, status(&head.payload)), (1, "200".to_owned()));
    // One that never ends is ended.
    http2.send(&frame(HEADERS, END_STREAM, 3, &small));
    for _ in 0..100 {
        http2.send(&frame(CONTINUATION, 0, 3, &filler(4000)));
    }
    assert!(http2.ends());
    assert_eq!(curl(&server, "/file", &["--http2"]), "x");
}

#[test]
fn frames_that_ask_nothing_use_nothing_up() {
    let server = served(&[]);
    let before = server.memory("VmRSS");
    for (name, flood) in [
        ("pings", frame(PING, 0, 0, &[0; 8]).repeat(2000)),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]).repeat(2000)),
        (
            "empty frames of a head",
            [frame(HEADERS, 0, 1, GET_FILE), frame(CONTINUATION, 0, 1, &[]).repeat(5000)].concat(),
        ),
        ("what is no frame", vec![0xff; 100_000]),
        ("content of no stream", frame(0, 0, 99, &[0; 16_000]).repeat(50)),
    ] {
        let mut http2 = Http2::connect(&server);
        for _ in 0..20 {
            // Nobody reads what is said to that.
            if !http2.send(&flood) {
                break;
            }
        }
        assert_eq!(curl(&server, "/file", &["--http2"]), "x", "{name}");
    }
    eventually("memory is given back or was not taken", || {
        (server.memory("VmRSS").saturating_sub(before) < 32 << 10).then_some(())
    });
    assert!(!server.stderr().contains("panicked"));
}

#[test]
fn a_request_that_pauses_is_no_idle_connection() {
    let folder = std::sync::Arc::new(crate::harness::Folder::new());
    crate::tls::write_certificate(&folder, "one", 3000);
    let limits = ["-A", "--idle-timeout", "1s", "--body-timeout", "20s"];
    let server = crate::tls::launch("one").args(limits).start_in(folder);
    let url = format!("https://{}/paused", server.address());
    // Longer than a connection may idle.
    let script = format!(
        "(printf one; sleep 4; printf two) | curl -sSk --http2 --max-time 60 -T - -w '%{{http_version}} %{{http_code}}' {url}"
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 201", "{output:?}");
    assert_eq!(std::fs::read(server.folder().path("paused")).unwrap(), b"onetwo");
}

#[test]
fn pings_keep_no_connection_and_no_answer_that_nobody_takes() {
    let server = served(&["--idle-timeout", "1s", "--send-timeout", "1s", "--body-timeout", "1s"]);
    server.folder().write("file", vec![b'x'; 3 << 20]);
    assert_eq!(curl(&server, "/file", &["--http2"]).len(), 3 << 20);
    for (name, first) in [
        ("nothing asked", Vec::new()),
        ("answers that nobody takes", frame(HEADERS, END_STREAM | END_HEADERS, 1, GET_FILE)),
        ("a head that does not end", frame(HEADERS, END_STREAM, 1, GET_FILE)),
    ] {
        let mut http2 = Http2::connect(&server);
        assert!(http2.send(&first));
        let ping = match name.starts_with("a head") {
            // Nothing else may come between the parts of a head.
            true => frame(CONTINUATION, 0, 1, &[]),
            false => frame(PING, 0, 0, &[0; 8]),
        };
        eventually(name, || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            (!http2.send(&ping)).then_some(())
        });
        assert!(http2.ends(), "{name}");
    }
}

#[test]
fn answers_that_nobody_takes_leave_files_for_others() {
    let limit = ["sh", "-c", "ulimit -n 300; exec \"$@\"", "sh"];
    let server = serving(launch("one").through(&limit));
    server.folder().write("file", vec![b'x'; 3 << 20]);
    assert_eq!(curl(&server, "/file", &["--http2"]).len(), 3 << 20);
    let mut connections: Vec<Http2> = (0..4).map(|_| Http2::connect(&server)).collect();
    let mut sent = 0;
    for http2 in &mut connections {
        let ask = |number: u32| frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, GET_FILE);
        assert!(http2.send(&(0..100).flat_map(ask).collect::<Vec<u8>>()));
        for _ in 0..100 {
            let head = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
            // The others are 503.
            sent += usize::from(status(&head.payload) == "200");
        }
    }
    // One for each, and as many more as there are besides one for each connection that there may be.
    assert!((4..=4 + 40).contains(&sent), "{sent} files are open");
    assert_eq!(curl(&server, "/file", &["--http1.1"]).len(), 3 << 20);
    assert_eq!(curl(&server, "/file", &["--http2"]).len(), 3 << 20);
    assert!(!server.stderr().contains("Too many open files"), "{}", server.stderr());
}

#[test]
fn the_server_tells_how_many_requests_and_how_large_a_head_may_be() {
    let server = served(&["--max-head-size", "8K"]);
    let http2 = Http2::connect(&server);
    let told: Vec<(u16, u32)> = http2
        .settings
        .chunks_exact(6)
        .map(|setting| {
            let value = u32::from_be_bytes(setting[2..].try_into().unwrap());
            (u16::from_be_bytes([setting[0], setting[1]]), value)
        })
        .collect();
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_MAX_HEADER_LIST_SIZE (6.5.2).
    assert!(told.contains(&(3, 100)) && told.contains(&(6, 8192)), "{told:?}");
}

#[test]
fn requests_whose_answers_nobody_takes_are_refused_and_pile_up_nowhere() {
    const STREAMS: u32 = 20_000;
    let server = served(&[]);
    server.folder().write("file", vec![b'x'; 10_000]);
    assert_eq!(curl(&server, "/file", &["--http2"]).len(), 10_000);
    let before = server.memory("VmRSS");
    let mut http2 = Http2::connect(&server);
    // The client reads, and never allows more than the 65,535 bytes that it allows at first.
    let ask = |number: u32| frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, GET_FILE);
    let bursts =
        (0..STREAMS).step_by(500).map(|first| (first..first + 500).flat_map(ask).collect::<Vec<u8>>());
    for burst in bursts {
        if !http2.send(&burst) {
            break;
        }
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(frame) = http2.next(|frame| matches!(frame.kind, HEADERS | RST_STREAM)) {
        match frame.kind {
            HEADERS => answered += 1,
            _ => {
                assert_eq!(frame.payload, REFUSED_STREAM.to_be_bytes());
                refused += 1;
            }
        }
    }
    // A client that does not heed the limit loses the connection.
    assert!(http2.ends() && refused < STREAMS / 2, "{refused} refusals");
    // Six can be taken whole, and as many may be under way as is said.
    assert!(answered <= 110, "{answered} answers");
    let used = server.memory("VmRSS").saturating_sub(before);
    assert!(used < 16 << 10, "{used} KiB");
    assert_eq!(curl(&server, "/file", &["--http2"]).len(), 10_000);
}

#[test]
fn a_head_is_as_large_as_what_it_unpacks_to() {
    let server = served(&[]);
    let before = server.memory("VmRSS");
    let mut http2 = Http2::connect(&server);
    // `x` without a value enters the table of the connection; from then on one byte stands for it.
    let fields = |count: usize| [GET_FILE, b"\x40\x01x\x00", &vec![0xbe; count - 1]].concat();
    let ask = |http2: &mut Http2, stream: u32, block: &[u8]| {
        let mut parts = block.chunks(16_384).peekable();
        let mut kind = HEADERS;
        while let Some(part) = parts.next() {
            let ends = if parts.peek().is_none() { END_HEADERS } else { 0 };
            let end_stream = if kind == HEADERS { END_STREAM } else { 0 };
            assert!(http2.send(&frame(kind, ends | end_stream, stream, part)));
            kind = CONTINUATION;
        }
        let answer = http2.next(|frame| frame.kind == HEADERS && frame.stream == stream).expect("an answer");
        status(&answer.payload)
    };
    assert_eq!(ask(&mut http2, 1, &fields(90)), "200");
    assert_eq!(ask(&mut http2, 3, &fields(97)), "431");
    // 120,000 bytes, which would become four million.
    for stream in (5..205).step_by(2) {
        assert_eq!(ask(&mut http2, stream, &fields(120_000)), "431");
    }
    let cookies = [GET_FILE, &b"\x60\x01x".repeat(200)].concat();
    assert_eq!(ask(&mut http2, 205, &cookies), "200", "a cookie for each field");
    let used = server.memory("VmRSS").saturating_sub(before);
    assert!(used < 16 << 10, "{used} KiB");
}

#[test]
fn uploads_that_wait_hold_a_mebibyte_of_heads_together() {
    let server = served(&["-A"]);
    let mut http2 = Http2::connect(&server);
    let filler = [&[0, 1, b'x', 0x7f, 0x80 | 0x41, 0xb7, 0x02][..], &vec![b'y'; 40_000]].concat();
    // Not indexed: what is in the table of the connection is held once.
    let put = [&b"\x02\x03PUT\x87\x04\x04/new\x41\x09localhost"[..], &filler].concat();
    for number in 0..60 {
        let mut parts = put.chunks(16_384);
        let first = parts.next().unwrap();
        http2.send(&frame(HEADERS, 0, 2 * number + 1, first));
        let count = parts.len();
        for (at, part) in parts.enumerate() {
            let ends = if at + 1 == count { END_HEADERS } else { 0 };
            http2.send(&frame(CONTINUATION, ends, 2 * number + 1, part));
        }
    }
    // 26 have room; the others are told so, which is the last of them as well.
    for _ in 26..60 {
        let answer = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
        assert_eq!(status(&answer.payload), "503");
    }
    http2.send(&frame(HEADERS, END_STREAM | END_HEADERS, 121, GET_FILE));
    let answer = http2.next(|frame| frame.kind == HEADERS && frame.stream == 121).expect("an answer");
    assert_eq!(status(&answer.payload), "200", "a small one has room");
}

#[test]
fn connections_that_are_cut_are_no_warnings() {
    let server = served(&[]);
    server.folder().write("file", vec![b'x'; 10 << 20]);
    for _ in 0..5 {
        let mut http2 = Http2::connect(&server);
        http2.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, GET_FILE));
        http2.next(|frame| frame.kind == HEADERS).expect("an answer");
        http2.openssl.kill().unwrap();
    }
    assert_eq!(curl(&server, "/file", &["--http2"]).len(), 10 << 20);
    assert!(!server.stderr().contains("WARN") && !server.stderr().contains("ERROR"), "{}", server.stderr());
}

#[test]
fn a_server_that_stops_says_so() {
    let mut server = served(&["-A"]);
    let mut http2 = Http2::connect(&server);
    let put = b"\x02\x03PUT\x87\x04\x04/new\x41\x09localhost";
    http2.send(&frame(HEADERS, END_HEADERS, 1, put));
    http2.send(&frame(DATA, 0, 1, b"con"));
    http2.send(&frame(PING, 0, 0, &[1; 8]));
    http2.next(|frame| frame.kind == PING).expect("all of that has come");
    server.signal(rustix::process::Signal::TERM);
    http2.next(|frame| frame.kind == GOAWAY).expect("a word");
    // What has begun is answered.
    http2.send(&frame(DATA, END_STREAM, 1, b"tent"));
    let answer = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!(status(&answer.payload), "201");
    drop(http2);
    assert!(server.wait().success());
    assert_eq!(std::fs::read(server.folder().path("new")).unwrap(), b"content");
}

#[test]
fn small_files_that_nobody_takes_hold_no_more_memory_than_is_said() {
    let server = served(&["--memory", "16M"]);
    for number in 0..60 {
        server.folder().write(format!("{number:04}"), vec![b'x'; 1 << 20]);
    }
    let before = server.memory("VmRSS");
    // A client that takes no content at all.
    let mut connections: Vec<Http2> = (0..5).map(|_| Http2::connect(&server)).collect();
    for http2 in &mut connections {
        http2.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
        let ask = |number: u32| {
            let block = format!("\u{4}\u{5}/{number:04}\u{41}\u{9}localhost");
            let block = [b"\x82\x87", block.as_bytes()].concat();
            frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block)
        };
        assert!(http2.send(&(0..60).flat_map(ask).collect::<Vec<u8>>()));
        for _ in 0..60 {
            let answer = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
            assert!(matches!(status(&answer.payload).as_str(), "200" | "503"));
        }
    }
    let used = server.memory("VmRSS").saturating_sub(before);
    // What is kept, what is held, pieces of files and readings under way; all of them would be 300 MiB.
    assert!(used < 192 << 10, "{used} KiB");
    assert_eq!(curl(&server, "/0059", &["--http2"]).len(), 1 << 20);
}

#[test]
fn the_uploads_of_one_address_do_not_take_the_places_of_others_over_http2() {
    // `:method: PUT`, `:scheme: https`, `:path: /new` and `:authority: localhost`.
    const PUT_NEW: &[u8] = b"\x02\x03PUT\x87\x04\x04/new\x01\x09localhost";
    let server = served(&["-A", "--max-uploads", "8", "--durability", "none"]);
    // Two connections, for what counts is the address.
    let mut one = Http2::connect(&server);
    let mut two = Http2::connect(&server);
    for http2 in [&mut one, &mut two] {
        http2.send(&frame(HEADERS, END_HEADERS, 1, PUT_NEW));
        http2.send(&frame(DATA, 0, 1, b"x"));
        // Asked later, and answered while that goes on.
        http2.send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, GET_FILE));
        let head = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
        assert_eq!((head.stream, status(&head.payload)), (3, "200".to_owned()));
    }
    for http2 in [&mut one, &mut two] {
        for stream in [5, 7] {
            http2.send(&frame(HEADERS, END_HEADERS, stream, PUT_NEW));
            let head = http2.next(|frame| frame.kind == HEADERS).expect("an answer");
            assert_eq!((head.stream, status(&head.payload)), (stream, "503".to_owned()));
        }
    }
    let file = server.folder().write_outside("upload", "other");
    let told = curl(
        &server,
        "/other",
        &[
            "--http2",
            "--interface",
            "127.0.0.2",
            "-T",
            file.to_str().unwrap(),
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
        ],
    );
    assert_eq!(told, "201");
    one.send(&frame(DATA, END_STREAM, 1, b"y"));
    let head = one.next(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!((head.stream, status(&head.payload)), (1, "201".to_owned()));
}
