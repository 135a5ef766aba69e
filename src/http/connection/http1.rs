//! A connection as this server wants it: one request at a time, no client that stops reading or asking for good,
//! and what can be answered at once is answered here ([`fast_path`](crate::http::connection::fast_path)).
//!
//! actix-http decodes pipelined requests ahead, and frames a response by what it decoded *last*: behind
//! a GET, a pipelined HEAD takes away the GET's body, and the connection is out of step. So the
//! bytes of a request are held back here until the response to the one before has been made. Two things are altered: blank lines
//! between requests are left out, and a target that is not ASCII is percent-encoded ([`target`]). Nothing is interpreted: what is
//! a request is decided by actix-http, and a misjudgement here only changes the pace. So once a request had a body, whose end actix may see elsewhere, nothing is
//! answered at once on that connection any more.

mod answering;
mod close;

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::web::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::http::connection::fast_path::{Answer, Express};
use crate::http::connection::framing::{Admitted, Framing};
use crate::http::connection::target;
pub(crate) use crate::http::connection::turn::Turn;
use crate::http::policy::limits::READ;
use crate::http::{Limits, UnderWay};
pub(crate) use answering::Opening;
use answering::Received;

/// How long a client that has its answer already may send nothing of the rest of its body.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// How often it is looked whether a connection may still idle, which depends on how many others there are.
const LOOK: Duration = Duration::from_secs(10);

/// How much may be held back; more stays in the kernel's buffer.
const HELD_LIMIT: usize = 64 * 1024;

/// When the server stops, a request may be on its way: so long it may take to come.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How much of a body is handed on at a stretch. actix-http (3.20) reads into a buffer that grows to 256 KiB, copying it
/// each time, before it decodes any of it: in portions the same small buffer is used again and again.
const PORTION: usize = 32 * 1024;

/// A connection that hands out one request at a time.
pub struct TurnStream<S> {
    stream: S,
    turn: Turn,
    held: BytesMut,
    framing: Framing,
    /// Runs out when the client has taken nothing for too long.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs out when the client has sent nothing of what nobody waits for, for [`REST_LIMIT`].
    idle: Option<Pin<Box<Sleep>>>,
    /// The answer came before the end of the body, and now that is over too.
    over: bool,
    /// The current request has a body.
    has_body: bool,
    /// This request or one before has: where actix sees its end, and whether it goes on afterwards, is for actix to know.
    had_body: bool,
    /// How much of a body has been handed on at a stretch.
    portion: usize,
    /// Who answers what can be answered at once.
    express: Option<Express>,
    /// What of such an answer is not written yet.
    answer: Option<Answer>,
    /// Since when nothing has come of a head that is awaited, and what ends the waiting.
    waiting: Option<Instant>,
    patience: Option<Pin<Box<Sleep>>>,
    /// A request has come.
    begun: bool,
    /// The last word on this connection is said.
    told: bool,
    /// The answer under way is the last one: what the client still sends is read over once that is written.
    closing: bool,
    /// When the current request was handed on, no answer was on its way.
    alone: bool,
    /// Tells that the server is to stop.
    stopped: Option<Stopped>,
    /// It has: the next answer is the last one here, and says so.
    leaving: bool,
    /// Nothing was under way when the connection learned of it.
    noted: Option<UnderWay>,
}

/// Ready when the server is to stop.
type Stopped = Pin<Box<dyn Future<Output = ()>>>;

/// Lets the service know whose turn it is on a connection; for `on_connect_ext`.
pub fn remember_turn<S>(stream: &TurnStream<S>, data: &mut actix_web::dev::Extensions) {
    data.insert(stream.turn());
}

impl<S> TurnStream<S> {
    /// Wraps a connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            turn: Turn::default(),
            held: BytesMut::new(),
            framing: Framing::new(),
            stalled: None,
            idle: None,
            over: false,
            has_body: false,
            had_body: false,
            portion: 0,
            express: None,
            answer: None,
            waiting: None,
            patience: None,
            begun: false,
            told: false,
            closing: false,
            alone: false,
            stopped: None,
            leaving: false,
            noted: None,
        }
    }

    /// The same, with somebody who answers what can be answered at once.
    pub(in crate::http) fn with_express(self, express: Express) -> Self {
        Self { express: Some(express), ..self }
    }

    /// The same, which ends in order once `stopped` is ready.
    pub(crate) fn until(self, stopped: impl Future<Output = ()> + 'static) -> Self {
        Self { stopped: Some(Box::pin(stopped)), ..self }
    }

    fn limits(&self) -> &Limits {
        self.express.as_ref().map_or(&Limits::DEFAULT, Express::limits)
    }

    /// How long the connection may idle between requests.
    fn idle_limit(&self) -> Duration {
        self.express.as_ref().map_or(Limits::DEFAULT.idle, Express::idle_limit)
    }

    /// The connection's turn, for the service that answers.
    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// How many of `bytes`, the client's next, may be handed on now.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        let between = !self.framing.is_amid_head();
        let Admitted { count, head, ends_head } = self.framing.admit(bytes);
        if let Some(field) = self.framing.take_digest_in_trailer() {
            self.turn.set_digest_in_trailer(field);
        }
        if head > self.limits().head_size {
            self.refuse_head();
            return 0;
        }
        if ends_head {
            self.begin();
        } else if between && self.begun && self.framing.is_amid_head() {
            self.waiting = Some(Instant::now());
        }
        count
    }

    fn begin(&mut self) {
        self.has_body = !self.framing.is_in_head();
        self.had_body |= self.has_body;
        (self.waiting, self.begun, self.alone) = (None, true, !self.turn.is_unsent());
        self.turn.begin();
    }

    /// Whether actix is told that the client has gone. That is so as well when nothing further can be understood, and when an answer
    /// was made before the body of its request was read and the rest of that has come or never ends: actix would wait for more.
    fn ends(&mut self) -> bool {
        let unread = self.turn.is_unread() && !self.turn.is_answering() && !self.framing.is_in_body();
        if unread || self.framing.is_broken() {
            (self.over, self.closing) = (true, true);
            self.turn.set_last();
        }
        self.over
    }

    /// Whether the next byte of the client begins a head, and nothing that actix has to write is in the way.
    fn is_at_a_beginning(&self) -> bool {
        self.framing.is_in_head()
            && !self.framing.is_amid_head()
            && self.held.is_empty()
            && !self.turn.is_unsent()
    }

    /// Nothing comes where a head should; ready when that has taken too long. While an answer is on its way that does
    /// not count: [`poll_flush`](AsyncWrite::poll_flush) comes back to it.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.turn.is_unsent() || self.framing.is_in_body() {
            return Poll::Pending;
        }
        if self.stopped.as_mut().is_some_and(|stopped| stopped.as_mut().poll(context).is_ready()) {
            (self.stopped, self.leaving) = (None, true);
            self.noted = self.express.as_ref().map(Express::note_idle);
            self.turn.set_last();
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let between = self.begun && !self.framing.is_amid_head();
        let limit = if between { self.idle_limit() } else { self.limits().head };
        let due = since + if self.leaving { limit.min(LAST_CHANCE) } else { limit };
        let patience =
            self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.min(since + LOOK))));
        // It may have been set for a head before: that is corrected here, and not with every head.
        while patience.deadline() > due || patience.as_mut().poll(context).is_ready() {
            if patience.deadline() == due {
                return Poll::Ready(());
            }
            let next = due.min(patience.deadline().max(since) + LOOK);
            patience.as_mut().reset(next);
        }
        Poll::Pending
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
        self.over = self.framing.is_in_head();
        Poll::Ready(Ok(()))
    }

    /// The next request must wait. Its bytes are taken in (up to a limit), so that the end of the
    /// connection is noticed.
    fn poll_hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < HELD_LIMIT {
            let mut space = [MaybeUninit::uninit(); READ];
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
        self.turn.wait(context.waker());
        Poll::Pending
    }

    /// Hands on what was held back, as far as it may go.
    fn release(&mut self, buffer: &mut ReadBuf<'_>) {
        let mut held = std::mem::take(&mut self.held);
        if let Some(begun) = self.framing.request_line() {
            target::encode(begun, &mut held);
        }
        let offered = held.len().min(buffer.remaining());
        let admitted = self.admit(&held[..offered]);
        buffer.put_slice(&held.split_to(admitted));
        self.held = held;
    }
}

impl<S: AsyncWrite + Unpin> TurnStream<S> {
    /// The same outcome, or an error if nothing could be written for too long: a chunk of memory is held all the while.
    fn poll_stall(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limits().send;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TurnStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_answer(context))?;
            if this.ends() {
                return Poll::Ready(Ok(()));
            }
            let answering = this.turn.is_answering();
            if this.framing.is_in_head() && answering {
                return this.poll_hold(context);
            }
            if this.framing.is_in_body() && !answering {
                return this.poll_rest(context, buffer);
            }
            if !this.held.is_empty() {
                this.release(buffer);
                if this.over {
                    continue;
                }
                return Poll::Ready(Ok(()));
            }
            if this.portion >= PORTION {
                this.portion = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let before = buffer.filled().len();
            if ready!(this.poll_bytes(context, buffer))? == Received::Settled {
                continue;
            }
            let bytes = &buffer.filled()[before..];
            if this.framing.request_line().is_some_and(|begun| target::beyond_ascii(begun, bytes).is_some()) {
                this.held.extend_from_slice(bytes);
                buffer.set_filled(before);
                continue;
            }
            let admitted = this.admit(&buffer.filled()[before..]);
            if !this.over {
                this.held.extend_from_slice(&buffer.filled()[before + admitted..]);
            }
            buffer.set_filled(before + admitted);
            if this.over {
                continue;
            }
            return Poll::Ready(Ok(()));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TurnStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_answer(context))?;
        this.explain(bytes);
        if this.told {
            // actix drops the connection as soon as it believes that this is written.
            return this.poll_linger(context).map_ok(|()| bytes.len());
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.poll_stall(context, written)
    }

    /// actix flushes whenever it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.turn.flushed() && this.poll_patience(context).is_ready() {
            // Time was over before it began: that is dealt with when it is read.
            context.waker().wake_by_ref();
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answer(context))?;
        if this.told || this.closing {
            return this.poll_linger(context);
        }
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
