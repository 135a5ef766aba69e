//! Where requests begin and end in the bytes of a client, as far as the pace is concerned: what is a request is
//! decided by actix-http alone.
//!
//! actix-http (3.20) also drops the trailers of a chunked body unread, so the names of trailers are read here: a digest
//! that a client sent must not be passed over in silence.

use actix_web::web::BytesMut;

use crate::semantics::integrity::IntegrityField;

/// The client's bytes so far.
pub(super) struct Framing {
    at: Position,
    /// The head so far, without blank lines before it, for the rare one that comes in pieces.
    head: BytesMut,
    trailers: Trailers,
}

/// What of some bytes may be handed on.
pub(super) struct Admitted {
    /// So many of them.
    pub(super) count: usize,
    /// How large the head is that they belong to, as far as it has come; 0 in a body.
    pub(super) head: usize,
    /// With these a head ends.
    pub(super) ends_head: bool,
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
    /// Behind something that is no chunked body. actix-http (3.20) would wait for its end for ever.
    Broken,
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
    /// The same, but for the CR of its end.
    EmptyCr,
    Begun,
    BegunCr,
}

/// How the bytes of a chunked body go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    /// In the next bytes.
    Further,
    /// It ends before this place.
    End(usize),
    /// A line of the trailer section ends without CR, here.
    Broken(usize),
}

/// The names of the trailers of the current body.
#[derive(Debug, Default)]
struct Trailers {
    /// The beginning of the current line, up to its colon. A longer name than [`LONGEST_NAME`] is not kept.
    name: Vec<u8>,
    /// A field with a digest that stood among them.
    digest: Option<IntegrityField>,
}

/// Enough for the name of every digest field.
const LONGEST_NAME: usize = 32;

impl Trailers {
    /// Reads the next byte of the trailer section.
    fn read(&mut self, byte: u8) {
        match byte {
            b'\n' => self.name.clear(),
            b':' => {
                let name = self.name.trim_ascii();
                let is_named = |field: &IntegrityField| field.name().as_bytes().eq_ignore_ascii_case(name);
                self.digest = self.digest.or_else(|| IntegrityField::ALL.into_iter().find(is_named));
                // What follows is the value.
                self.name.resize(LONGEST_NAME, 0);
            }
            _ if self.name.len() < LONGEST_NAME => self.name.push(byte),
            _ => {}
        }
    }
}

impl Framing {
    /// At the beginning of a connection.
    pub(super) fn new() -> Self {
        Self { at: Position::Head, head: BytesMut::new(), trailers: Trailers::default() }
    }

    /// Whether the next byte belongs to a head, be it its first or not.
    pub(super) fn is_in_head(&self) -> bool {
        self.at == Position::Head
    }

    /// Whether the next byte belongs to a body whose end will be known.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.at, Position::Body(_) | Position::Chunked(_))
    }

    /// Whether the body is malformed in a way that actix does not see.
    pub(super) fn is_broken(&self) -> bool {
        self.at == Position::Broken
    }

    /// Whether a part of a head has come.
    pub(super) fn is_amid_head(&self) -> bool {
        !self.head.is_empty()
    }

    /// A digest field that stood in the trailer section of the current body, as far as that has come.
    pub(super) fn take_digest_in_trailer(&mut self) -> Option<IntegrityField> {
        self.trailers.digest.take()
    }

    /// Returns what has come of a request line whose end is still to come.
    pub(super) fn request_line(&self) -> Option<&[u8]> {
        (self.at == Position::Head && memchr::memchr(b'\n', &self.head).is_none()).then_some(&self.head[..])
    }

    /// How many of `bytes`, the client's next, belong to the current request.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> Admitted {
        let count = match &mut self.at {
            Position::Unknown => bytes.len(),
            Position::Broken => 0,
            Position::Chunked(chunk) => match end_of_chunks(chunk, &mut self.trailers, bytes) {
                Chunks::End(end) => {
                    self.at = Position::Head;
                    end
                }
                Chunks::Broken(end) => {
                    self.at = Position::Broken;
                    end
                }
                Chunks::Further => bytes.len(),
            },
            Position::Body(left) => {
                let admitted = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= admitted as u64;
                if *left == 0 {
                    self.at = Position::Head;
                }
                admitted
            }
            Position::Head => return self.admit_head(bytes),
        };
        Admitted { count, head: 0, ends_head: false }
    }

    fn admit_head(&mut self, bytes: &[u8]) -> Admitted {
        let blank = if self.head.is_empty() {
            bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        } else {
            0
        };
        if self.head.is_empty() {
            // The usual case: a head in one piece.
            if let Some(end) = end_of_head(&bytes[blank..], 0) {
                self.at = body_after(&bytes[blank..blank + end]);
                return Admitted { count: blank + end, head: end, ends_head: true };
            }
        }
        let known = self.head.len();
        self.head.extend_from_slice(&bytes[blank..]);
        match end_of_head(&self.head, known.saturating_sub(2)) {
            Some(end) => {
                self.at = body_after(&self.head[..end]);
                self.head.clear();
                Admitted { count: blank + end - known, head: end, ends_head: true }
            }
            None => Admitted { count: bytes.len(), head: self.head.len(), ends_head: false },
        }
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
    let (mut position, mut upgrade) = (Position::Head, false);
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            return Position::Chunked(Chunk::Size(0));
        }
        if name.eq_ignore_ascii_case(b"upgrade") && value.eq_ignore_ascii_case(b"websocket") {
            upgrade = true;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|length| length.parse().ok());
            position = length.map_or(Position::Unknown, |length| match length {
                0 => Position::Head,
                length => Position::Body(length),
            });
        }
    }
    if upgrade { Position::Unknown } else { position }
}

/// Where a chunked body ends within `bytes`; `chunk` keeps the place between calls, and `trailers` reads the trailer section. What is
/// malformed before that section is for actix to refuse.
fn end_of_chunks(chunk: &mut Chunk, trailers: &mut Trailers, bytes: &[u8]) -> Chunks {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if matches!(chunk, Chunk::Trailer(_)) {
            trailers.read(byte);
        }
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
            (Chunk::Trailer(Line::EmptyCr), b'\n') => return Chunks::End(at),
            (Chunk::Trailer(Line::BegunCr), b'\n') => Chunk::Trailer(Line::Empty),
            (Chunk::Trailer(_), b'\n') => return Chunks::Broken(at - 1),
            (Chunk::Trailer(Line::Empty), b'\r') => Chunk::Trailer(Line::EmptyCr),
            (Chunk::Trailer(_), b'\r') => Chunk::Trailer(Line::BegunCr),
            (Chunk::Trailer(_), _) => Chunk::Trailer(Line::Begun),
            (extension, _) => extension,
        };
    }
    Chunks::Further
}
