//! How large the heads are that come in the frames of HTTP/2 (RFC 9113 4.1, 6.2, 6.10). actix-http (3.20) lets them grow to 16
//! MiB. Nothing is altered here, and nothing of what is in a frame is looked at.

use std::ops::ControlFlow;

/// What every client sends first (3.4).
const PREFACE: usize = 24;

/// The head of a frame.
const FRAME: usize = 9;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in the client's bytes the next one stands.
pub(super) struct Heads {
    /// So much of the preface or of a frame is still to come.
    left: usize,
    /// The head of the next frame, as far as it has come.
    frame: [u8; FRAME],
    known: usize,
    /// How large the head of a request is so far, which may go on in the next frame.
    size: usize,
    limit: usize,
}

impl Heads {
    /// At the beginning of a connection, on which a head may have `limit` bytes, as they are sent.
    pub(super) fn new(limit: usize) -> Self {
        Self { left: PREFACE, frame: [0; FRAME], known: 0, size: 0, limit }
    }

    /// Goes through the client's next bytes; a break is a head that is too large.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> ControlFlow<()> {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            (self.left, bytes) = (self.left - skipped, &bytes[skipped..]);
            let taken = (FRAME - self.known).min(bytes.len());
            self.frame[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            (self.known, bytes) = (self.known + taken, &bytes[taken..]);
            if self.known == FRAME {
                self.begin_frame()?;
            }
        }
        ControlFlow::Continue(())
    }

    fn begin_frame(&mut self) -> ControlFlow<()> {
        let [first, second, third, kind, flags, ..] = self.frame;
        self.left = u32::from_be_bytes([0, first, second, third]) as usize;
        self.known = 0;
        if !matches!(kind, HEADERS | CONTINUATION) {
            return ControlFlow::Continue(());
        }
        self.size += self.left;
        if self.size > self.limit {
            return ControlFlow::Break(());
        }
        if flags & END_HEADERS != 0 {
            self.size = 0;
        }
        ControlFlow::Continue(())
    }
}
