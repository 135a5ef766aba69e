//! [`Dates`]: which `Last-Modified` date goes with which bytes of a path.
//!
//! A client that has only a date asks "has it changed since?", and is told "no" while the date of now is not later. So
//! within one process, once a date was sent with some bytes of a path, other bytes of that path get a later one. mtime
//! alone does not do that: `cp -p`, `rsync -t`, a rollback, two saves in one second, and a clock that is set back all leave
//! it where it was or move it back.
//!
//! The rule looks at no clock except for one question: whether a date has come yet. A date that has not is an
//! [`Offer`], which is either sent once it has come, or withdrawn because other bytes came first; never both. What is
//! remembered outlives the entries, which leave the store when memory is short.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::digest::Digest;
use crate::root::Stamp;
use crate::semantics::http_date::HttpDate;

/// How many paths are remembered one by one: at most 20 MB. The rest shares one floor.
const REMEMBERED: usize = 200_000;

/// The date of an entry, which may lie in the future.
#[derive(Debug)]
pub struct Offer {
    date: HttpDate,
    state: AtomicU8,
}

/// It has not come yet, as far as anybody has looked.
const OPEN: u8 = 0;
/// It was sent, or may have been.
const SENT: u8 = 1;
/// It was not sent and will not be: other bytes may get it.
const WITHDRAWN: u8 = 2;

/// What is known of the bytes that are to get a date.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    /// Their digest, read under this stamp.
    Hashed(Stamp, Digest),
    /// Nothing but that they held still under this stamp.
    Still(Stamp),
    /// Nothing: they may be changing under this stamp.
    Moving(Stamp),
}

/// The dates given so far, by path.
#[derive(Debug)]
pub(super) struct Dates {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    histories: HashMap<u64, History>,
    /// Paths without a history may have been sent with any date before this one.
    floor: HttpDate,
    limit: usize,
}

/// The dates of one path.
#[derive(Debug)]
struct History {
    /// The last bytes that got a date, if their digest is known, and the stamp they had.
    digest: Option<NonZeroU64>,
    stamp: Option<NonZeroU64>,
    /// Every date before this one may have been sent with other bytes than the last.
    floor: HttpDate,
    /// The latest date that may have been sent with the last bytes.
    sent: HttpDate,
    /// A date of the last bytes that was not sent yet.
    open: Option<Arc<Offer>>,
    /// When the last bytes got their date.
    registered: Instant,
}

/// A reading that is to get a date.
struct Reading {
    digest: Option<NonZeroU64>,
    stamp: NonZeroU64,
    version: Version,
    began: Instant,
}

impl Offer {
    /// The date.
    pub fn date(&self) -> HttpDate {
        self.date
    }

    /// Returns the date if it may be sent at `now`. From then on it counts as sent.
    #[inline]
    pub fn take(&self, now: HttpDate) -> Option<HttpDate> {
        if self.date > now {
            return None;
        }
        let sent = match self.state.load(Ordering::Acquire) {
            OPEN => {
                self.state.compare_exchange(OPEN, SENT, Ordering::AcqRel, Ordering::Acquire) != Err(WITHDRAWN)
            }
            state => state == SENT,
        };
        sent.then_some(self.date)
    }

    fn new(date: HttpDate, now: HttpDate) -> Self {
        Self { date, state: AtomicU8::new(if date <= now { SENT } else { OPEN }) }
    }

    /// Sees to it that the date is not sent any more, unless it may have been sent already.
    fn was_sent(&self) -> bool {
        self.state.compare_exchange(OPEN, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) == Err(SENT)
    }
}

impl Default for Dates {
    fn default() -> Self {
        Self::with_limit(REMEMBERED)
    }
}

impl Dates {
    fn with_limit(limit: usize) -> Self {
        let known = Known { histories: HashMap::new(), floor: NEVER, limit };
        Self { hasher: RandomState::new(), known: Mutex::new(known) }
    }

    /// Returns the date for bytes that were read at `path` since `began`; `None` where no date can be told.
    pub(super) fn offer(
        &self,
        path: &str,
        version: Version,
        began: Instant,
        now: HttpDate,
    ) -> Option<Arc<Offer>> {
        let stamp = version.stamp();
        let digest = match version {
            Version::Hashed(_, digest) => Some(self.fingerprint(digest.as_bytes())),
            Version::Still(_) | Version::Moving(_) => None,
        };
        let reading = Reading { digest, stamp: self.fingerprint(stamp), version, began };
        let path = self.hasher.hash_one(path);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.offer(path, &reading, now)
    }

    /// Keyed at random, so that nobody can make two that are the same.
    fn fingerprint(&self, value: impl Hash) -> NonZeroU64 {
        NonZeroU64::new(self.hasher.hash_one(value)).unwrap_or(NonZeroU64::MIN)
    }
}

/// Earlier than every date that is sent.
const NEVER: HttpDate = HttpDate::EPOCH;

impl Known {
    fn offer(&mut self, path: u64, reading: &Reading, now: HttpDate) -> Option<Arc<Offer>> {
        if self.histories.len() >= self.limit && !self.histories.contains_key(&path) {
            self.forget_half();
        }
        match self.histories.entry(path) {
            Entry::Occupied(mut history) => history.get_mut().offer(reading, now),
            Entry::Vacant(place) => {
                let mut history = History::new(self.floor);
                let offer = history.offer(reading, now)?;
                place.insert(history);
                Some(offer)
            }
        }
    }

    /// Forgets the half with the earlier dates. What was forgotten raises the floor of all paths without a history.
    fn forget_half(&mut self) {
        let mut floors: Vec<HttpDate> = self.histories.values_mut().map(History::next_floor).collect();
        let middle = floors.len() / 2;
        let (_, &mut median, _) = floors.select_nth_unstable(middle);
        self.histories.retain(|_, history| history.next_floor() > median);
        self.floor = self.floor.max(median);
    }
}

impl History {
    fn new(floor: HttpDate) -> Self {
        Self { digest: None, stamp: None, floor, sent: NEVER, open: None, registered: Instant::now() }
    }

    /// Returns the date for a reading, and remembers it.
    fn offer(&mut self, reading: &Reading, now: HttpDate) -> Option<Arc<Offer>> {
        let same = self.has_bytes_of(reading);
        if same && reading.digest.is_some() {
            (self.digest, self.stamp) = (reading.digest, Some(reading.stamp));
        }
        // Which of two readings at the same time read the newer bytes is not known.
        if !same && self.is_used() && reading.began < self.registered {
            return None;
        }
        let floor = if same { self.floor } else { self.next_floor() };
        let own = reading.version.own_date()?;
        let date = match own >= floor {
            true => own,
            false if same => floor,
            false => reading.version.later_date(floor)?,
        };
        if let Some(open) = self.open.as_ref().filter(|open| same && open.date == date) {
            return Some(Arc::clone(open));
        }
        self.settle();
        if !same {
            (self.digest, self.stamp) = (reading.digest, reading.version.is_still().then_some(reading.stamp));
            // A date that had to be moved stays, whatever happens to mtime.
            (self.floor, self.sent) = (if own < floor { date } else { floor }, NEVER);
        }
        let offer = Arc::new(Offer::new(date, now));
        self.open = Some(Arc::clone(&offer));
        if date <= now {
            self.settle();
        }
        self.registered = Instant::now();
        Some(offer)
    }

    /// Reports whether a reading has the bytes that got the last date.
    fn has_bytes_of(&self, reading: &Reading) -> bool {
        match (self.digest, reading.digest) {
            (Some(known), Some(read)) => known == read,
            // Under one stamp are the same bytes, as far as both held still.
            _ => reading.version.is_still() && self.stamp == Some(reading.stamp),
        }
    }

    fn is_used(&self) -> bool {
        self.sent > NEVER || self.open.is_some()
    }

    /// The first date that was certainly not sent with any bytes. An open offer is withdrawn for it.
    fn next_floor(&mut self) -> HttpDate {
        self.settle();
        if self.sent > NEVER { self.floor.max(self.sent.next()) } else { self.floor }
    }

    fn settle(&mut self) {
        if let Some(offer) = self.open.take().filter(|offer| offer.was_sent()) {
            self.sent = self.sent.max(offer.date);
        }
    }
}

impl Version {
    fn stamp(&self) -> &Stamp {
        match self {
            Self::Hashed(stamp, _) | Self::Still(stamp) | Self::Moving(stamp) => stamp,
        }
    }

    fn is_still(&self) -> bool {
        !matches!(self, Self::Moving(_))
    }

    /// Returns mtime, but never later than ctime (a date from the future helps nobody), and nothing for mtime 0 and 1
    /// (images and stores that erase times) and before.
    fn own_date(&self) -> Option<HttpDate> {
        let stamp = self.stamp();
        let seconds = stamp.modified.seconds.min(stamp.changed.seconds);
        HttpDate::from_unix(seconds).filter(|date| date.unix() > 1)
    }

    /// Returns the date of bytes whose own one comes too early. Without a digest they have none: they may be the ones from
    /// before, with another mode.
    fn later_date(&self, floor: HttpDate) -> Option<HttpDate> {
        match self {
            Self::Hashed(stamp, _) => {
                HttpDate::from_unix(stamp.changed.seconds).map(|changed| changed.max(floor))
            }
            Self::Still(_) | Self::Moving(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
