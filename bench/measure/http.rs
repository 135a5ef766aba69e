//! A client for checks, not for load: one connection, one request at a time. It knows the part of HTTP that the answers of
//! file servers consist of, and takes anything else for an error.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes; it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request: a path, and lines of fields.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) fields: Vec<String>,
}

/// What came for it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) entity_tag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) content_range: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// A connection that is made anew when the server has closed it.
pub(crate) struct Client {
    port: u16,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

/// The parts of a head that are not in an answer.
struct Framing {
    length: Option<usize>,
    closes: Closes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closes {
    Yes,
    No,
}

impl Request {
    pub(crate) fn get(path: &str) -> Request {
        Request { path: path.to_owned(), fields: Vec::new() }
    }

    /// The bytes to send.
    pub(crate) fn render(&self, port: u16) -> Vec<u8> {
        let mut text = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n", self.path);
        for field in &self.fields {
            text.push_str(field);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

impl Client {
    pub(crate) fn new(port: u16) -> Client {
        Client { port, stream: None, received: Vec::new() }
    }

    /// Sends the request and reads the whole answer. The body of an error may be left out: its length may not be told.
    pub(crate) fn fetch(&mut self, request: &Request) -> Result<Answer, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.port)?,
        };
        self.received.clear();
        stream.write_all(&request.render(self.port)).map_err(|error| format!("sending: {error}"))?;
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.received, b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more(&mut stream)?;
        };
        let (mut answer, framing) = parse(&self.received[..end])?;
        let length = match (answer.status, framing.length) {
            (304, _) => 0,
            (_, Some(length)) => length,
            (400.., None) => return Ok(answer),
            (_, None) => return Err("an answer without Content-Length".to_owned()),
        };
        while self.received.len() < end + length {
            self.read_more(&mut stream)?;
        }
        answer.body = self.received.split_off(end);
        if framing.closes == Closes::No {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn read_more(&mut self, stream: &mut TcpStream) -> Result<(), String> {
        let begin = self.received.len();
        self.received.resize(begin + (64 << 10), 0);
        let count =
            stream.read(&mut self.received[begin..]).map_err(|error| format!("receiving: {error}"))?;
        self.received.truncate(begin + count);
        if count == 0 { Err("the connection ended before the answer did".to_owned()) } else { Ok(()) }
    }
}

/// A connection that gives up after a while.
pub(crate) fn connect(port: u16) -> Result<TcpStream, String> {
    let open = || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    open().map_err(|error: std::io::Error| format!("connecting: {error}"))
}

fn parse(head: &[u8]) -> Result<(Answer, Framing), String> {
    let text = std::str::from_utf8(head).map_err(|error| error.to_string())?;
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
    let mut answer = Answer { status: crate::number(status.unwrap_or("no status"))?, ..Answer::default() };
    let mut framing = Framing { length: None, closes: Closes::No };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => framing.length = Some(crate::number(value)?),
            "connection" if value.eq_ignore_ascii_case("close") => framing.closes = Closes::Yes,
            "etag" => answer.entity_tag = Some(value.to_owned()),
            "last-modified" => answer.last_modified = Some(value.to_owned()),
            "content-range" => answer.content_range = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok((answer, framing))
}
