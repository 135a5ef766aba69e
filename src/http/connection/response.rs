//! An answer on its way to the connection, piece by piece.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::MessageBody as _;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use bytes::{Buf as _, Bytes};

use crate::http::connection::fast_path::head;
use crate::http::message::fields;
use crate::http::message::problem::Problem;
use crate::http::representation::body::Stream;

/// Bodies up to this size are sent with the head in one piece: copying them is cheaper than a second vector.
pub(super) const INLINE: usize = 8 * 1024;

/// Room for the date and the end of a head.
const DATE_ROOM: usize = 40;

/// What follows the head.
pub(super) enum Body {
    Nothing,
    Bytes(Bytes),
    Stream(Box<Stream>),
}

/// A response that is being written: the head with a small body, what is in memory of a large one, and where the rest
/// comes from.
pub(in crate::http) struct Answer {
    head: Vec<u8>,
    /// How much of the head is written.
    written: usize,
    body: Bytes,
    rest: Option<Box<Stream>>,
}

impl Answer {
    pub(super) fn new(head: &[u8], date: &HeaderValue, body: Body) -> Self {
        let (bytes, rest) = match body {
            Body::Nothing => (Bytes::new(), None),
            Body::Bytes(bytes) => (bytes, None),
            Body::Stream(stream) => (Bytes::new(), Some(stream)),
        };
        let (inline, body) = match bytes.len() <= INLINE {
            true => (bytes, Bytes::new()),
            false => (Bytes::new(), bytes),
        };
        let mut whole = Vec::with_capacity(head.len() + DATE_ROOM + inline.len());
        whole.extend_from_slice(head);
        whole.extend_from_slice(b"date: ");
        whole.extend_from_slice(date.as_bytes());
        whole.extend_from_slice(b"\r\n\r\n");
        whole.extend_from_slice(&inline);
        Self { head: whole, written: 0, body, rest }
    }

    /// Tells that the connection ends with it.
    pub(in crate::http) fn say_last(&mut self) {
        if let Some(at) = memchr::memmem::find(&self.head, b"\r\n") {
            self.head.splice(at..at, *b"\r\nconnection: close");
        }
    }

    /// Waits until there is something to be written; `false` if all is. An error if the rest cannot be sent
    /// truthfully: the connection must end then.
    pub(in crate::http) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let (head, body) = self.unwritten();
        if !head.is_empty() || !body.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(Ok(false)) };
        match ready!(Pin::new(&mut **rest).poll_next(context)) {
            Some(Ok(bytes)) => self.body = bytes,
            Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            None => self.rest = None,
        }
        Poll::Ready(Ok(!self.body.is_empty()))
    }

    /// What is in memory and not written yet, in two pieces, of which either may be empty.
    pub(in crate::http) fn unwritten(&self) -> (&[u8], &[u8]) {
        (&self.head[self.written..], &self.body)
    }

    /// So many more bytes are written.
    pub(in crate::http) fn advance(&mut self, written: usize) {
        let of_head = written.min(self.head.len() - self.written);
        self.written += of_head;
        self.body.advance(written - of_head);
    }
}

/// The answer to plain HTTP on a port where connections are encrypted, as bytes.
pub(crate) fn not_encrypted() -> Vec<u8> {
    let answer = farewell(StatusCode::BAD_REQUEST, "This port speaks HTTPS. Use https:// in the address.");
    answer.map_or_else(Vec::new, |answer| answer.head)
}

/// The answer to who has too many connections, as bytes.
pub(crate) fn too_many_connections() -> Vec<u8> {
    let detail =
        "Your address has as many connections to this server as it may have. Close one, or try again later.";
    let answer = farewell(StatusCode::SERVICE_UNAVAILABLE, detail);
    answer.map_or_else(Vec::new, |answer| answer.head)
}

/// A problem after which the connection ends; `None` without a date.
pub(in crate::http) fn farewell(status: StatusCode, detail: &str) -> Option<Answer> {
    let body = Problem::new(status, detail).body();
    let head = head(status, Some(body.len() as u64), |head| {
        head.extend_from_slice(
            b"content-type: application/problem+json\r\nx-content-type-options: nosniff\r\n",
        );
        head.extend_from_slice(b"connection: close\r\n");
    });
    Some(Answer::new(&head, &fields::date_field(fields::now())?, Body::Bytes(body.into())))
}
