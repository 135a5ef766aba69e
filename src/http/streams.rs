//! How many requests one HTTP/2 connection may have answered at the same time. The protocol layer sets no limit (actix-http
//! 3.20 leaves SETTINGS_MAX_CONCURRENT_STREAMS out), and a stream whose answer nobody takes holds memory.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// As many as RFC 9113 6.5.2 advises to allow at least.
const LIMIT: usize = 100;

/// The requests of one connection that are being answered.
#[derive(Clone, Default)]
pub(crate) struct Streams(Rc<Cell<usize>>);

/// One of them.
pub(super) struct Answering(Streams);

/// A body that counts until the last of it is taken.
struct Counted {
    body: BoxBody,
    _answering: Answering,
}

impl Streams {
    /// Whether there are any.
    pub(crate) fn are_answered(&self) -> bool {
        self.0.get() > 0
    }

    /// One more; `None` if there are too many.
    pub(super) fn begin(&self) -> Option<Answering> {
        let count = self.0.get();
        (count < LIMIT).then(|| {
            self.0.set(count + 1);
            Answering(self.clone())
        })
    }
}

impl Answering {
    /// Lets it count as long as `body` is there.
    pub(super) fn watch(self, body: BoxBody) -> BoxBody {
        BoxBody::new(Counted { body, _answering: self })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get().saturating_sub(1));
    }
}

impl MessageBody for Counted {
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

#[cfg(test)]
mod tests;
