//! A lenient HTTP/1.1 client over a plain socket: it sends any bytes, and reads what any server answers. What is wrong
//! with an answer is for the cases to say; only what cannot be read at all is a miss here.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::case::Miss;
use crate::request::{Request, shown};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Is the body as long as its framing has said?
    pub(crate) whole: bool,
    /// The interim responses that came before, 100 for instance.
    pub(crate) interim: Vec<u16>,
}

impl Response {
    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The same as [`Response::field`], for people.
    pub(crate) fn told(&self, name: &str) -> String {
        self.field(name).unwrap_or("none").to_owned()
    }

    /// The value of the first line of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Does a line of the field list this member (compared without case)?
    pub(crate) fn lists(&self, name: &str, member: &str) -> bool {
        let lines = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.flat_map(|(_, value)| value.split(',')).any(|other| other.trim().eq_ignore_ascii_case(member))
    }

    /// The entity tag, if it is a strong one.
    pub(crate) fn strong_tag(&self) -> Option<&str> {
        self.field("ETag").filter(|tag| tag.starts_with('"') && tag.len() > 1)
    }

    /// Has the request been performed?
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// How a body is delimited (RFC 9112, 6.3).
enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    patience: Duration,
}

impl Connection {
    /// Connects, with a limit on every later read and write.
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> Result<Connection, Miss> {
        let opened = TcpStream::connect_timeout(&address, patience).and_then(|stream| {
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let stream = opened.map_err(|error| format!("no connection: {error}"))?;
        Ok(Connection { stream, unread: Vec::new(), patience })
    }

    /// Sends bytes as far as the server takes them: it may have answered and closed already.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// A second handle for sending, for a thread of its own.
    pub(crate) fn sender(&self) -> Result<TcpStream, Miss> {
        self.stream.try_clone().map_err(|error| format!("no second handle: {error}").into())
    }

    /// How long reading may take from now on.
    fn be_patient(&self, limit: Duration) {
        let _ = self.stream.set_read_timeout(Some(limit));
    }

    /// Sends a request and reads its answer; the connection stays open.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response, Miss> {
        self.send(request.bytes());
        self.read(&request.method)
    }

    /// Reads the answer to a request with this method.
    pub(crate) fn read(&mut self, method: &str) -> Result<Response, Miss> {
        let mut response = self.read_head(method)?;
        self.read_body(method, &mut response)?;
        Ok(response)
    }

    /// Reads the next head that is not interim.
    pub(crate) fn read_head(&mut self, method: &str) -> Result<Response, Miss> {
        let mut interim = Vec::new();
        loop {
            let mut response = self.next_head(method)?;
            if !(100..200).contains(&response.status) {
                response.interim = interim;
                return Ok(response);
            }
            interim.push(response.status);
        }
    }

    /// Reads the next head, be it interim.
    pub(crate) fn next_head(&mut self, method: &str) -> Result<Response, Miss> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..at + 4).collect();
                return parse_head(&head[..at]);
            }
            let count = self.fill().map_err(|why| format!("no answer to {method}: {why}"))?;
            if count == 0 {
                let rest = match self.unread.is_empty() {
                    true => "the connection was closed".to_owned(),
                    false => format!("a cut head: {}", shown(&self.unread)),
                };
                return Err(Miss::Missed(format!("no answer to {method}: {rest}")));
            }
        }
    }

    /// Reads the body that follows a head.
    pub(crate) fn read_body(&mut self, method: &str, response: &mut Response) -> Result<(), Miss> {
        match framing(method, response)? {
            Framing::None => response.whole = true,
            Framing::Length(length) => {
                while self.unread.len() < length && self.fill()? > 0 {}
                response.whole = self.unread.len() >= length;
                let there = self.unread.len().min(length);
                response.body = self.unread.drain(..there).collect();
            }
            Framing::Chunked => self.read_chunks(response)?,
            Framing::UntilClose => {
                while self.fill()? > 0 {}
                response.body = std::mem::take(&mut self.unread);
                response.whole = true;
            }
        }
        Ok(())
    }

    /// What still comes until the server closes the connection, or is silent for this long; and whether it has closed.
    pub(crate) fn rest(&mut self, silence: Duration) -> (Vec<u8>, bool) {
        self.be_patient(silence);
        let closed = loop {
            match self.fill() {
                Ok(0) => break true,
                Ok(_) => {}
                Err(_) => break false,
            }
        };
        self.be_patient(self.patience);
        (std::mem::take(&mut self.unread), closed)
    }

    fn read_chunks(&mut self, response: &mut Response) -> Result<(), Miss> {
        loop {
            let Some(line) = self.line()? else { return Ok(()) };
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| format!("a chunk size: {line}"))?;
            if size == 0 {
                while self.line()?.is_some_and(|line| !line.is_empty()) {}
                response.whole = true;
                return Ok(());
            }
            while self.unread.len() < size + 2 {
                if self.fill()? == 0 {
                    return Ok(());
                }
            }
            response.body.extend(self.unread.drain(..size));
            self.unread.drain(..2);
        }
    }

    fn line(&mut self) -> Result<Option<String>, Miss> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..at]).into_owned()));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> Result<usize, String> {
        let mut some = vec![0; 1 << 16];
        loop {
            match self.stream.read(&mut some) {
                Ok(count) => {
                    self.unread.extend_from_slice(&some[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err("nothing came for a long time".to_owned());
                }
                // A reset ends a connection too; but what was not read yet is lost.
                Err(error) if self.unread.is_empty() => return Err(error.to_string()),
                Err(_) => return Ok(0),
            }
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Response, Miss> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let mut words = status_line.splitn(3, ' ');
    let known = words.next().is_some_and(|protocol| protocol.starts_with("HTTP/1."));
    let Some(status) = words.next().and_then(|word| word.parse().ok()).filter(|_| known) else {
        return Err(Miss::Missed(format!("no status line: {}", shown(head))));
    };
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) =
            line.split_once(':').ok_or_else(|| format!("a line without a colon: {}", shown(head)))?;
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let (body, interim) = (Vec::new(), Vec::new());
    Ok(Response { status, fields, body, whole: false, interim })
}

fn framing(method: &str, response: &Response) -> Result<Framing, Miss> {
    if method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    if response.lists("Transfer-Encoding", "chunked") {
        return Ok(Framing::Chunked);
    }
    match response.field("Content-Length") {
        Some(length) => {
            let length = length.parse().map_err(|_| format!("Content-Length: {length}"))?;
            Ok(Framing::Length(length))
        }
        None => Ok(Framing::UntilClose),
    }
}

/// Where these bytes stand first.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
