//! One connection that stays open. It sends as many bytes in every request of a kind, and can look whether the answer is
//! complete without waiting for it: nobody else does anything while the server is stopped.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any answer takes; it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, and what its answer must be.
pub(crate) struct Request {
    bytes: Vec<u8>,
    status: u16,
    body: Body,
}

/// Whether the answer has a body where it has a length.
enum Body {
    Sent,
    Withheld,
}

impl Request {
    /// A request as curl sends it, with a further field that ends in CRLF, or nothing.
    pub(crate) fn new(method: &str, path: &str, field: &str, status: u16) -> Request {
        let common = "Host: localhost\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n";
        let bytes = format!("{method} {path} HTTP/1.1\r\n{common}{field}\r\n").into_bytes();
        let body = if method == "HEAD" || status == 304 { Body::Withheld } else { Body::Sent };
        Request { bytes, status, body }
    }

    /// Whether this is the answer to the request; `None` while it is not complete.
    fn is_answered_by(&self, answer: &[u8]) -> Option<Result<(), String>> {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        if !head.starts_with(&format!("http/1.1 {} ", self.status)) {
            return Some(Err(format!("not the status {}: {head}", self.status)));
        }
        let length = match self.body {
            Body::Sent => value(&head, "content-length").and_then(|length| length.parse().ok()),
            Body::Withheld => Some(0_usize),
        };
        match length {
            None => Some(Err(format!("an answer without a length: {head}"))),
            Some(length) => (answer.len() >= end + length).then_some(Ok(())),
        }
    }
}

/// The value of a field of a head in lower case.
fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The connection, with what has come of an answer.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// Connects to a server that runs freely.
    pub(crate) fn connect(address: SocketAddr) -> Result<Client, String> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        let stream = stream.map_err(|error| format!("connecting: {error}"))?;
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(|e| e.to_string())?;
        Ok(Client { stream, received: Vec::new() })
    }

    /// Sends a request to a server that runs freely, and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<(), String> {
        self.send(request)?;
        let begun = Instant::now();
        while !self.is_answered(request)? {
            if begun.elapsed() > PATIENCE {
                return Err("the server does not answer".to_owned());
            }
            thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// The tag in the answer to a request.
    pub(crate) fn tag_of(&mut self, request: &Request) -> Result<String, String> {
        self.ask(request)?;
        let head = String::from_utf8_lossy(&self.received);
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let tag = lines.find(|(name, _)| name.eq_ignore_ascii_case("etag"));
        tag.map(|(_, tag)| tag.trim().to_owned()).ok_or_else(|| format!("no tag: {head}"))
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), String> {
        self.received.clear();
        self.stream.write_all(&request.bytes).map_err(|error| format!("sending: {error}"))
    }

    /// Whether the answer is complete by now.
    pub(crate) fn is_answered(&mut self, request: &Request) -> Result<bool, String> {
        match self.stream.read_to_end(&mut self.received) {
            Ok(_) => return Err("the server closed the connection".to_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(format!("receiving: {error}")),
        }
        request.is_answered_by(&self.received).transpose().map(|answered| answered.is_some())
    }
}
