//! How many requests one HTTP/2 connection may have answered at the same time, and how much their heads may hold: a stream whose
//! answer nobody takes holds memory and an open file.

use std::array;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use tokio::time::Instant;

use crate::http::message::problem::Problem;
use crate::http::policy::connection_limit::{Crowd, OpenPlace};

const LIMIT: usize = Streams::LIMIT as usize;

/// How much the heads of all requests of a connection may hold that are being answered, in bytes.
const HEADS: usize = 1 << 20;

/// How many fields a head may have, as in HTTP/1.1 (actix-http 3.20). A client may send each cookie in a field of its own (RFC 9113
/// 8.2.3), so these are not counted.
const FIELDS: usize = 96;

/// The requests of one connection that are being answered.
#[derive(Clone)]
pub(crate) struct Streams(Rc<Table>);

struct Table {
    places: [Cell<State>; LIMIT],
    count: Cell<usize>,
    /// What the heads of all of them hold.
    heads: Cell<usize>,
    /// Whether the one file that a connection may have open in any case is taken.
    has_file: Cell<bool>,
}

/// What becomes of one of them.
#[derive(Clone, Copy)]
enum State {
    Free,
    /// The answer is being made.
    Made,
    /// It is on its way; a piece of it was taken last at this moment.
    Sent(Instant),
}

/// One of them.
pub(in crate::http) struct Answering {
    streams: Streams,
    place: usize,
    /// What its head holds.
    head: usize,
    file: Option<Taken>,
}

/// Why a request is not answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum TooMuch {
    /// The connection has too many requests.
    Requests,
    /// Their heads hold too much.
    Heads,
    /// The head of this one has too many fields.
    Fields,
}

/// The file that an answer comes from.
enum Taken {
    /// The one of the connection.
    Own,
    /// One more.
    More { _place: OpenPlace },
}

/// A body that counts until the last of it is taken.
struct Counted {
    body: BoxBody,
    answering: Answering,
}

impl Default for Streams {
    fn default() -> Self {
        let places = array::from_fn(|_| Cell::new(State::Free));
        Self(Rc::new(Table { places, count: Cell::new(0), heads: Cell::new(0), has_file: Cell::new(false) }))
    }
}

impl Streams {
    /// The number of requests that a connection may have at a time: as many as RFC 9113 6.5.2 advises to allow at least. The client is
    /// told, and h2 refuses more.
    pub(crate) const LIMIT: u32 = 100;

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.count.get()
    }

    /// Of how many nothing was taken for so long.
    pub(crate) fn stalled(&self, time: Duration) -> usize {
        let is_stalled =
            |place: &&Cell<State>| matches!(place.get(), State::Sent(taken) if taken.elapsed() >= time);
        self.0.places.iter().filter(is_stalled).count()
    }

    /// Counts one more, with this head.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub(in crate::http) fn begin(&self, head: &HeaderMap) -> Result<Answering, TooMuch> {
        let cookies = head.get_all(header::COOKIE).count();
        if head.len() - cookies > FIELDS {
            return Err(TooMuch::Fields);
        }
        let head = size_of(head);
        // One alone may have what a head may have.
        if self.count() > 0 && self.0.heads.get() + head > HEADS {
            return Err(TooMuch::Heads);
        }
        let free = |place: &Cell<State>| matches!(place.get(), State::Free);
        let place = self.0.places.iter().position(free).ok_or(TooMuch::Requests)?;
        self.0.places[place].set(State::Made);
        self.0.count.set(self.0.count.get() + 1);
        self.0.heads.set(self.0.heads.get() + head);
        Ok(Answering { streams: self.clone(), place, head, file: None })
    }
}

impl TooMuch {
    /// The answer that says so.
    pub(in crate::http) fn problem(self) -> Problem {
        match self {
            Self::Requests => Problem::too_many_streams(),
            Self::Heads => Problem::too_large_heads(),
            Self::Fields => Problem::too_many_fields(),
        }
    }
}

/// How much a head holds (RFC 9113 6.5.2).
fn size_of(head: &HeaderMap) -> usize {
    head.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

impl Answering {
    /// Notes that the answer comes from an open file; whether it may. One file a connection may in any case, more as long as there are
    /// places for all.
    pub(in crate::http) fn may_have_file(&mut self, crowd: &Arc<Crowd>) -> bool {
        self.file = match self.streams.0.has_file.replace(true) {
            false => Some(Taken::Own),
            true => crowd.open_more().map(|_place| Taken::More { _place }),
        };
        self.file.is_some()
    }

    /// Lets it count as long as `body` is there.
    pub(in crate::http) fn watch(self, body: BoxBody) -> BoxBody {
        self.note_taken();
        BoxBody::new(Counted { body, answering: self })
    }

    fn note_taken(&self) {
        self.streams.0.places[self.place].set(State::Sent(Instant::now()));
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let table = &self.streams.0;
        table.places[self.place].set(State::Free);
        table.count.set(table.count.get().saturating_sub(1));
        table.heads.set(table.heads.get().saturating_sub(self.head));
        if matches!(self.file, Some(Taken::Own)) {
            table.has_file.set(false);
        }
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
        self.answering.note_taken();
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests;
