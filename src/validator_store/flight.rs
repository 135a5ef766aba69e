//! Single flight: at most one reading of a file at a time, shared by everybody who waits for it.
//!
//! A flight is a task of its own: a client that goes away does not stop it, so asking and leaving
//! again and again does not start it again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::ValidatorStore;
use super::entry::{Certainty, Entry, Read};
use super::settle::{MEMORY_FILE_LIMIT, Settled, settle};
use crate::resource_path::ResourcePath;
use crate::root::{Filesystem, OpenError, OpenFile, Stamp, processors};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The readings under way.
pub(super) struct Flights<R> {
    flying: Mutex<HashMap<ResourcePath<'static>, Arc<Flight<R>>>>,
    places: Places,
}

/// Bound how many files are read at once; the large ones, which take long, apart from the small.
pub(super) struct Places {
    small: Semaphore,
    large: Semaphore,
}

/// One reading under way.
pub(super) struct Flight<R> {
    /// The reading began after this instant.
    pub(super) started: Instant,
    /// Somebody announced a change that stamps do not show.
    tainted: AtomicBool,
    outcome: watch::Receiver<Option<Outcome<R>>>,
}

/// How a reading ended.
pub(super) enum Outcome<R> {
    Hashed(Arc<Entry<R>>),
    /// What was read may be taken back, or was: it must be read again.
    Withheld(Stamp),
    Busy,
    Failed(OpenError),
}

impl<R> Clone for Outcome<R> {
    fn clone(&self) -> Self {
        match self {
            Self::Hashed(entry) => Self::Hashed(Arc::clone(entry)),
            Self::Withheld(stamp) => Self::Withheld(*stamp),
            Self::Busy => Self::Busy,
            Self::Failed(error) => Self::Failed(*error),
        }
    }
}

impl<R> Default for Flights<R> {
    fn default() -> Self {
        Self { flying: Mutex::default(), places: Places::default() }
    }
}

impl Default for Places {
    fn default() -> Self {
        let cores = processors();
        Self { small: Semaphore::new(cores * 8), large: Semaphore::new(cores) }
    }
}

impl Places {
    /// Waits for a place to read a file of about `size` bytes, which is held until it is dropped.
    pub(super) async fn take(&self, size: u64) -> Option<SemaphorePermit<'_>> {
        let places = if size > MEMORY_FILE_LIMIT { &self.large } else { &self.small };
        places.acquire().await.ok()
    }
}

impl<R> Flights<R> {
    /// Makes the flights to paths that `concerns` accepts record nothing.
    pub(super) fn taint(&self, concerns: impl Fn(&str) -> bool) {
        for (_, flight) in self.lock().iter().filter(|(path, _)| concerns(path.as_str())) {
            flight.tainted.store(true, Ordering::Release);
        }
    }

    /// Whether `path` is being read.
    pub(super) fn is_flying(&self, path: &str) -> bool {
        self.lock().contains_key(path)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResourcePath<'static>, Arc<Flight<R>>>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Flight<R> {
    /// Waits for the end of the reading.
    pub(super) async fn landed(&self) -> Outcome<R> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or(Outcome::Failed(OpenError::Overloaded)),
            Err(_) => Outcome::Failed(OpenError::Overloaded),
        }
    }
}

impl<R: Send + Sync + 'static> ValidatorStore<R> {
    /// The reading of `path` that is under way, or a new one; the file has about `size` bytes.
    pub(super) fn join_flight(self: &Arc<Self>, path: &ResourcePath<'_>, size: u64) -> Arc<Flight<R>> {
        let mut flying = self.flights.lock();
        if let Some(flight) = flying.get(path.as_str()) {
            return Arc::clone(flight);
        }
        let (sender, outcome) = watch::channel(None);
        let flight = Arc::new(Flight { started: Instant::now(), tainted: AtomicBool::new(false), outcome });
        let path = path.clone().into_owned();
        flying.insert(path.clone(), Arc::clone(&flight));
        drop(flying);
        let (store, this) = (Arc::clone(self), Arc::clone(&flight));
        self.executor.spawn(async move {
            let outcome = store.fly(&path, size, &this).await;
            store.flights.lock().remove(path.as_str());
            sender.send_replace(Some(outcome));
        });
        flight
    }

    async fn fly(
        self: &Arc<Self>,
        path: &ResourcePath<'static>,
        size: u64,
        flight: &Arc<Flight<R>>,
    ) -> Outcome<R> {
        let Some(_place) = self.flights.places.take(size).await else {
            return Outcome::Failed(OpenError::Overloaded);
        };
        let (store, path, flight) = (Arc::clone(self), path.clone(), Arc::clone(flight));
        let reading = crate::blocking::spawn(move || store.read_and_record(path, &flight));
        reading.await.unwrap_or_else(|error| {
            log::error!("reading a file failed unexpectedly: {error}");
            Outcome::Failed(OpenError::Io(Errno::IO))
        })
    }

    /// The whole blocking part: settle, and record what is certain.
    fn read_and_record(&self, path: ResourcePath<'static>, flight: &Flight<R>) -> Outcome<R> {
        let (began, mark, mounts) = (Instant::now(), self.withheld.mark(), self.root.mount_mark());
        let filesystem = |file: &OpenFile| self.root.filesystem(&path, file);
        let known = |filesystem: &Filesystem, stamp: &Stamp| self.index.find(filesystem, stamp);
        let settled = match settle(self.algorithm, filesystem, known, || self.root.open_file(&path)) {
            Ok(settled) => settled,
            Err(error) => return Outcome::Failed(error),
        };
        let (reading, certainty) = match settled {
            Settled::Busy => return Outcome::Busy,
            Settled::Certain(reading) => (reading, Certainty::Certain),
            Settled::Fleeting(reading) => (reading, Certainty::Fleeting),
        };
        if !self.withheld.may_tell(path.as_str(), &reading.stamp, mark) {
            return Outcome::Withheld(reading.stamp);
        }
        if certainty == Certainty::Certain && !flight.tainted.load(Ordering::Acquire) {
            self.index.add_reading(&reading);
        }
        let Some(location) = self.root.locate(&path) else { return Outcome::Failed(OpenError::Missing) };
        let read = Read { path: path.clone(), location, reading, certainty, began, mounts };
        let entry = Arc::new(Entry::new(read, &self.dates, &*self.render));
        if certainty == Certainty::Certain {
            self.keep(path, &entry, flight);
        }
        Outcome::Hashed(entry)
    }

    /// Keeps an entry, which is believed unless a change was announced since the flight began.
    fn keep(&self, path: ResourcePath<'static>, entry: &Arc<Entry<R>>, flight: &Flight<R>) {
        // `taint` takes the same lock: what is announced before is seen here, and what is announced later finds the
        // entry. At no moment is there an entry that should not be believed.
        let _flying = self.flights.lock();
        if flight.tainted.load(Ordering::Acquire) {
            entry.evict();
        }
        self.entries.insert(path, Arc::clone(entry));
    }
}
