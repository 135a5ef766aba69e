//! A client that does as little as it can: one connection, kept open, one PUT at a time. It knows the part of HTTP that
//! the answers to a PUT consist of, and takes anything else for an error.

use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::contender::Writer;

/// Longer than any answer takes; it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a PUT names the version it means to replace.
#[derive(Clone, Copy)]
pub(crate) enum Condition {
    Unconditional,
    /// If-Match with the entity tag from the answer before.
    IfMatch,
}

/// Replaces one file through a server.
pub(crate) struct Client {
    port: u16,
    name: String,
    condition: Condition,
    stream: TcpStream,
    /// From the answer before, quotes included.
    entity_tag: Option<String>,
    received: Vec<u8>,
}

/// What matters in the head of an answer.
#[derive(Default)]
struct Head {
    status: u16,
    length: usize,
    closes: bool,
    entity_tag: Option<String>,
}

impl Client {
    pub(crate) fn connect(port: u16, name: &str, condition: Condition) -> Result<Client, String> {
        let (name, stream) = (name.to_owned(), connect(port)?);
        Ok(Client { port, name, condition, stream, entity_tag: None, received: Vec::new() })
    }

    fn send(&mut self, body: &[u8]) -> Result<(), String> {
        let precondition = match (self.condition, &self.entity_tag) {
            (Condition::IfMatch, Some(tag)) => format!("If-Match: {tag}\r\n"),
            _ => String::new(),
        };
        let head = format!(
            "PUT /{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n{precondition}\r\n",
            self.name,
            self.port,
            body.len()
        );
        let mut parts = &mut [IoSlice::new(head.as_bytes()), IoSlice::new(body)][..];
        while !parts.is_empty() {
            let sent = self.stream.write_vectored(parts).map_err(|error| format!("sending: {error}"))?;
            IoSlice::advance_slices(&mut parts, sent);
        }
        Ok(())
    }

    /// Reads one answer to its end.
    fn receive(&mut self) -> Result<Head, String> {
        self.received.clear();
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more()?;
        };
        let head = Head::parse(&self.received[..end])?;
        while self.received.len() < end + head.length {
            self.read_more()?;
        }
        Ok(head)
    }

    fn read_more(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the connection ended before the answer did".to_owned()),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(format!("receiving: {error}")),
        }
    }
}

impl Writer for Client {
    fn put(&mut self, body: &[u8]) -> Result<(), String> {
        self.send(body)?;
        let head = self.receive()?;
        if !(200..300).contains(&head.status) {
            return Err(format!("answered {}", head.status));
        }
        if matches!(self.condition, Condition::IfMatch) && head.entity_tag.is_none() {
            return Err("answered without an ETag".to_owned());
        }
        self.entity_tag = head.entity_tag;
        if head.closes {
            self.stream = connect(self.port)?;
        }
        Ok(())
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Head, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let mut lines = text.lines();
        let status =
            lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
        let mut head = Head { status: crate::number(status.unwrap_or("no status"))?, ..Head::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.length = crate::number(value)?,
                "connection" => head.closes = value.eq_ignore_ascii_case("close"),
                "etag" => head.entity_tag = Some(value.to_owned()),
                "transfer-encoding" => return Err(format!("Transfer-Encoding in an answer: {value}")),
                _ => {}
            }
        }
        Ok(head)
    }
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let open = || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    open().map_err(|error: std::io::Error| format!("connecting: {error}"))
}
