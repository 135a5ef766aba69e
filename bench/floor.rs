//! The least that an HTTP server can cost: one thread, one epoll loop, complete answers rendered before the first request.
//! It reads a request until the head ends, compares the first line, and writes. It looks at no field, opens no file and
//! knows no time; what a file server costs beyond it is the price of being one.
//!
//!     bench_floor PORT FOLDER
//!
//! The bodies are those of the files in FOLDER, so that the same check fits it as fits the others. Some cases have paths of
//! their own, since it does not read the fields that would tell them: `/304`, `/206` and `/404`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

/// A request's head, as the generators of load write it, is shorter.
const LONGEST_HEAD: usize = 1024;

const EVENTS: usize = 512;

/// Connections have their descriptors for tokens; this is none.
const LISTENER: u64 = u64::MAX;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [port, folder] => answers(Path::new(folder)).and_then(|answers| serve(port, &answers)),
        _ => Err("usage: bench_floor PORT FOLDER".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench_floor: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The start of a request, and all that is sent for it.
struct Answer {
    request: Vec<u8>,
    bytes: Vec<u8>,
}

/// One client.
struct Connection<'a> {
    stream: TcpStream,
    head: [u8; LONGEST_HEAD],
    received: usize,
    /// What the socket has not taken yet.
    unsent: &'a [u8],
}

/// What becomes of a connection.
enum Fate {
    Stays,
    Ends,
}

fn answers(folder: &Path) -> Result<Vec<Answer>, String> {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"));
    let mut answers = Vec::new();
    for name in ["1k.html", "10k.html", "100k.html", "1m.html"] {
        answers.push(answer(name, "200 OK", &read(name)?));
    }
    let part = read("1m.html")?[262_144..327_680].to_vec();
    answers.push(answer("206", "206 Partial Content\r\nContent-Range: bytes 262144-327679/1048576", &part));
    answers.push(answer("404", "404 Not Found", b"There is nothing of this name.\n"));
    let head = "HTTP/1.1 304 Not Modified\r\nDate: Sun, 22 Nov 2026 15:13:09 GMT\r\nETag: \"a7qGx-Bp9W1aELQ18cjknA\"\r\n\
        Cache-Control: no-cache\r\n\r\n";
    answers.push(Answer { request: b"GET /304 ".to_vec(), bytes: head.as_bytes().to_vec() });
    Ok(answers)
}

fn answer(name: &str, status: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\nDate: Sun, 22 Nov 2026 15:13:09 GMT\r\nContent-Type: text/html\r\n\
        Content-Length: {}\r\nETag: \"a7qGx-Bp9W1aELQ18cjknA\"\r\nLast-Modified: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
        Accept-Ranges: bytes\r\nCache-Control: no-cache\r\n\r\n",
        body.len()
    );
    let bytes = [head.as_bytes(), body].concat();
    Answer { request: format!("GET /{name} ").into_bytes(), bytes }
}

fn serve(port: &str, answers: &[Answer]) -> Result<(), String> {
    let port: u16 = port.parse().map_err(|_| format!("not a port: {port}"))?;
    let run = || -> std::io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let mut connections = Vec::new();
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            epoll::wait(&poll, spare_capacity(&mut events), None)?;
            for event in &events {
                let token = event.data.u64();
                if token == LISTENER {
                    accept(&poll, &listener, &mut connections)?;
                } else if let Some(place) = connections.get_mut(token as usize)
                    && let Some(connection) = place
                    && matches!(connection.go_on(answers, event.flags), Fate::Ends)
                {
                    *place = None;
                }
            }
        }
    };
    run().map_err(|error| error.to_string())
}

/// Takes all connections that wait, each to the place that its descriptor numbers. They are watched for both directions at once and reported when something changes, which
/// spares a system call whenever a body does not fit the socket's buffer.
fn accept(
    poll: &OwnedFd,
    listener: &TcpListener,
    connections: &mut Vec<Option<Connection<'_>>>,
) -> std::io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let place = stream.as_raw_fd().unsigned_abs() as usize;
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(poll, &stream, epoll::EventData::new_u64(place as u64), flags)?;
        if connections.len() <= place {
            connections.resize_with(place + 1, || None);
        }
        connections[place] = Some(Connection { stream, head: [0; LONGEST_HEAD], received: 0, unsent: &[] });
    }
}

impl<'a> Connection<'a> {
    /// Sends what is left, then answers what has come. A read that fills less than the buffer has emptied the socket: there
    /// is no need to ask again, unless the client has closed its side.
    fn go_on(&mut self, answers: &'a [Answer], flags: epoll::EventFlags) -> Fate {
        loop {
            match self.send() {
                Ok(()) if self.unsent.is_empty() => {}
                Ok(()) => return Fate::Stays,
                Err(_) => return Fate::Ends,
            }
            let room = LONGEST_HEAD - self.received;
            let count = match self.stream.read(&mut self.head[self.received..]) {
                Ok(0) => return Fate::Ends,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Stays,
                Err(_) => return Fate::Ends,
            };
            self.received += count;
            // The clients wait for an answer before they ask again, so that nothing follows a head.
            let head = &self.head[..self.received];
            if head.ends_with(b"\r\n\r\n") {
                let Some(answer) = answers.iter().find(|answer| head.starts_with(&answer.request)) else {
                    return Fate::Ends;
                };
                self.unsent = &answer.bytes;
                self.received = 0;
                if self.send().is_err() {
                    return Fate::Ends;
                }
            }
            if count < room && !flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP) {
                return Fate::Stays;
            }
        }
    }

    /// Writes as much as the socket takes.
    fn send(&mut self) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent) {
                Ok(count) => self.unsent = &self.unsent[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
