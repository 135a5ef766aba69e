//! Connections that have asked once and are kept open since.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::contender::Contender;
use crate::http::{self, Request};

/// Idle connections to one server. They end with this value.
pub(crate) struct Idle(Vec<TcpStream>);

impl Idle {
    /// Opens so many connections and has each get an answer.
    pub(crate) fn open(contender: &Contender, request: &Request, count: usize) -> Result<Idle, String> {
        let bytes = request.render(contender.port);
        let mut streams = Vec::with_capacity(count);
        for number in 1..=count {
            let open = || -> Result<TcpStream, String> {
                let mut stream = http::connect(contender.port)?;
                // Closed without ceremony, so that thousands of ports are not taken for a minute.
                set_socket_linger(&stream, Some(Duration::ZERO)).map_err(|error| error.to_string())?;
                stream.write_all(&bytes).map_err(|error| error.to_string())?;
                read_answer(&mut stream)?;
                stream.set_nonblocking(true).map_err(|error| error.to_string())?;
                Ok(stream)
            };
            streams.push(open().map_err(|why| format!("idle connection {number}: {why}"))?);
        }
        Ok(Idle(streams))
    }

    /// That a server has closed none of them.
    pub(crate) fn verify(&mut self) -> Result<(), String> {
        let is_open = |stream: &mut TcpStream| matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        let open = self.0.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count();
        match self.0.len() - open {
            0 => Ok(()),
            closed => Err(format!("{closed} of {} idle connections were closed", self.0.len())),
        }
    }
}

/// Reads a head and the body of the length that it tells.
fn read_answer(stream: &mut TcpStream) -> Result<(), String> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(at) = memchr::memmem::find(&received, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..at]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            if received.len() >= at + 4 + crate::number::<usize>(length.unwrap_or("no length").trim())? {
                return Ok(());
            }
        }
        match stream.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => return Err("closed".to_owned()),
            count => received.extend_from_slice(&buffer[..count]),
        }
    }
}
