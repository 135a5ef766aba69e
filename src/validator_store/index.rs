//! The index: which bytes on disk have which digest, by their whole [`Stamp`] and without any path. It spares reading
//! a large file again after a restart, and can be filled before anybody asks ([`keeper`]).
//!
//! A record says "whatever has this stamp has this digest", and that stays true for ever: it is made only from what was
//! settled under a granted lease or written by this server, and only where every change of bytes moves a ctime that nobody
//! can set ([`Stamping::Every`]). That leaves out tmpfs and overlayfs, where stores through a mapping move no
//! timestamp, network filesystems, FAT and images. It is why an event of the watcher evicts entries but no
//! records: had the bytes changed, the stamp would be another, and the record not be found.
//!
//! Within this process a record is found only in the mount it was made in: an image file of ext4, xfs or btrfs can have
//! been given any times by its maker. A saved record does not know its mount, so across a restart of the server the kernel's
//! ctimes are believed alone; whole seconds, which the makers of images set, never are.
//!
//! "For ever" ends with the run of the machine. When it dies, bytes can reach the disk that their ctime does not (ext4
//! after `fdatasync`, any filesystem with `lazytime`). So what an earlier run of the machine has saved is not believed.

mod file;
pub mod keeper;
mod table;
mod warm_up;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::digest::{Digest, DigestAlgorithm};
use super::settle::{Proof, Reading};
use crate::root::{Filesystem, Locality, Stamp, Stamping};
use table::{Key, Table};

/// What the index is filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexMode {
    /// Nothing: there is none.
    Off,
    /// What was read because it was asked for.
    #[default]
    Lazy,
    /// All files below the root, read in the background.
    Eager,
}

/// What the index does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IndexState {
    /// Nothing: there is none.
    Off,
    /// Reads what was saved.
    Loading,
    /// Goes through all files.
    Walking,
    /// Nothing is left to be done, but to add what is read.
    Complete,
}

/// What the index holds, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexStatistics {
    /// What it is filled with.
    pub mode: IndexMode,
    /// What it does at present.
    pub state: IndexState,
    /// How many files have a record.
    pub files: u64,
    /// How many files' bytes were read for a record since the start.
    pub read: u64,
    /// And how many bytes they had.
    pub bytes_hashed: u64,
    /// How many files were not read since the start, because they had a record.
    pub known: u64,
}

/// See the module's documentation.
pub struct Index {
    mode: IndexMode,
    /// Is set once what was saved is loaded; until then nothing is found and nothing kept.
    table: OnceLock<Table>,
    state: AtomicU8,
    read: AtomicU64,
    bytes_hashed: AtomicU64,
    known: AtomicU64,
}

impl IndexMode {
    /// The mode as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Lazy => "lazy",
            Self::Eager => "eager",
        }
    }
}

impl IndexState {
    /// The state as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Loading => "loading",
            Self::Walking => "walking",
            Self::Complete => "complete",
        }
    }
}

impl Index {
    /// An index that is empty, and stays so until a keeper is started for it.
    pub(super) fn new(mode: IndexMode) -> Self {
        let state = match mode {
            IndexMode::Off => IndexState::Off,
            IndexMode::Lazy | IndexMode::Eager => IndexState::Loading,
        };
        Self {
            mode,
            table: OnceLock::new(),
            state: AtomicU8::new(state as u8),
            read: AtomicU64::new(0),
            bytes_hashed: AtomicU64::new(0),
            known: AtomicU64::new(0),
        }
    }

    /// What it holds.
    pub fn statistics(&self) -> IndexStatistics {
        IndexStatistics {
            mode: self.mode,
            state: self.state(),
            files: self.table.get().map_or(0, |table| table.len() as u64),
            read: self.read.load(Ordering::Relaxed),
            bytes_hashed: self.bytes_hashed.load(Ordering::Relaxed),
            known: self.known.load(Ordering::Relaxed),
        }
    }

    /// The digest of the bytes that have this stamp, if it is known.
    pub(super) fn find(&self, filesystem: &Filesystem, stamp: &Stamp) -> Option<Digest> {
        let found = self.table.get()?.find(&key(filesystem, stamp)?)?;
        self.known.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Whether there is a record for this stamp; whether it may be believed depends on the filesystem. Its file counts as
    /// seen.
    fn has(&self, stamp: &Stamp) -> bool {
        let found = self.table.get().zip(Key::of(stamp)).and_then(|(table, key)| table.find(&key));
        self.known.fetch_add(u64::from(found.is_some()), Ordering::Relaxed);
        found.is_some()
    }

    /// Keeps what a certain reading has found.
    pub(super) fn add_reading(&self, reading: &Reading) {
        if reading.proof == Proof::Lease {
            self.add_read(&reading.filesystem, &reading.stamp, &reading.digest);
        }
    }

    /// Keeps the digest of a file that was read and settled under a granted lease.
    fn add_read(&self, filesystem: &Filesystem, stamp: &Stamp, digest: &Digest) {
        if self.add(filesystem, stamp, digest) {
            self.read.fetch_add(1, Ordering::Relaxed);
            self.bytes_hashed.fetch_add(stamp.size, Ordering::Relaxed);
        }
    }

    /// Keeps the digest of a version that this server has written. Whether that was not known before.
    pub(super) fn add(&self, filesystem: &Filesystem, stamp: &Stamp, digest: &Digest) -> bool {
        let (Some(table), Some(key)) = (self.table.get(), key(filesystem, stamp)) else { return false };
        table.put(&key, digest)
    }

    fn state(&self) -> IndexState {
        const STATES: [IndexState; 4] =
            [IndexState::Off, IndexState::Loading, IndexState::Walking, IndexState::Complete];
        STATES[usize::from(self.state.load(Ordering::Acquire)) % STATES.len()]
    }

    fn enter(&self, state: IndexState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Begins with what was saved.
    fn fill(&self, table: Table) {
        // A second keeper finds it filled, and adds nothing.
        let _ = self.table.set(table);
    }
}

/// What a record is found by; `None` where no record can be believed. A ctime without nanoseconds is taken for one
/// that the maker of an image has set.
fn key(filesystem: &Filesystem, stamp: &Stamp) -> Option<Key> {
    let trusted = filesystem.stamping == Stamping::Every && filesystem.locality == Locality::Local;
    match trusted && stamp.changed.nanoseconds != 0 {
        true => Key::of(stamp),
        false => None,
    }
}

/// How many bytes a digest has.
fn width(algorithm: DigestAlgorithm) -> usize {
    Digest::of(algorithm, b"").as_bytes().len()
}

#[cfg(test)]
mod tests;
