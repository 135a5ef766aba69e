//! A strict HTTP/1.1 client over a plain socket. It sends any bytes, reads slowly where it is asked to, and takes
//! nothing for granted: framing that leaves room for two readings is an error.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use rustix::net::{self, AddressFamily, SocketType};

use super::PATIENCE;
use super::request::{Request, shown};
use super::response::{Ending, Response};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection ended before the first byte of a response.
    Closed,
    /// Nothing came for a long time.
    Silent,
    /// What came is not a response, or one that must not be.
    Malformed(String),
}

/// How a body is delimited (RFC 9112, 6.3).
enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Client {
    /// Connects, with a time limit on every later read and write.
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect_timeout(&address, PATIENCE).expect("a connection to the server"))
    }

    /// The same from another address of this machine.
    pub(crate) fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Client {
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        net::bind(&socket, &SocketAddr::from((from, 0))).expect("an address of this machine");
        net::connect(&socket, &address).expect("a connection to the server");
        Client::over(TcpStream::from(socket))
    }

    /// The same, over a connection that is there already.
    pub(crate) fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Client { stream, unread: Vec::new() }
    }

    /// Sends bytes; panics when the server does not take them.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sending to the server");
    }

    /// Sends bytes as far as the server takes them.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_sending(&self) {
        // The server may have closed the connection already.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Sends a request on this connection, which stays open, and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        self.send(request.bytes());
        self.read(request)
    }

    /// Reads the answer to a request that was sent before; panics when it is not a whole, faultless response.
    #[track_caller]
    pub(crate) fn read(&mut self, request: &Request) -> Response {
        match self.try_read(request) {
            Ok(response) if response.ending == Ending::Complete => response,
            Ok(response) => panic!("the answer was cut off\n{response}"),
            Err(broken) => panic!("no answer ({broken:?}) to\n{}", request.shown()),
        }
    }

    /// Reads the answer to a request that was sent before. A body that was cut off is an answer here.
    pub(crate) fn try_read(&mut self, request: &Request) -> Result<Response, Broken> {
        let mut response = self.try_read_head(request)?;
        self.try_read_rest(&mut response)?;
        Ok(response)
    }

    /// Reads the status line and the fields only; the body is read later, with `read_some` and `try_read_rest`.
    /// An interim response (1xx) is read over.
    pub(crate) fn try_read_head(&mut self, request: &Request) -> Result<Response, Broken> {
        loop {
            let response = self.next_head(request)?;
            if response.status != 100 {
                return Ok(response);
            }
        }
    }

    /// Reads the next status line and fields, be it those of an interim response.
    pub(crate) fn next_head(&mut self, request: &Request) -> Result<Response, Broken> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.unread.len() > 1 << 20 {
                return Err(malformed("a head of more than a MiB", &self.unread));
            }
            if self.fill()? == 0 {
                return Err(if self.unread.is_empty() {
                    Broken::Closed
                } else {
                    malformed("a cut head", &self.unread)
                });
            }
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let mut response = parse_head(&head[..end])?;
        response.request = request.shown();
        response.method.clone_from(&request.method);
        Ok(response)
    }

    /// Reads at least `count` bytes of a body whose length the head has told, or up to its end; no more than is needed.
    pub(crate) fn read_some(&mut self, response: &mut Response, count: usize) {
        let Ok(Framing::Length(length)) = framing(response) else {
            panic!("a body of known length was expected\n{response}")
        };
        let wanted = (response.body.len() + count).min(length);
        while response.body.len() < wanted {
            if self.unread.is_empty() && !matches!(self.fill(), Ok(1..)) {
                return;
            }
            let taken = self.unread.len().min(wanted - response.body.len());
            response.body.extend(self.unread.drain(..taken));
        }
    }

    /// Reads what is left of the body, and checks the whole response.
    pub(crate) fn try_read_rest(&mut self, response: &mut Response) -> Result<(), Broken> {
        match framing(response)? {
            Framing::None => response.ending = Ending::Complete,
            Framing::Length(length) => {
                response.body.reserve(length.saturating_sub(response.body.len()).min(1 << 27));
                self.read_some(response, length);
                response.ending = if response.body.len() == length { Ending::Complete } else { Ending::Cut };
            }
            Framing::Chunked => self.read_chunks(response)?,
            Framing::UntilClose => {
                while self.fill()? > 0 {}
                response.body.append(&mut self.unread);
                response.ending = Ending::Complete;
            }
        }
        match response.faults().as_slice() {
            [] => Ok(()),
            faults => Err(Broken::Malformed(format!("{}\n{response}", faults.join(", ")))),
        }
    }

    /// Everything the server still sends until it closes the connection.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while matches!(self.fill(), Ok(1..)) {}
        std::mem::take(&mut self.unread)
    }

    /// Has the server closed the connection, with nothing more to read? Waits for either.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && matches!(self.fill(), Ok(0))
    }

    /// A second handle for sending, for a thread of its own.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.try_clone().expect("a second handle of a connection")
    }

    /// Ends the connection by a reset, as the kernel does for a program that was killed.
    #[expect(unsafe_code, reason = "SO_LINGER has no stable wrapper in the standard library")]
    pub(crate) fn reset(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the descriptor is open for the length of the call, and the structure is as long as is said.
        let answer = unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                std::ptr::from_ref(&linger).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            )
        };
        assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    }

    /// Lets reads and writes wait so long.
    pub(crate) fn be_patient(&self, limit: std::time::Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a read timeout");
    }

    fn read_chunks(&mut self, response: &mut Response) -> Result<(), Broken> {
        response.ending = Ending::Cut;
        loop {
            let Some(line) = self.line()? else { return Ok(()) };
            let size =
                usize::from_str_radix(&line, 16).map_err(|_| malformed("a chunk size", line.as_bytes()))?;
            while self.unread.len() < size + 2 {
                if self.fill()? == 0 {
                    return Ok(());
                }
            }
            response.body.extend(self.unread.drain(..size));
            if self.unread.drain(..2).as_slice() != b"\r\n" {
                return Err(malformed("no CR LF after a chunk", &self.unread));
            }
            if size == 0 {
                response.ending = Ending::Complete;
                return Ok(());
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>, Broken> {
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

    fn fill(&mut self) -> Result<usize, Broken> {
        let mut some = [0; 65536];
        loop {
            match self.stream.read(&mut some) {
                Ok(count) => {
                    self.unread.extend_from_slice(&some[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Broken::Silent);
                }
                // A reset ends the connection as well as a FIN does.
                Err(_) => return Ok(0),
            }
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Response, Broken> {
    let text = std::str::from_utf8(head).ok().filter(|text| text.is_ascii());
    let Some(text) = text else { return Err(malformed("a head that is not ASCII", head)) };
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.1 ").or_else(|| status_line.strip_prefix("HTTP/1.0 "));
    let status = status
        .and_then(|rest| rest.get(..3))
        .filter(|_| status_line.as_bytes().get(12).is_none_or(|byte| *byte == b' '));
    let Some(status) = status.and_then(|digits| digits.parse().ok()) else {
        return Err(malformed("no status line", head));
    };
    let mut fields = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return Err(malformed("a line without a colon", head));
        };
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(malformed("a field name that is no token", head));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(malformed("a control character in a field", head));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let (request, method) = (String::new(), String::new());
    Ok(Response { status, fields, body: Vec::new(), ending: Ending::Pending, request, method })
}

fn framing(response: &Response) -> Result<Framing, Broken> {
    let lengths = response.lines("Content-Length");
    let codings = response.lines("Transfer-Encoding");
    let bodiless = response.method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304);
    let length = match (lengths.as_slice(), codings.as_slice()) {
        ([], ["chunked"]) if !bodiless => return Ok(Framing::Chunked),
        ([], []) => None,
        ([length], []) => {
            Some(length.parse().map_err(|_| Broken::Malformed(format!("Content-Length\n{response}")))?)
        }
        _ => return Err(Broken::Malformed(format!("framing that can be read in two ways\n{response}"))),
    };
    // RFC 9110, 8.6: a 304 may tell the length of the 200, and no other.
    if response.status == 304 && length == Some(0) {
        return Err(Broken::Malformed(format!("a 304 that says the representation is empty\n{response}")));
    }
    match length {
        _ if bodiless => Ok(Framing::None),
        Some(length) => Ok(Framing::Length(length)),
        None if response.lists("Connection", "close") => Ok(Framing::UntilClose),
        None => Err(Broken::Malformed(format!("a body without a length\n{response}"))),
    }
}

fn malformed(what: &str, bytes: &[u8]) -> Broken {
    Broken::Malformed(format!("{what}: {}", shown(bytes)))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
