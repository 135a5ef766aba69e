//! A connection that speaks HTTP/2: closed when nothing has moved on it for long, and soon after a signal to stop, which
//! actix-http (3.20) does not heed there.

mod heads;

use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use heads::Heads;

use crate::http::Streams;

/// How often it is looked whether nothing has moved for too long, which depends on how many connections there are.
const LOOK: Duration = Duration::from_secs(10);

/// How long nothing may move in either direction once the server is to stop, unless a request is being answered.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// A stream that ends when it is idle, or a head in it too large.
pub(super) struct Http2Stream<S> {
    stream: S,
    stopped: Pin<Box<dyn Future<Output = ()>>>,
    is_stopping: bool,
    moved: Instant,
    /// How long nothing may move now, with requests that are being answered or without.
    limit: Box<dyn Fn(&Streams) -> Duration>,
    /// Those requests; the service counts them.
    streams: Streams,
    heads: Heads,
    idle: Pin<Box<Sleep>>,
}

impl<S> Http2Stream<S> {
    /// Wraps a connection; `stopped` is ready once the server is to stop, `limit` tells how long nothing may move,
    /// and `head_size` how large a head may be.
    pub(super) fn new(
        stream: S,
        stopped: impl Future<Output = ()> + 'static,
        limit: impl Fn(&Streams) -> Duration + 'static,
        head_size: usize,
    ) -> Self {
        let (moved, idle) = (Instant::now(), Box::pin(tokio::time::sleep(LOOK)));
        let (limit, heads) = (Box::new(limit), Heads::new(head_size));
        let (stopped, streams) = (Box::pin(stopped), Streams::default());
        Self { stream, stopped, is_stopping: false, moved, limit, streams, heads, idle }
    }

    /// The requests that are being answered, for the service to count.
    pub(super) fn streams(&self) -> Streams {
        self.streams.clone()
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_stopping && self.stopped.as_mut().poll(context).is_ready() {
            self.is_stopping = true;
            self.moved = Instant::now();
            self.idle.as_mut().reset(self.moved + DRAIN_LIMIT);
        }
        let drains = self.is_stopping && !self.streams.are_answered();
        let due = self.moved + if drains { DRAIN_LIMIT } else { (self.limit)(&self.streams) };
        let look = if self.is_stopping { DRAIN_LIMIT } else { LOOK };
        while self.idle.deadline() > due || self.idle.as_mut().poll(context).is_ready() {
            if self.idle.deadline() == due {
                return Poll::Ready(());
            }
            let next = due.min(self.idle.deadline().max(self.moved) + look);
            self.idle.as_mut().reset(next);
        }
        Poll::Pending
    }

    fn note<T>(&mut self, moved: Poll<T>) -> Poll<T> {
        if moved.is_ready() {
            self.moved = Instant::now();
        }
        moved
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Http2Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let ControlFlow::Break(()) = this.heads.read(&buffer.filled()[before..]) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        match this.note(read) {
            // Nothing more is what it is told.
            Poll::Pending => this.poll_idle(context).map(Ok),
            read => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Http2Stream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
