//! Whose turn it is on a connection: what the stream and the service tell each other.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use crate::semantics::integrity::IntegrityField;

/// Whose turn it is on a connection: the client's to ask, or the server's to answer. Shared by the
/// stream and the service.
#[derive(Clone, Default)]
pub(crate) struct Turn(Rc<TurnState>);

#[derive(Default)]
struct TurnState {
    answering: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
    /// How many requests have been handed on whose responses actix has not taken the last byte of.
    unfinished: Cell<usize>,
    /// Something has been handed on since actix had nothing left to write.
    unsent: Cell<bool>,
    /// The request that is handed on next has been counted.
    counted: Cell<bool>,
    /// The next answer is the last one on the connection.
    last: Cell<bool>,
    /// It was made before the body of its request had come, or that body has no end.
    unread: Cell<bool>,
    /// A digest field that stood behind the body of the current request.
    digest_in_trailer: Cell<Option<IntegrityField>>,
}

/// The body of a response, which tells when actix has taken the last of it.
struct Watched {
    body: BoxBody,
    turn: Turn,
}

impl Turn {
    /// Wraps the body of the response to the current request.
    pub(in crate::http) fn watch(
        &self,
        body: BoxBody,
    ) -> impl MessageBody<Error = Box<dyn std::error::Error>> + 'static {
        Watched { body, turn: self.clone() }
    }

    /// The response to the current request has been made: the next request may come.
    pub(in crate::http) fn end(&self) {
        self.0.answering.set(false);
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }
}

/// Whether the connection is about to end.
impl Turn {
    pub(super) fn set_last(&self) {
        self.0.last.set(true);
    }

    /// The answer was made before the body was read, so it is the last one.
    pub(in crate::http) fn set_unread(&self) {
        self.0.last.set(true);
        self.0.unread.set(true);
    }

    /// Whether that is so.
    pub(super) fn is_unread(&self) -> bool {
        self.0.unread.get()
    }

    /// Whether the answer says that it is the last one.
    pub(in crate::http) fn is_last(&self) -> bool {
        self.0.last.get()
    }
}

/// Whether a request has been counted before it came to the service.
impl Turn {
    pub(in crate::http) fn set_counted(&self) {
        self.0.counted.set(true);
    }

    /// Whether it has; the next one has not.
    pub(in crate::http) fn take_count(&self) -> bool {
        self.0.counted.take()
    }
}

/// What stands in the trailer section of a body, of which actix tells nothing.
impl Turn {
    pub(super) fn set_digest_in_trailer(&self, field: IntegrityField) {
        self.0.digest_in_trailer.set(Some(field));
    }

    /// The digest field that stood there, once the body has come.
    pub(in crate::http) fn digest_in_trailer(&self) -> Option<IntegrityField> {
        self.0.digest_in_trailer.get()
    }
}

/// What the stream tells and asks.
impl Turn {
    /// A request has been handed on.
    pub(super) fn begin(&self) {
        let state = &self.0;
        state.digest_in_trailer.set(None);
        state.answering.set(true);
        state.unfinished.set(state.unfinished.get() + 1);
        state.unsent.set(true);
    }

    /// actix has nothing left to write for now. Whether that ends the answering of all that was handed on.
    pub(super) fn flushed(&self) -> bool {
        let ends = self.0.unsent.get() && self.0.unfinished.get() == 0;
        if ends {
            self.0.unsent.set(false);
        }
        ends
    }

    /// actix has answered the current request by itself.
    pub(super) fn forget(&self) {
        self.0.unfinished.set(self.0.unfinished.get().saturating_sub(1));
        self.0.unsent.set(self.0.unfinished.get() > 0);
    }

    /// Whether the response to the current request is being made.
    pub(super) fn is_answering(&self) -> bool {
        self.0.answering.get()
    }

    /// Whether actix may have something to write, now or later.
    pub(super) fn is_unsent(&self) -> bool {
        self.0.unsent.get()
    }

    /// Wakes `waker` when the turn ends.
    pub(super) fn wait(&self, waker: &Waker) {
        *self.0.waiting.borrow_mut() = Some(waker.clone());
    }
}

impl MessageBody for Watched {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unfinished = &self.turn.0.unfinished;
        unfinished.set(unfinished.get().saturating_sub(1));
    }
}
