//! A connection as this server wants it: one request at a time, and no client that stops reading for good.
//!
//! actix-http decodes pipelined requests ahead, and frames a response by what it decoded *last*: behind
//! a GET, a pipelined HEAD takes away the GET's body, and the connection is out of step. So the
//! bytes of a request are held back here until the response to the one before has been made. Nothing is altered and nothing is
//! interpreted: what is a request is decided by actix-http alone, and a misjudgement here only
//! changes the pace.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::web::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client may take none of an answer before the connection is given up: it holds a chunk
/// of memory all the while.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// How long a client that has its answer already may send nothing of the rest of its body.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// How much may be held back; more stays in the kernel's buffer.
const HELD_LIMIT: usize = 64 * 1024;

/// How much of a body is handed on at a stretch. actix-http (3.20) reads into a buffer that grows to 256 KiB, copying it
/// each time, before it decodes any of it: in portions the same small buffer is used again and again.
const PORTION: usize = 32 * 1024;

/// Whose turn it is on a connection: the client's to ask, or the server's to answer. Shared by the
/// stream and the service.
#[derive(Clone, Default)]
pub(crate) struct Turn(Rc<TurnState>);

#[derive(Default)]
struct TurnState {
    answering: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// A connection that hands out one request at a time.
pub struct TurnStream<S> {
    stream: S,
    turn: Turn,
    held: BytesMut,
    at: Position,
    /// The head so far, without blank lines before it, for the rare one that comes in pieces.
    head: BytesMut,
    /// Runs out when the client has taken nothing for [`STALL_LIMIT`].
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs out when the client has sent nothing of a body that nobody waits for, for [`REST_LIMIT`].
    idle: Option<Pin<Box<Sleep>>>,
    /// The answer came before the end of the body, and now that is over too.
    over: bool,
    /// The current request has a body.
    has_body: bool,
    /// How much of a body has been handed on at a stretch.
    portion: usize,
}

/// Where in the client's bytes the next one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Head,
    /// In a body of which so many bytes are left.
    Body(u64),
    /// In a chunked body.
    Chunked(Chunk),
    /// In bytes whose end is not known here.
    Unknown,
}

/// Where in a chunked body (RFC 9112 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// In a size, with its value so far.
    Size(u64),
    /// Behind a size, before the end of its line.
    Extension(u64),
    /// In data, of which so many bytes and the end of its line are left.
    Data(u64),
    /// In the trailer section; whether the line is empty so far.
    Trailer(Line),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Empty,
    Begun,
}

impl Turn {
    /// The response to the current request has been made: the next request may come.
    pub(super) fn end(&self) {
        self.0.answering.set(false);
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }
}

impl<S> TurnStream<S> {
    /// Wraps a connection.
    pub fn new(stream: S) -> Self {
        let (held, head) = (BytesMut::new(), BytesMut::new());
        let turn = Turn::default();
        Self {
            stream,
            turn,
            held,
            at: Position::Head,
            head,
            stalled: None,
            idle: None,
            over: false,
            has_body: false,
            portion: 0,
        }
    }

    /// The connection's turn, for the service that answers.
    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// How many of `bytes`, the client's next, may be handed on now.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        match &mut self.at {
            Position::Unknown => bytes.len(),
            Position::Chunked(chunk) => match end_of_chunks(chunk, bytes) {
                Some(end) => {
                    self.at = Position::Head;
                    end
                }
                None => bytes.len(),
            },
            Position::Body(left) => {
                let admitted = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= admitted as u64;
                if *left == 0 {
                    self.at = Position::Head;
                }
                admitted
            }
            Position::Head => self.admit_head(bytes),
        }
    }

    fn admit_head(&mut self, bytes: &[u8]) -> usize {
        let blank = if self.head.is_empty() {
            bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        } else {
            0
        };
        if self.head.is_empty() {
            // The usual case: a head in one piece.
            if let Some(end) = end_of_head(&bytes[blank..], 0) {
                self.begin(body_after(&bytes[blank..blank + end]));
                return blank + end;
            }
        }
        let known = self.head.len();
        self.head.extend_from_slice(&bytes[blank..]);
        match end_of_head(&self.head, known.saturating_sub(2)) {
            Some(end) => {
                let body = body_after(&self.head[..end]);
                self.head.clear();
                self.begin(body);
                blank + end - known
            }
            None => bytes.len(),
        }
    }

    fn begin(&mut self, body: Position) {
        self.has_body = body != Position::Head;
        self.at = body;
        self.turn.0.answering.set(true);
    }
}

impl<S: AsyncRead + Unpin> TurnStream<S> {
    /// The answer was made before the end of the body. actix-http closes the connection then, but first reads
    /// on, so that the answer reaches a client who is still sending. It ends that at the end of the
    /// connection only, which is what it is told at the end of the body.
    fn poll_rest(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.held.is_empty() {
            if Pin::new(&mut self.stream).poll_read(context, buffer)?.is_pending() {
                let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(REST_LIMIT)));
                return idle.as_mut().poll(context).map(Ok);
            }
            let admitted = self.admit(&buffer.filled()[before..]);
            buffer.set_filled(before + admitted);
        } else {
            self.release(buffer);
        }
        self.idle = None;
        self.over = self.at == Position::Head;
        Poll::Ready(Ok(()))
    }

    /// The next request must wait. Its bytes are taken in (up to a limit), so that the end of the
    /// connection is noticed.
    fn poll_hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < HELD_LIMIT {
            let mut space = [MaybeUninit::uninit(); 4096];
            let mut buffer = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => break,
                Poll::Ready(Ok(())) => self.held.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.held.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        // A client may end its side once the body is sent; actix-http would take that for the end of a body it has not
        // handed on yet.
        if self.held.is_empty() && !self.has_body {
            return Poll::Ready(Ok(()));
        }
        *self.turn.0.waiting.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    /// Hands on what was held back, as far as it may go.
    fn release(&mut self, buffer: &mut ReadBuf<'_>) {
        let mut held = std::mem::take(&mut self.held);
        let offered = held.len().min(buffer.remaining());
        let admitted = self.admit(&held[..offered]);
        buffer.put_slice(&held.split_to(admitted));
        self.held = held;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TurnStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(Ok(()));
        }
        let answering = this.turn.0.answering.get();
        if this.at == Position::Head && answering {
            return this.poll_hold(context);
        }
        if matches!(this.at, Position::Body(_) | Position::Chunked(_)) && !answering {
            return this.poll_rest(context, buffer);
        }
        if !this.held.is_empty() {
            this.release(buffer);
            return Poll::Ready(Ok(()));
        }
        if this.portion >= PORTION {
            this.portion = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (before, in_body) = (buffer.filled().len(), this.at != Position::Head);
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.portion = match in_body && read.is_ready() {
            true => this.portion + buffer.filled().len() - before,
            false => 0,
        };
        ready!(read)?;
        let admitted = this.admit(&buffer.filled()[before..]);
        this.held.extend_from_slice(&buffer.filled()[before + admitted..]);
        buffer.set_filled(before + admitted);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TurnStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if written.is_ready() {
            this.stalled = None;
            return written;
        }
        let stalled = this.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_LIMIT)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Where a head ends that begins at 0, looking from `from` on: behind its empty line.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut from = from;
    while let Some(found) = memchr::memchr(b'\n', &bytes[from..]) {
        let next = from + found + 1;
        match &bytes[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => from = next,
        }
    }
    None
}

/// What follows a head, as far as the pace is concerned.
fn body_after(head: &[u8]) -> Position {
    if head.starts_with(b"CONNECT ") {
        return Position::Unknown;
    }
    let mut position = Position::Head;
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            return Position::Chunked(Chunk::Size(0));
        }
        if name.eq_ignore_ascii_case(b"upgrade") && value.eq_ignore_ascii_case(b"websocket") {
            return Position::Unknown;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|length| length.parse().ok());
            position = length.map_or(Position::Unknown, |length| match length {
                0 => Position::Head,
                length => Position::Body(length),
            });
        }
    }
    position
}

/// Where a chunked body ends within `bytes`; `chunk` keeps the place between calls.
fn end_of_chunks(chunk: &mut Chunk, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        *chunk = match (*chunk, byte) {
            (Chunk::Data(left), _) => {
                let skipped = (bytes.len() - at).min(usize::try_from(left - 1).unwrap_or(usize::MAX));
                at += skipped;
                match left - 1 - skipped as u64 {
                    0 => Chunk::Size(0),
                    left => Chunk::Data(left),
                }
            }
            (Chunk::Size(0) | Chunk::Extension(0), b'\n') => Chunk::Trailer(Line::Empty),
            (Chunk::Size(size) | Chunk::Extension(size), b'\n') => Chunk::Data(size.saturating_add(2)),
            (Chunk::Size(size), byte) => match char::from(byte).to_digit(16) {
                Some(digit) => Chunk::Size(size.saturating_mul(16).saturating_add(digit.into())),
                None => Chunk::Extension(size),
            },
            (Chunk::Trailer(Line::Empty), b'\n') => return Some(at),
            (Chunk::Trailer(_), b'\n') => Chunk::Trailer(Line::Empty),
            (Chunk::Trailer(line), b'\r') => Chunk::Trailer(line),
            (Chunk::Trailer(_), _) => Chunk::Trailer(Line::Begun),
            (extension, _) => extension,
        };
    }
    None
}

#[cfg(test)]
mod tests;
