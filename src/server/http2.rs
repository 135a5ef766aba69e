//! A connection that speaks HTTP/2: closed when nothing was asked or answered on it for long, and soon after a signal to stop.

mod frames;
mod serve;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use frames::{Answers, Brought, Questions};
pub(super) use serve::{Application, serve};

use crate::http::{Limits, Streams, UnderWay};

/// How often it is looked whether nothing has moved for too long, which depends on how many connections there are.
const LOOK: Duration = Duration::from_secs(10);

/// How long nothing may move in either direction once the server is to stop, unless a request is being answered.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Of so many answers nothing may be taken for long while others are: a person who pauses a film does not end a download.
const FEW: usize = 4;

/// How long a client may take.
pub(super) struct Patience {
    /// How long a connection on which nothing is asked may be idle now.
    pub(super) idle: Box<dyn Fn() -> Duration>,
    pub(super) limits: Limits,
    /// Notes how many answers are under way when the server begins to stop.
    pub(super) note: Box<dyn Fn(usize) -> Option<UnderWay>>,
}

/// A stream that ends when nothing is asked and answered on it, or a head in it is too large or too slow.
pub(super) struct Http2Stream<S> {
    stream: S,
    stopped: Pin<Box<dyn Future<Output = ()>>>,
    is_stopping: bool,
    noted: Option<UnderWay>,
    /// When something was asked or answered last. What frames there are besides keeps nothing alive.
    moved: Instant,
    /// When the head has begun that is on its way.
    head_began: Option<Instant>,
    patience: Patience,
    /// Requests that are being answered; the service counts them.
    streams: Streams,
    questions: Questions,
    answers: Answers,
    idle: Pin<Box<Sleep>>,
}

impl<S> Http2Stream<S> {
    /// Wraps a connection; `stopped` is ready once the server is to stop.
    pub(super) fn new(stream: S, stopped: impl Future<Output = ()> + 'static, patience: Patience) -> Self {
        let (moved, idle) = (Instant::now(), Box::pin(tokio::time::sleep(LOOK)));
        let (questions, answers) = (Questions::new(patience.limits.head_size), Answers::new());
        let (stopped, streams) = (Box::pin(stopped), Streams::default());
        Self {
            stream,
            stopped,
            is_stopping: false,
            noted: None,
            moved,
            head_began: None,
            patience,
            streams,
            questions,
            answers,
            idle,
        }
    }

    /// Returns the requests that are being answered, for the service to count.
    fn streams(&self) -> Streams {
        self.streams.clone()
    }

    /// Returns what the client may take and ask for.
    fn limits(&self) -> Limits {
        self.patience.limits.clone()
    }

    /// When the connection is to end, if nothing moves until then.
    fn due(&self) -> Instant {
        let limit = match (self.streams.count() > 0, self.is_stopping) {
            (true, _) => self.patience.limits.of_answers(),
            (false, true) => DRAIN_LIMIT,
            (false, false) => (self.patience.idle)(),
        };
        let due = self.moved + limit;
        self.head_began.map_or(due, |began| due.min(began + self.patience.limits.head))
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_stopping && self.stopped.as_mut().poll(context).is_ready() {
            self.is_stopping = true;
            self.noted = (self.patience.note)(self.streams.count());
            self.moved = Instant::now();
            self.idle.as_mut().reset(self.moved + DRAIN_LIMIT);
        }
        let due = self.due();
        let look = if self.is_stopping { DRAIN_LIMIT } else { LOOK };
        while self.idle.deadline() > due || self.idle.as_mut().poll(context).is_ready() {
            if self.idle.deadline() == due || self.streams.stalled(self.patience.limits.send) > FEW {
                return Poll::Ready(());
            }
            let next = due.min(self.idle.deadline().max(self.moved) + look);
            self.idle.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// Looks at what came; an error is a head that is too large.
    fn note_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.questions.read(bytes) {
            // The head that was on its way is here; the next one has its own time.
            Brought::Something => (self.moved, self.head_began) = (Instant::now(), None),
            Brought::Nothing => {}
            Brought::TooMuch => return Err(io::ErrorKind::InvalidData.into()),
        }
        self.head_began = match self.questions.is_in_head() {
            true => self.head_began.or_else(|| Some(Instant::now())),
            false => None,
        };
        Ok(())
    }

    /// Looks at what was written. A client that takes nothing is given up, and so is one that only gets refusals.
    fn note_written<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        see: impl FnOnce(&mut Answers, &T) -> bool,
    ) -> Poll<io::Result<T>> {
        match &written {
            Poll::Pending => self.poll_idle(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
            Poll::Ready(Ok(count)) => {
                if see(&mut self.answers, count) {
                    self.moved = Instant::now();
                }
                match self.answers.are_refusals() {
                    true => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                    false => written,
                }
            }
            Poll::Ready(_) => written,
        }
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
        this.note_read(&buffer.filled()[before..])?;
        match read {
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
        this.note_written(context, written, |answers, count| answers.write(&bytes[..*count]))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.note_written(context, written, |answers, count| {
            let mut left = *count;
            pieces.iter().fold(false, |something, piece| {
                let taken = left.min(piece.len());
                left -= taken;
                answers.write(&piece[..taken]) | something
            })
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.note_written(context, flushed, |_, ()| false)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
