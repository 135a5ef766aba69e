//! The records in memory: a hash table in parts, each behind a lock of its own, with 64 bytes a record (80 with a
//! digest of 32 bytes) and what hashing needs besides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::root::{Stamp, Timestamp};
use crate::validator_store::digest::{Digest, DigestAlgorithm};

/// So many that threads seldom meet, and that one part that grows needs little memory besides.
const PARTS: usize = 64;

/// How many records are kept although nobody has gone through all files to see which of them still exist.
const KEPT_UNSEEN: usize = 1 << 20;

/// The records, with digests of one algorithm.
pub(super) enum Table {
    Xxh3(Parts<16>),
    Blake3(Parts<32>),
}

pub(super) struct Parts<const N: usize> {
    parts: Vec<Mutex<HashMap<Inode, Known<N>>>>,
    /// How many records a part takes before those that were not seen have to go.
    limit: AtomicUsize,
    /// Grows with every change.
    changes: AtomicU64,
}

/// A stamp, as small as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    inode: Inode,
    state: State,
    mount: Mount,
}

/// The mount in which a file was found, in this process: the lower half of its number, for mounts are numbered one
/// after the other. It is not saved: each container and each service with a namespace of its own sees the same
/// filesystem through other mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mount(u32);

impl Mount {
    /// Of a record that an earlier process has saved: it takes the mount it is first found in.
    const ANY: Self = Self(0);
}

/// A device number has 12 bits for the major and 20 for the minor part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Inode {
    number: u64,
    device: u32,
}

/// Times are nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    modified: i64,
    changed: i64,
}

struct Known<const N: usize> {
    state: State,
    digest: [u8; N],
    mount: Mount,
    /// Whether the file was come upon since the last [`Parts::sweep`].
    seen: bool,
}

impl Key {
    /// How many bytes a key takes on disk.
    pub(super) const WIDTH: usize = 36;

    /// `None` for what has no place in it: a time more than 292 years away from 1970.
    pub(super) fn of(stamp: &Stamp) -> Option<Self> {
        let (major, minor) = (stamp.device >> 32, stamp.device & 0xffff_ffff);
        let device = (major < 1 << 12 && minor < 1 << 20).then_some((major << 20 | minor) as u32)?;
        let state = State {
            size: stamp.size,
            modified: nanoseconds(stamp.modified)?,
            changed: nanoseconds(stamp.changed)?,
        };
        Some(Self { inode: Inode { number: stamp.inode, device }, state, mount: Mount(stamp.mount as u32) })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.inode.number.to_le_bytes());
        out.extend_from_slice(&self.inode.device.to_le_bytes());
        out.extend_from_slice(&self.state.size.to_le_bytes());
        out.extend_from_slice(&self.state.modified.to_le_bytes());
        out.extend_from_slice(&self.state.changed.to_le_bytes());
    }

    fn decode(bytes: &[u8; Self::WIDTH]) -> Self {
        let word = |at: usize| std::array::from_fn(|byte| bytes[at + byte]);
        let device = u32::from_le_bytes(std::array::from_fn(|byte| bytes[8 + byte]));
        let state = State {
            size: u64::from_le_bytes(word(12)),
            modified: i64::from_le_bytes(word(20)),
            changed: i64::from_le_bytes(word(28)),
        };
        Self { inode: Inode { number: u64::from_le_bytes(word(0)), device }, state, mount: Mount::ANY }
    }
}

fn nanoseconds(time: Timestamp) -> Option<i64> {
    time.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(time.nanoseconds))
}

impl Table {
    /// An empty table.
    pub(super) fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Xxh3 => Self::Xxh3(Parts::new()),
            DigestAlgorithm::Blake3 => Self::Blake3(Parts::new()),
        }
    }

    /// The digest under exactly this key. Its file counts as seen.
    pub(super) fn find(&self, key: &Key) -> Option<Digest> {
        match self {
            Self::Xxh3(parts) => parts.find(key).map(Digest::Xxh3),
            Self::Blake3(parts) => parts.find(key).map(Digest::Blake3),
        }
    }

    /// Keeps a digest of the table's algorithm, in place of what is known of the same inode. Whether that is news.
    pub(super) fn put(&self, key: &Key, digest: &Digest) -> bool {
        match (self, digest) {
            (Self::Xxh3(parts), Digest::Xxh3(bytes)) => parts.put(key, *bytes),
            (Self::Blake3(parts), Digest::Blake3(bytes)) => parts.put(key, *bytes),
            _ => false,
        }
    }

    /// Keeps a record as it was saved; its file does not count as seen. `false` if it has another width.
    pub(super) fn load(&mut self, record: &[u8]) -> bool {
        match self {
            Self::Xxh3(parts) => parts.load(record),
            Self::Blake3(parts) => parts.load(record),
        }
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Xxh3(parts) => parts.len(),
            Self::Blake3(parts) => parts.len(),
        }
    }

    /// A number that grows with every change.
    pub(super) fn changes(&self) -> u64 {
        match self {
            Self::Xxh3(parts) => parts.changes.load(Ordering::Acquire),
            Self::Blake3(parts) => parts.changes.load(Ordering::Acquire),
        }
    }

    /// Hands all records to `take`, as they are saved, a part at a time.
    ///
    /// # Errors
    /// What `take` returns.
    pub(super) fn save<E>(&self, take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Xxh3(parts) => parts.save(take),
            Self::Blake3(parts) => parts.save(take),
        }
    }

    /// Before a walk: no file counts as seen, and there is room for all that will be.
    pub(super) fn begin_walk(&self) {
        match self {
            Self::Xxh3(parts) => parts.begin_walk(),
            Self::Blake3(parts) => parts.begin_walk(),
        }
    }

    /// After a walk that came to its end: what was not seen is gone.
    pub(super) fn end_walk(&self) {
        match self {
            Self::Xxh3(parts) => parts.sweep_all(),
            Self::Blake3(parts) => parts.sweep_all(),
        }
        self.bound();
    }

    /// From now on there is room for twice as many records, but no more.
    pub(super) fn bound(&self) {
        let limit = (self.len() * 2).max(KEPT_UNSEEN) / PARTS;
        match self {
            Self::Xxh3(parts) => parts.limit.store(limit, Ordering::Relaxed),
            Self::Blake3(parts) => parts.limit.store(limit, Ordering::Relaxed),
        }
    }
}

impl<const N: usize> Parts<N> {
    fn new() -> Self {
        Self {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            limit: AtomicUsize::new(KEPT_UNSEEN / PARTS),
            changes: AtomicU64::new(0),
        }
    }

    /// Inode numbers are given out one after the other.
    fn part(inode: &Inode) -> usize {
        inode.number as usize % PARTS
    }

    fn find(&self, key: &Key) -> Option<[u8; N]> {
        let mut part = self.parts[Self::part(&key.inode)].lock();
        let known = part.get_mut(&key.inode).filter(|known| known.state == key.state)?;
        if known.mount == Mount::ANY {
            known.mount = key.mount;
        }
        if known.mount != key.mount {
            return None;
        }
        known.seen = true;
        Some(known.digest)
    }

    fn put(&self, key: &Key, digest: [u8; N]) -> bool {
        let mut part = self.parts[Self::part(&key.inode)].lock();
        if part.len() >= self.limit.load(Ordering::Relaxed) && !part.contains_key(&key.inode) {
            sweep(&mut part);
        }
        let new = Known { state: key.state, digest, mount: key.mount, seen: true };
        let news = match part.entry(key.inode) {
            Entry::Occupied(mut old) => {
                let old = old.insert(new);
                old.state != key.state || old.digest != digest
            }
            Entry::Vacant(place) => {
                place.insert(new);
                true
            }
        };
        self.changes.fetch_add(u64::from(news), Ordering::AcqRel);
        news
    }

    fn load(&mut self, record: &[u8]) -> bool {
        let Some((key, digest)) = record.split_first_chunk() else { return false };
        let (key, Ok(digest)) = (Key::decode(key), digest.try_into()) else { return false };
        let known = Known { state: key.state, digest, mount: key.mount, seen: false };
        self.parts[Self::part(&key.inode)].get_mut().insert(key.inode, known);
        true
    }

    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().len()).sum()
    }

    fn save<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut copy = Vec::new();
        for part in &self.parts {
            copy.clear();
            for (inode, known) in &*part.lock() {
                Key { inode: *inode, state: known.state, mount: known.mount }.encode(&mut copy);
                copy.extend_from_slice(&known.digest);
            }
            take(&copy)?;
        }
        Ok(())
    }

    fn begin_walk(&self) {
        self.limit.store(usize::MAX, Ordering::Relaxed);
        for part in &self.parts {
            part.lock().values_mut().for_each(|known| known.seen = false);
        }
    }

    fn sweep_all(&self) {
        for part in &self.parts {
            let gone = sweep(&mut part.lock());
            self.changes.fetch_add(gone as u64, Ordering::AcqRel);
        }
    }
}

/// Drops the records whose file was not seen since the last time. How many they were.
fn sweep<const N: usize>(part: &mut HashMap<Inode, Known<N>>) -> usize {
    let before = part.len();
    part.retain(|_, known| std::mem::replace(&mut known.seen, false));
    part.shrink_to_fit();
    before - part.len()
}

#[cfg(test)]
mod tests;
