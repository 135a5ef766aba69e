//! A small HTTP/1.1 client on one connection that stays open. It is quick rather than strict: the integration tests look
//! at every field of an answer, this program asks millions of times.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that was idle for so long may have been closed by the server, and is not used again.
const IDLE: Duration = Duration::from_secs(1);

/// How many bytes are read at once.
const SOME: usize = 1 << 16;

/// A client.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    used: Instant,
    unread: Vec<u8>,
}

/// What an answer says that this program cares about.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) tag: Option<String>,
    /// `Last-Modified`
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
    /// The connection was closed in the middle of the body: so the server ends a body that changes under its hands.
    pub(crate) cut: bool,
}

/// Why there is no answer. Nothing is known about what the server has done.
#[derive(Debug, Clone)]
pub(crate) enum Silence {
    /// The connection ended before an answer began.
    Closed(String),
    Other(String),
}

impl From<Silence> for String {
    fn from(silence: Silence) -> String {
        match silence {
            Silence::Closed(why) | Silence::Other(why) => why,
        }
    }
}

impl Silence {
    /// The same, with more to say.
    fn map(self, more: impl FnOnce(String) -> String) -> Silence {
        match self {
            Silence::Closed(why) => Silence::Closed(more(why)),
            Silence::Other(why) => Silence::Other(more(why)),
        }
    }
}

/// The precondition of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition<'a> {
    /// There is none.
    None,
    /// `If-Match` with this tag.
    Match(&'a str),
    /// `If-None-Match: *`
    Absent,
    /// `If-None-Match` with this tag.
    NoneMatch(&'a str),
    /// `If-Modified-Since` with this date.
    ModifiedSince(&'a str),
}

/// The fields of a head.
struct Head {
    status: u16,
    tag: Option<String>,
    date: Option<String>,
    length: usize,
    closes: bool,
}

impl Wire {
    /// A client of the server at this address. It connects when it has something to say.
    pub(crate) fn new(address: SocketAddr) -> Wire {
        Wire { address, stream: None, used: Instant::now(), unread: Vec::with_capacity(SOME) }
    }

    /// Sends a request but for its last byte. `end` sends that one.
    pub(crate) fn begin(&mut self, request: &[u8]) -> Result<(), Silence> {
        self.connect()?;
        self.stream()
            .write_all(&request[..request.len() - 1])
            .map_err(|error| Silence::Other(error.to_string()))
    }

    /// Sends the last byte of a request.
    pub(crate) fn end(&mut self, request: &[u8]) {
        // When the server has refused early and closed the connection, its answer tells.
        let _ = self.stream().write_all(&request[request.len() - 1..]);
    }

    /// Reads the answer to what was sent.
    pub(crate) fn answer(&mut self) -> Result<Answer, Silence> {
        let answer = self.read();
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    /// GET.
    pub(crate) fn get(&mut self, target: &str) -> Result<Answer, Silence> {
        self.ask("GET", target, Condition::None, None)
    }

    /// PUT.
    pub(crate) fn put(&mut self, target: &str, condition: Condition, body: &[u8]) -> Result<Answer, Silence> {
        self.ask("PUT", target, condition, Some(body))
    }

    /// DELETE.
    pub(crate) fn delete(&mut self, target: &str, condition: Condition) -> Result<Answer, Silence> {
        self.ask("DELETE", target, condition, None)
    }

    /// Any request.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        condition: Condition,
        body: Option<&[u8]>,
    ) -> Result<Answer, Silence> {
        let answer = self.exchange(&request(method, target, condition, body));
        if answer.is_err() {
            self.stream = None;
        }
        answer.map_err(|silence| silence.map(|why| format!("{method} {target}: {why}")))
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Answer, Silence> {
        self.connect()?;
        let sent = self.stream().write_all(request);
        // What was refused early is answered while it is still being sent.
        let answer = self.read();
        match (answer, sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(silence), Ok(())) => Err(silence),
            (Err(silence), Err(error)) => {
                Err(silence.map(|why| format!("{why}, after sending had failed: {error}")))
            }
        }
    }

    fn connect(&mut self) -> Result<(), Silence> {
        if self.stream.is_none() || self.used.elapsed() > IDLE {
            self.unread.clear();
            self.stream = None;
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE)
                .and_then(|stream| {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    stream.set_nodelay(true)?;
                    Ok(stream)
                })
                .map_err(|error| Silence::Other(format!("no connection: {error}")))?;
            self.stream = Some(stream);
        }
        self.used = Instant::now();
        Ok(())
    }

    fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().expect("a connection")
    }

    fn read(&mut self) -> Result<Answer, Silence> {
        let head = loop {
            let end = loop {
                if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                    break end;
                }
                if !self.fill()? {
                    return Err(Silence::Closed("the connection was closed".to_owned()));
                }
            };
            let head = parse_head(&self.unread[..end])?;
            self.unread.drain(..end + 4);
            if head.status >= 200 {
                break head;
            }
        };
        let mut cut = false;
        while self.unread.len() < head.length && !cut {
            cut = !self.fill()?;
        }
        let body = self.unread.drain(..head.length.min(self.unread.len())).collect();
        if head.closes || cut {
            self.stream = None;
        }
        Ok(Answer { status: head.status, tag: head.tag, date: head.date, body, cut })
    }

    /// Reads some more; false at the end, which a reset is as well as a FIN.
    fn fill(&mut self) -> Result<bool, Silence> {
        let mut some = [0; SOME];
        match self.stream().read(&mut some) {
            Ok(count) => {
                self.unread.extend_from_slice(&some[..count]);
                Ok(count > 0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Silence::Other(format!("no answer in {} s", PATIENCE.as_secs())))
            }
            Err(_) => Ok(false),
        }
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, target: &str, condition: Condition, body: Option<&[u8]>) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    match condition {
        Condition::None => {}
        Condition::Match(tag) => head.push_str(&format!("If-Match: {tag}\r\n")),
        Condition::Absent => head.push_str("If-None-Match: *\r\n"),
        Condition::NoneMatch(tag) => head.push_str(&format!("If-None-Match: {tag}\r\n")),
        Condition::ModifiedSince(date) => head.push_str(&format!("If-Modified-Since: {date}\r\n")),
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

fn parse_head(head: &[u8]) -> Result<Head, Silence> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let Some(status) = status else { return Err(Silence::Other(format!("not an answer: {text}"))) };
    let mut parsed = Head { status, tag: None, date: None, length: 0, closes: false };
    let mut length = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("ETag") {
            parsed.tag = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("Last-Modified") {
            parsed.date = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("Content-Length") {
            length = Some(value.parse().map_err(|_| Silence::Other(format!("not a length: {line}")))?);
        } else if name.eq_ignore_ascii_case("Connection") {
            parsed.closes = value.eq_ignore_ascii_case("close");
        }
    }
    let bodiless = matches!(status, 100..=199 | 204 | 304);
    parsed.length = match length {
        _ if bodiless => 0,
        Some(length) => length,
        None => return Err(Silence::Other(format!("an answer of unknown length: {text}"))),
    };
    Ok(parsed)
}
