//! How a connection ends on which no request can be understood any more: with a problem document, and so that the client
//! gets to read it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{REST_LIMIT, TurnStream};
use crate::http::connection::fast_path;
use crate::http::policy::limits::READ;

impl<S> TurnStream<S> {
    /// Ends the connection towards actix, as if the client had gone. Who began a head is told why.
    pub(super) fn give_up(&mut self) {
        let amid_head = self.framing.is_amid_head();
        self.over = true;
        if amid_head {
            let detail = "The head of the request did not come to its end in time.";
            self.refuse(StatusCode::REQUEST_TIMEOUT, detail);
        }
    }

    /// The same, for a head that is too large.
    pub(super) fn refuse_head(&mut self) {
        let detail = format!("The head of the request has more than {} bytes.", self.limits().head_size);
        self.over = true;
        self.refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &detail);
    }

    /// Says why the connection ends, unless an answer is in the way.
    fn refuse(&mut self, status: StatusCode, detail: &str) {
        if self.turn.is_unsent() {
            return;
        }
        self.answer = fast_path::farewell(status, detail);
        self.told = true;
        if let Some(express) = &self.express {
            express.note_refusal(status);
        }
    }

    /// Puts a problem document in the place of what actix-http (3.20) says to a head that it cannot read, which is a
    /// status and nothing else. It is that if nothing else can have been written: nobody has been asked for an answer
    /// yet, and the answer before has left.
    pub(super) fn explain(&mut self, bytes: &[u8]) {
        if self.told {
            return;
        }
        let unread = (self.framing.is_amid_head() && !self.turn.is_unsent())
            || (self.alone && self.turn.is_answering());
        let status = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).filter(|_| unread);
        let detail = match status {
            Some(b"400") => "The request is malformed (RFC 9112); nothing after it was read.",
            Some(b"431") => "The request has more header fields than are read.",
            _ => return,
        };
        self.turn.forget();
        self.over = true;
        let status = status.and_then(|status| StatusCode::from_bytes(status).ok());
        self.refuse(status.unwrap_or(StatusCode::BAD_REQUEST), detail);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TurnStream<S> {
    /// Reads on for a while once the last word is said: who closes a connection on which something has not been read
    /// takes back what has not been read at the other end (RFC 9112 9.6).
    pub(super) fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(REST_LIMIT)));
        while idle.as_mut().poll(context).is_pending() {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // Whoever has gone has read it, or does not want to.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
