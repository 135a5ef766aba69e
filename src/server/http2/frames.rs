//! What comes and goes in the frames of HTTP/2 (RFC 9113 4.1, 6.1, 6.2, 6.10): how large a head is as it is sent (h2 measures
//! what it unpacks to), and whether anything is asked or answered. Nothing is altered here, and nothing of what is in a frame is looked at.

use std::ops::ControlFlow;

/// What every client sends first (3.4).
const PREFACE: usize = 24;

/// The head of a frame.
const FRAME: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in the bytes of one side the next one stands.
struct Frames {
    /// So much of the preface or of a frame is still to come.
    left: usize,
    /// The head of the frame, as far as it has come.
    head: [u8; FRAME],
    known: usize,
}

/// A piece of a frame.
struct Piece {
    kind: u8,
    flags: u8,
    /// How long the frame is, if this is its beginning.
    begins: Option<usize>,
    /// How much of its content this is.
    length: usize,
    is_end: bool,
}

impl Frames {
    fn new(preface: usize) -> Self {
        Self { left: preface, head: [0; FRAME], known: 0 }
    }

    /// Goes through the next bytes.
    fn read(&mut self, mut bytes: &[u8], mut see: impl FnMut(Piece) -> ControlFlow<()>) -> ControlFlow<()> {
        while !bytes.is_empty() {
            let length = self.left.min(bytes.len());
            (self.left, bytes) = (self.left - length, &bytes[length..]);
            // Not of the preface.
            if length > 0 && self.known == FRAME {
                see(self.piece(None, length))?;
            }
            if self.left > 0 || bytes.is_empty() {
                break;
            }
            if self.known == FRAME {
                self.known = 0;
            }
            let taken = (FRAME - self.known).min(bytes.len());
            self.head[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            (self.known, bytes) = (self.known + taken, &bytes[taken..]);
            if self.known == FRAME {
                let [first, second, third, ..] = self.head;
                self.left = u32::from_be_bytes([0, first, second, third]) as usize;
                see(self.piece(Some(self.left), 0))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn piece(&self, begins: Option<usize>, length: usize) -> Piece {
        let [.., kind, flags, _, _, _, _] = self.head;
        Piece { kind, flags, begins, length, is_end: self.left == 0 }
    }
}

/// What a client has sent.
pub(super) struct Questions {
    frames: Frames,
    /// How large the head of a request is so far, which may go on in the next frame.
    size: usize,
    limit: usize,
    /// A head has begun, and not ended.
    is_in_head: bool,
}

/// What some bytes of a client have brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// A request, or a part of its content.
    Something,
    /// Nothing that asks for an answer.
    Nothing,
    /// More of a head than may be.
    TooMuch,
}

impl Questions {
    /// At the beginning of a connection, on which a head may have `limit` bytes, as they are sent.
    pub(super) fn new(limit: usize) -> Self {
        Self { frames: Frames::new(PREFACE), size: 0, limit, is_in_head: false }
    }

    /// Whether a head has begun, and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        self.is_in_head
    }

    /// Goes through the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Brought {
        let Self { frames, size, limit, is_in_head } = self;
        let mut brought = Brought::Nothing;
        let seen = frames.read(bytes, |piece| {
            match piece.kind {
                HEADERS | CONTINUATION => {
                    *is_in_head = true;
                    *size += piece.begins.unwrap_or(0);
                    if *size > *limit {
                        return ControlFlow::Break(());
                    }
                    if piece.is_end && piece.flags & END_HEADERS != 0 {
                        (*size, *is_in_head) = (0, false);
                        brought = Brought::Something;
                    }
                }
                DATA if piece.length > 0 => brought = Brought::Something,
                _ => {}
            }
            ControlFlow::Continue(())
        });
        if seen.is_break() { Brought::TooMuch } else { brought }
    }
}

/// What the server has sent.
pub(super) struct Answers {
    frames: Frames,
    /// How many requests were refused in a row.
    refused: usize,
}

/// So many refusals in a row come to no client that heeds how many requests it may have at a time.
const MOST_REFUSED: usize = 1000;

impl Answers {
    pub(super) fn new() -> Self {
        Self { frames: Frames::new(0), refused: 0 }
    }

    /// Goes through the next bytes; whether an answer, or a part of it, is among them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let Self { frames, refused } = self;
        let mut something = false;
        let _never = frames.read(bytes, |piece| {
            match piece.kind {
                DATA | HEADERS | CONTINUATION => (something, *refused) = (true, 0),
                RST_STREAM if piece.begins.is_some() => *refused += 1,
                _ => {}
            }
            ControlFlow::Continue(())
        });
        something
    }

    /// Whether the client asks for nothing but refusals.
    pub(super) fn are_refusals(&self) -> bool {
        self.refused > MOST_REFUSED
    }
}
