//! The validator store: resource path -> stamp, digest, validators and, for small files, the body.
//!
//! It answers "what is at this path *now*": an entry counts only while a `statx` made for this very
//! request gives the stamp the entry was settled under. The watcher evicts and prepares; it is never
//! the reason an entry counts as fresh.
//!
//! The store knows nothing of HTTP messages; what the HTTP edge wants to keep beside an entry
//! (rendered fields) is a type parameter.

mod dates;
pub mod digest;
mod entry;
mod flight;
pub mod index;
mod integrity;
pub mod record;
pub mod settle;
pub mod text;
mod unhashed;
pub mod watch;
mod withheld;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;

use crate::resource_path::ResourcePath;
use crate::root::{Locality, Node, OpenDirectory, OpenError, OpenFile, Root, Stamp};
use crate::semantics::validators::Validators;
use dates::Dates;
pub use dates::Offer;
use digest::DigestAlgorithm;
pub use entry::Entry;
use flight::{Flights, Outcome, Places};
use index::{Index, IndexMode};
use settle::MEMORY_FILE_LIMIT;
use text::Text;
pub use unhashed::{Steadiness, Unhashed};
use withheld::Withheld;
pub use withheld::Withholding;

/// How long a large file that nobody asked a validator of may be waited for before it is sent
/// without one.
const HASH_BUDGET: Duration = Duration::from_millis(50);

/// What the store is made with.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// The hash behind entity tags.
    pub algorithm: DigestAlgorithm,
    /// How many bytes of small files are kept in memory.
    pub memory: u64,
    /// What the index is filled with, once it is started ([`index::keeper::start`]).
    pub index: IndexMode,
}

/// Makes what the HTTP edge keeps beside an entry.
pub type Render<R> = dyn Fn(&ResourcePath<'_>, &Validators, Text) -> R + Send + Sync;

/// See the module's documentation.
pub struct ValidatorStore<R> {
    root: Root,
    algorithm: DigestAlgorithm,
    entries: Cache<ResourcePath<'static>, Arc<Entry<R>>, Weight>,
    flights: Flights<R>,
    computing: Places,
    render: Box<Render<R>>,
    executor: Handle,
    evictions: AtomicU64,
    withheld: Withheld,
    dates: Dates,
    index: Index,
}

/// What is at a path.
pub enum Found<R> {
    /// A file whose bytes have a known digest.
    Hashed(Arc<Entry<R>>),
    /// A large file, of whose bytes nothing is known yet, or that does not hold still.
    Unhashed(Unhashed),
    /// A directory.
    Directory(OpenDirectory),
}

/// How long a caller can wait for the digest of a large file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A moment: the answer can do without a strong validator.
    Brief,
    /// A moment, and a file that grows is taken as it is: a part of what is there now is asked for, and nothing else.
    Part,
    /// As long as hashing takes: the answer depends on it.
    Full,
}

/// Bodies weigh what they hold; a large file's entry weighs nothing and so stays: its digest was
/// dear, and there are few.
#[derive(Clone, Copy, Debug)]
struct Weight;

impl<R> Weighter<ResourcePath<'static>, Arc<Entry<R>>> for Weight {
    fn weight(&self, _: &ResourcePath<'static>, entry: &Arc<Entry<R>>) -> u64 {
        const OVERHEAD: u64 = 1400;
        entry.body().map_or(0, |body| body.len() as u64 + OVERHEAD)
    }
}

impl<R: Send + Sync + 'static> ValidatorStore<R> {
    /// An empty store over `root`. Hashing runs on the blocking pool of the tokio runtime in which
    /// this is called.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(root: Root, options: StoreOptions, render: Box<Render<R>>) -> Arc<Self> {
        const EXPECTED_FILES: usize = 1024;
        Arc::new(Self {
            root,
            algorithm: options.algorithm,
            entries: Cache::with_weighter(EXPECTED_FILES, options.memory, Weight),
            flights: Flights::default(),
            computing: Places::default(),
            render,
            executor: Handle::current(),
            evictions: AtomicU64::new(0),
            withheld: Withheld::default(),
            dates: Dates::default(),
            index: Index::new(options.index),
        })
    }

    /// The served folder.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The hash behind the tags.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Makes what the HTTP edge would keep beside an entry with these validators.
    pub fn render(&self, path: &ResourcePath<'_>, validators: &Validators, text: Text) -> R {
        (self.render)(path, validators, text)
    }

    /// How many entries were evicted by the watcher so far.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// The entry at `path`, if there is one and it is true at this moment. One `statx`, or a confined
    /// walk where a folder or a link is on the way ([`Root::stamp`]).
    #[inline]
    pub fn hit(&self, path: &str) -> Option<Arc<Entry<R>>> {
        let entry = self.entries.get(path)?;
        self.is_true(&entry).then_some(entry)
    }

    /// What is at `path` now. The answer reflects every change that was complete when this was called.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn current(
        self: &Arc<Self>,
        path: &ResourcePath<'_>,
        patience: Patience,
    ) -> Result<Found<R>, OpenError> {
        let asked = Instant::now();
        loop {
            let mark = self.withheld.mark();
            let file = match self.root.open_node(path)? {
                Node::File(file) => file,
                Node::Directory(directory) => return Ok(Found::Directory(directory)),
            };
            let stamp = file.stamp();
            let found = self.read(path, patience, file, asked).await;
            if matches!(found, Ok(Found::Hashed(_))) || self.withheld.may_tell(path.as_str(), &stamp, mark) {
                return found;
            }
            self.withheld.until_decided(path.as_str(), &stamp).await;
        }
    }

    /// What is at `path`, where `file` was found.
    async fn read(
        self: &Arc<Self>,
        path: &ResourcePath<'_>,
        patience: Patience,
        file: OpenFile,
        asked: Instant,
    ) -> Result<Found<R>, OpenError> {
        let large = file.stamp().size > MEMORY_FILE_LIMIT;
        loop {
            if let Some(entry) = self.hit(path.as_str()) {
                return Ok(Found::Hashed(entry));
            }
            let flight = self.join_flight(path, file.stamp().size);
            let landed = match patience {
                Patience::Brief | Patience::Part if large => {
                    tokio::time::timeout(HASH_BUDGET, flight.landed()).await.ok()
                }
                _ => Some(flight.landed().await),
            };
            match landed {
                None => return self.calm(path, file, patience).await,
                // The reading began before this call: it may lack a change that was complete by then.
                Some(_) if flight.started < asked => continue,
                Some(Outcome::Hashed(entry)) => return Ok(Found::Hashed(entry)),
                Some(Outcome::Withheld(stamp)) => self.withheld.until_decided(path.as_str(), &stamp).await,
                Some(Outcome::Busy) if large => return self.calm(path, file, patience).await,
                Some(Outcome::Busy) => return Err(OpenError::Busy),
                Some(Outcome::Failed(error)) => return Err(error),
            }
        }
    }

    /// Opens the file behind `entry`; `None` when it is no longer the one that was hashed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, entry: &Entry<R>) -> Result<Option<OpenFile>, OpenError> {
        let file = self.root.open_file(entry.path())?;
        Ok((file.stamp() == entry.stamp()).then_some(file))
    }

    /// The stamp under which the file at the entry's path has the entry's bytes now, if it has.
    pub async fn stamp_of_same_bytes(self: &Arc<Self>, entry: &Entry<R>) -> Option<Stamp> {
        match self.current(entry.path(), Patience::Full).await {
            Ok(Found::Hashed(fresh)) => fresh.has_bytes_of(entry).then(|| fresh.stamp()),
            Ok(Found::Unhashed(_) | Found::Directory(_)) | Err(_) => None,
        }
    }

    /// Returns how many bytes of small files are kept in memory at most.
    pub fn memory(&self) -> u64 {
        self.entries.capacity()
    }

    /// Whether anything is known of `path`, or is being found out.
    pub fn knows(&self, path: &str) -> bool {
        self.entries.peek(path).is_some() || self.flights.is_flying(path)
    }

    /// Whether what is known of `path` is true at this moment.
    pub fn is_up_to_date(&self, path: &str) -> bool {
        self.entries.peek(path).is_some_and(|entry| self.is_true(&entry))
    }

    /// Stops trusting what is known of `path`, whatever its stamp says. The index stays as it is: it has nothing of files
    /// that could have changed under their stamp.
    pub fn evict(&self, path: &str) {
        self.flights.taint(|flying| flying == path);
        if let Some(entry) = self.entries.peek(path) {
            entry.evict();
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Stops trusting everything below any of `folders` (empty: the root). Goes through all entries.
    pub fn evict_below(&self, folders: &HashSet<String>) {
        let below = |path: &str| {
            let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
            folders.contains("") || parents.into_iter().any(|parent| folders.contains(parent))
        };
        self.flights.taint(below);
        for (_, entry) in self.entries.iter().filter(|(key, _)| below(key.as_str())) {
            entry.evict();
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reads `path` again in the background if it was ever asked for.
    pub fn prepare(self: &Arc<Self>, path: &str) {
        if let Some(entry) = self.entries.peek(path) {
            let stamp = self.root.stamp(entry.path(), entry.location());
            // A version that waits for its confirmation is recorded by who writes it.
            if !stamp.is_some_and(|stamp| self.withheld.holds(path, &stamp)) {
                self.join_flight(entry.path(), entry.stamp().size);
            }
        }
    }

    #[inline]
    fn is_true(&self, entry: &Entry<R>) -> bool {
        if entry.is_evicted() || entry.is_expired() {
            return false;
        }
        if entry.locality() == Locality::Remote {
            // Only opening makes a network filesystem ask again.
            return matches!(self.open(entry), Ok(Some(_)));
        }
        if self.root.stamp(entry.path(), entry.location()) != Some(entry.stamp()) {
            return self.root.stands_in(entry.path(), &entry.stamp());
        }
        entry.mounts().is_none_or(|mark| self.root.is_mounted_since(mark))
    }
}

#[cfg(test)]
mod tests;
