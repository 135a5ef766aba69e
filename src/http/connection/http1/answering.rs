//! What is answered on the connection itself, before actix is given it and while actix waits for a request.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::TurnStream;
use crate::http::connection::fast_path::Answer;
use crate::http::policy::limits::READ;

/// How much of an answer is written before other connections get their turn.
const STRETCH: usize = 1 << 20;

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It has ended.
    Over,
    /// Something was asked that is for actix to answer.
    Asked,
}

/// What is to be done with bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing any more.
    Settled,
    /// They are to be handed on.
    Open,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TurnStream<S> {
    /// Answers what can be answered at once, until something comes that cannot: then that waits in the stream, which is
    /// to be given to actix. A connection on which nothing else comes never costs actix's buffers.
    pub(crate) fn poll_opening(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Opening>> {
        loop {
            ready!(self.poll_answer(context))?;
            if self.over {
                return Poll::Ready(Ok(Opening::Over));
            }
            let mut space = [MaybeUninit::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            if ready!(self.poll_bytes(context, &mut buffer))? == Received::Settled {
                continue;
            }
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(Opening::Over));
            }
            self.held.extend_from_slice(buffer.filled());
            return Poll::Ready(Ok(Opening::Asked));
        }
    }
}

impl<S> TurnStream<S> {
    /// The answer to the request that came in `bytes`, if it can be given at once.
    fn answer_at_once(&self, bytes: &[u8]) -> Option<Answer> {
        let express = self.express.as_ref().filter(|_| self.is_at_a_beginning() && !self.had_body)?;
        express.answer(bytes, &self.turn)
    }
}

impl<S: AsyncRead + Unpin> TurnStream<S> {
    /// Reads what the client sends next, and answers that if it can be answered at once.
    pub(super) fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Received>> {
        let (before, in_body) = (buffer.filled().len(), !self.framing.is_in_head());
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.portion = match in_body && read.is_ready() {
            true => self.portion + buffer.filled().len() - before,
            false => 0,
        };
        if read.is_pending() {
            ready!(self.poll_patience(context));
            self.give_up();
            return Poll::Ready(Ok(Received::Settled));
        }
        ready!(read)?;
        let bytes = &buffer.filled()[before..];
        let blank = !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if blank && self.express.is_some() && self.is_at_a_beginning() {
            // actix would keep them until it gets a request, and few come to it.
            buffer.set_filled(before);
            return Poll::Ready(Ok(Received::Settled));
        }
        let Some(mut answer) = self.answer_at_once(bytes) else { return Poll::Ready(Ok(Received::Open)) };
        if self.leaving {
            answer.say_last();
        }
        buffer.set_filled(before);
        (self.answer, self.waiting, self.begun) = (Some(answer), None, true);
        Poll::Ready(Ok(Received::Settled))
    }
}

impl<S: AsyncWrite + Unpin> TurnStream<S> {
    /// Writes what is left of an answer that was given at once.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stretch = 0;
        while let Some(answer) = &mut self.answer {
            if !ready!(answer.poll_more(context))? {
                // An encrypted stream may hold back what it has taken.
                let flushed = Pin::new(&mut self.stream).poll_flush(context).map_ok(|()| 0);
                ready!(self.poll_stall(context, flushed))?;
                self.answer = None;
                // Who has been told so closes the connection.
                (self.over, self.told) = (self.over || self.leaving, self.told || self.leaving);
                break;
            }
            if stretch >= STRETCH {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let stream = Pin::new(&mut self.stream);
            let written = match answer.unwritten() {
                (head, []) => stream.poll_write(context, head),
                ([], body) => stream.poll_write(context, body),
                (head, body) => {
                    stream.poll_write_vectored(context, &[IoSlice::new(head), IoSlice::new(body)])
                }
            };
            let written = ready!(self.poll_stall(context, written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            stretch += written;
            if let Some(answer) = &mut self.answer {
                answer.advance(written);
            }
        }
        Poll::Ready(Ok(()))
    }
}
