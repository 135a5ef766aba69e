//! Settling: reading a file so that the digest is known to be that of the bytes under its stamp.
//!
//! `stat, read, stat` with equal stamps is not enough: `write(2)` stamps first and copies
//! afterwards, so a reader in between sees the new stamp and old bytes, twice, and would keep the
//! wrong digest for ever. The order here is stat, lease probe, read, stat:
//!
//! - a writer that stamped before the first stat and is not done makes the probe busy;
//! - one that was done before the probe is fully in what is read;
//! - one that stamps after the first stat shows in the second.
//!
//! Nothing here knows of paths, caches or requests.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::digest::{Digest, DigestAlgorithm, Hasher};
use crate::root::lease::{self, LeaseProbe};
use crate::root::{Filesystem, OpenError, OpenFile, Stamp};

/// Files up to this size are kept and served from memory.
pub const MEMORY_FILE_LIMIT: u64 = 1 << 20;

/// How long a file may keep us waiting until it holds still.
const PATIENCE: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Without a lease only age speaks: no `write(2)` is expected to take longer.
const AGE_WITHOUT_LEASE: Duration = Duration::from_secs(2);

/// Even where certainty is out of reach, a change this young is not read yet: two ticks of the
/// coarsest clock.
const YOUNGEST: Duration = Duration::from_millis(20);

const PIECE: usize = 1 << 20;

/// What settling found.
pub enum Settled {
    /// `digest` is the digest of the bytes under `stamp`; `body` holds them if they are few.
    Certain(Reading),
    /// The bytes in `body` have this digest, but the file may be changing under its stamp.
    Fleeting(Reading),
    /// A large file that does not hold still; nothing is known of its bytes.
    Busy,
}

/// A file's bytes, read once.
pub struct Reading {
    /// The stamp before and after reading.
    pub stamp: Stamp,
    /// The digest of what was read.
    pub digest: Digest,
    /// What was read, up to [`MEMORY_FILE_LIMIT`].
    pub body: Option<Bytes>,
    /// Where it was read from.
    pub filesystem: Filesystem,
}

/// One try: what was read, and how long to wait before it would have been certain.
enum Attempt {
    Certain(Reading),
    TooYoung(Option<Reading>, Duration),
    Disturbed(Option<Reading>),
}

/// Reads the file that `open` opens until it is settled, for at most [`PATIENCE`] and the time of
/// one reading more. Blocks.
///
/// # Errors
/// What `open` or reading returns.
pub fn settle(
    algorithm: DigestAlgorithm,
    filesystem: impl Fn(&OpenFile) -> Filesystem,
    open: impl Fn() -> Result<OpenFile, OpenError>,
) -> Result<Settled, OpenError> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let file = open()?;
        let left = deadline.saturating_duration_since(Instant::now());
        let (reading, wait) = match attempt(&file, filesystem(&file), algorithm, left)? {
            Attempt::Certain(reading) => return Ok(Settled::Certain(reading)),
            Attempt::TooYoung(reading, wait) => (reading, wait),
            Attempt::Disturbed(reading) => {
                let wait = pause.min(left);
                pause = (pause * 2).min(LONGEST_PAUSE);
                (reading, wait)
            }
        };
        if wait.is_zero() {
            return Ok(reading.map_or(Settled::Busy, Settled::Fleeting));
        }
        std::thread::sleep(wait);
    }
}

fn attempt(
    file: &OpenFile,
    filesystem: Filesystem,
    algorithm: DigestAlgorithm,
    left: Duration,
) -> Result<Attempt, OpenError> {
    let before = file.stamp_now()?;
    let lease = lease::probe(file);
    let missing = match lease {
        LeaseProbe::Busy => None,
        LeaseProbe::Granted => Some(missing_age(&before, filesystem.settling_time(&before))),
        LeaseProbe::Unavailable => {
            Some(missing_age(&before, filesystem.settling_time(&before).max(AGE_WITHOUT_LEASE)))
        }
    };
    let small = before.size <= MEMORY_FILE_LIMIT;
    if !small && missing != Some(Duration::ZERO) {
        return Ok(match missing {
            Some(missing) => Attempt::TooYoung(None, useful_wait(&before, missing, left)),
            None => Attempt::Disturbed(None),
        });
    }
    let reading = match small {
        true => Some(read_small(file, &before, filesystem, algorithm)?),
        false => read_large(file, &before, filesystem, algorithm)?,
    };
    let whole = reading.as_ref().is_some_and(|it| it.stamp == before) && file.stamp_now()? == before;
    Ok(match (missing, reading) {
        (Some(Duration::ZERO), Some(reading)) if whole => Attempt::Certain(reading),
        (Some(missing), Some(reading)) if whole => {
            Attempt::TooYoung(Some(reading), useful_wait(&before, missing, left))
        }
        (_, reading) => Attempt::Disturbed(reading.filter(|_| small)),
    })
}

/// How much older the last change must be before its stamp speaks for the bytes.
fn missing_age(stamp: &Stamp, needed: Duration) -> Duration {
    if needed.is_zero() {
        return Duration::ZERO;
    }
    let age = stamp.changed.age_ms(SystemTime::now());
    let needed = i64::try_from(needed.as_millis()).unwrap_or(i64::MAX);
    Duration::from_millis(u64::try_from(needed.saturating_sub(age)).unwrap_or(0))
}

/// How much longer a large file of unknown digest must be left alone before its bytes may be sent
/// under the stamp it has now: not at all when nobody is writing, else until its last change is so
/// old that no `write(2)` can still be at work on it.
///
/// # Errors
/// [`OpenError::Io`] when the filesystem fails.
pub fn unrest(file: &mut OpenFile) -> Result<Duration, OpenError> {
    let stamp = file.restamp()?;
    match lease::probe(&*file) {
        LeaseProbe::Granted => Ok(Duration::ZERO),
        LeaseProbe::Busy | LeaseProbe::Unavailable => Ok(missing_age(&stamp, AGE_WITHOUT_LEASE)),
    }
}

/// What is worth waiting: until the stamp is old enough if that is near, else until the change is
/// not brand-new any more, else nothing.
fn useful_wait(stamp: &Stamp, missing: Duration, left: Duration) -> Duration {
    if missing <= left { missing } else { missing_age(stamp, YOUNGEST).min(left) }
}

/// Reads all of a small file. What was read may be torn or short, its digest is that of what was read.
fn read_small(
    file: &OpenFile,
    stamp: &Stamp,
    filesystem: Filesystem,
    algorithm: DigestAlgorithm,
) -> Result<Reading, OpenError> {
    let size = usize::try_from(stamp.size).unwrap_or(usize::MAX);
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    let digest = Digest::of(algorithm, &bytes);
    let stamp = Stamp { size: filled as u64, ..*stamp };
    Ok(Reading { stamp, digest, body: Some(Bytes::from(bytes)), filesystem })
}

/// Hashes a large file, and stops as soon as its stamp moves.
fn read_large(
    file: &OpenFile,
    stamp: &Stamp,
    filesystem: Filesystem,
    algorithm: DigestAlgorithm,
) -> Result<Option<Reading>, OpenError> {
    let mut hasher = Hasher::new(algorithm);
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    while offset < stamp.size {
        let read = file.read_at(&mut piece, offset)?;
        if read == 0 || file.stamp_now()? != *stamp {
            return Ok(None);
        }
        hasher.update(&piece[..read]);
        offset += read as u64;
    }
    let whole = offset == stamp.size;
    Ok(whole.then(|| Reading { stamp: *stamp, digest: hasher.finish(), body: None, filesystem }))
}
