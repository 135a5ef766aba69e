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

use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::digest::{Digest, DigestAlgorithm, Hasher};
use super::text::Text;
use crate::root::lease::{self, LeaseProbe};
use crate::root::{Filesystem, OpenError, OpenFile, Stamp};

/// Files up to this size are kept and served from memory.
pub const MEMORY_FILE_LIMIT: u64 = 1 << 20;

/// How long a file may keep us waiting until it holds still; one that was changed a moment ago gets
/// longer, for it is being written right now.
const PATIENCE: Duration = Duration::from_millis(100);
const PATIENCE_WITH_WRITERS: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Without a lease only age speaks: no `write(2)` is expected to take longer.
const AGE_WITHOUT_LEASE: Duration = Duration::from_secs(2);

/// Where certainty is out of reach, what was read counts only if its last change is older than this:
/// two ticks of the coarsest clock.
const YOUNGEST: Duration = Duration::from_millis(20);

/// How long a large file that somebody has open must be left alone before it is sent under a weak
/// tag. A log that is written to every second gets through between two lines.
const QUIET: Duration = Duration::from_millis(200);

/// How much is read at a time. From 128 KiB to 1 MiB it makes no difference to the speed: three quarters of the time is the
/// copying in the kernel.
pub(super) const PIECE: usize = 256 << 10;

/// What settling found.
pub enum Settled {
    /// `digest` is the digest of the bytes under `stamp`; `body` holds them if they are few.
    Certain(Reading),
    /// A small file whose bytes in `body` have this digest, but may be changing under their stamp.
    Fleeting(Reading),
    /// It does not hold still; nothing is known of its bytes.
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
    /// Whether it is text.
    pub text: Text,
    /// Where it was read from.
    pub filesystem: Filesystem,
    /// What says that nobody was writing.
    pub proof: Proof,
}

/// What says that nobody was writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A lease was granted, or refused because somebody was.
    Lease,
    /// No lease could be had; only the age of the last change speaks, and it cannot see a writer who
    /// has the file mapped.
    Age,
}

/// How a large file of unknown digest stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nobody is writing, and its stamp tells of the next change.
    Still,
    /// Nobody should be in the middle of a write, but somebody may begin one under the same stamp.
    Quiet,
    /// So much is missing until no `write(2)` should still be at work on it.
    Unrest(Duration),
}

/// How reading a file from its beginning ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadThrough {
    /// All bytes were read under the stamp.
    All,
    /// The stamp moved: what was read belongs to nobody.
    Moved,
    /// Nobody wants the rest.
    Stopped,
}

/// One try.
struct Attempt {
    /// The stamp at its beginning.
    stamp: Stamp,
    /// What was read, if all of it was and the stamp was the same afterwards.
    reading: Option<Reading>,
    /// How much older the last change would have to be; `None` while somebody may be writing.
    missing: Option<Duration>,
}

/// Reads the file that `open` opens until it is settled, for at most a second and
/// the time of one reading more. Blocks. A large file whose digest is `known` under its stamp is not read.
///
/// # Errors
/// What `open` or reading returns.
pub fn settle(
    algorithm: DigestAlgorithm,
    filesystem: impl Fn(&OpenFile) -> Filesystem,
    known: impl Fn(&Filesystem, &Stamp) -> Option<Digest>,
    open: impl Fn() -> Result<OpenFile, OpenError>,
) -> Result<Settled, OpenError> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let file = open()?;
        let Attempt { stamp, reading, missing } = attempt(&file, filesystem(&file), algorithm, &known)?;
        let waited = began.elapsed();
        let mut wait = pause;
        match (missing, reading) {
            (Some(Duration::ZERO), Some(reading)) => return Ok(Settled::Certain(reading)),
            (Some(missing), _) if !missing.is_zero() && waited + missing <= PATIENCE => wait = missing,
            (_, None) if stamp.size > MEMORY_FILE_LIMIT && waited >= PATIENCE => return Ok(Settled::Busy),
            (_, None) if waited >= PATIENCE_WITH_WRITERS => return Ok(Settled::Busy),
            (_, Some(reading)) if waited >= PATIENCE_WITH_WRITERS => return Ok(Settled::Fleeting(reading)),
            // Only age is missing, or somebody has it open and has not written for a while.
            (missing, Some(reading)) if is_calm(&stamp) && (missing.is_some() || waited >= PATIENCE) => {
                return Ok(Settled::Fleeting(reading));
            }
            _ => pause = (pause * 2).min(LONGEST_PAUSE),
        }
        std::thread::sleep(wait);
    }
}

/// One reading, between two looks at the stamp. A large file is read only if that can settle it.
fn attempt(
    file: &OpenFile,
    filesystem: Filesystem,
    algorithm: DigestAlgorithm,
    known: impl Fn(&Filesystem, &Stamp) -> Option<Digest>,
) -> Result<Attempt, OpenError> {
    let stamp = file.stamp_now()?;
    let needed = filesystem.settling_time(&stamp);
    let lease = lease::probe(file);
    let proof = if lease == LeaseProbe::Unavailable { Proof::Age } else { Proof::Lease };
    let missing = match lease {
        LeaseProbe::Busy => None,
        LeaseProbe::Granted => Some(missing_age(&stamp, needed)),
        LeaseProbe::Unavailable => Some(missing_age(&stamp, needed.max(AGE_WITHOUT_LEASE))),
    };
    let reading = match (stamp.size <= MEMORY_FILE_LIMIT, missing) {
        (true, _) => read_small(file, &stamp)?.map(|bytes| {
            let (digest, text) = (Digest::of(algorithm, &bytes), Text::of(&bytes));
            Reading { stamp, digest, body: Some(Bytes::from(bytes)), text, filesystem, proof }
        }),
        (false, Some(Duration::ZERO)) => {
            let known = (lease == LeaseProbe::Granted).then(|| known(&filesystem, &stamp)).flatten();
            let text = Text::of_file(file, &stamp)?;
            let digest = match known {
                Some(digest) => (file.stamp_now()? == stamp).then_some(digest),
                None => read_large(file, &stamp, algorithm, || true)?,
            };
            digest.map(|digest| Reading { stamp, digest, body: None, text, filesystem, proof })
        }
        (false, _) => None,
    };
    Ok(Attempt { stamp, reading, missing })
}

/// The digest of a file that was opened just now, if it can be settled without waiting and under a granted lease, and as
/// long as it is `wanted`. It is read into `buffer`.
pub(super) fn settle_at_once(
    file: &OpenFile,
    filesystem: &Filesystem,
    algorithm: DigestAlgorithm,
    buffer: &mut [u8],
    wanted: impl Fn() -> bool,
) -> Result<Option<Digest>, OpenError> {
    let stamp = file.stamp();
    let young = !missing_age(&stamp, filesystem.settling_time(&stamp)).is_zero();
    if young || lease::probe(file) != LeaseProbe::Granted {
        return Ok(None);
    }
    match usize::try_from(stamp.size).ok().and_then(|size| buffer.get_mut(..size)) {
        Some(bytes) => Ok(fill(file, &stamp, bytes)?.then(|| Digest::of(algorithm, bytes))),
        None => read_large_into(buffer, file, &stamp, algorithm, wanted),
    }
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

/// Takes the stamp of a large file of unknown digest, and tells whether its bytes may be sent under that.
///
/// # Errors
/// [`OpenError::Io`] when the filesystem fails.
pub(super) fn rest(file: &mut OpenFile, filesystem: &Filesystem) -> Result<Rest, OpenError> {
    let stamp = file.restamp()?;
    let needed = filesystem.settling_time(&stamp);
    let lease = lease::probe(&*file);
    let is_still = match lease {
        LeaseProbe::Granted => missing_age(&stamp, needed).is_zero(),
        LeaseProbe::Unavailable => missing_age(&stamp, needed.max(AGE_WITHOUT_LEASE)).is_zero(),
        LeaseProbe::Busy => false,
    };
    Ok(match missing_age(&stamp, QUIET) {
        _ if is_still => Rest::Still,
        _ if lease == LeaseProbe::Granted => Rest::Quiet,
        Duration::ZERO => Rest::Quiet,
        left => Rest::Unrest(left),
    })
}

/// Whether the last change is not brand-new.
fn is_calm(stamp: &Stamp) -> bool {
    missing_age(stamp, YOUNGEST).is_zero()
}

/// The digest of a file that somebody holds still, and its bytes if they are few; `None` if it moved, or as soon as
/// `held` says that it is not to be held any longer.
pub(super) fn read_held(
    file: &OpenFile,
    stamp: &Stamp,
    algorithm: DigestAlgorithm,
    held: impl Fn() -> bool,
) -> Result<Option<(Digest, Option<Bytes>)>, OpenError> {
    if stamp.size > MEMORY_FILE_LIMIT {
        return Ok(read_large(file, stamp, algorithm, held)?.map(|digest| (digest, None)));
    }
    let bytes = read_small(file, stamp)?;
    Ok(bytes.map(|bytes| (Digest::of(algorithm, &bytes), Some(Bytes::from(bytes)))))
}

/// All bytes of a small file; `None` if its stamp moved meanwhile or bytes were missing.
fn read_small(file: &OpenFile, stamp: &Stamp) -> Result<Option<Vec<u8>>, OpenError> {
    let mut bytes = vec![0; usize::try_from(stamp.size).unwrap_or(usize::MAX)];
    Ok(fill(file, stamp, &mut bytes)?.then_some(bytes))
}

/// Reads as many bytes as `bytes` has room for. Whether there were so many, and the stamp is the same afterwards.
fn fill(file: &OpenFile, stamp: &Stamp, bytes: &mut [u8]) -> Result<bool, OpenError> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => return Ok(false),
            read => filled += read,
        }
    }
    Ok(file.stamp_now()? == *stamp)
}

/// The digest of a large file; `None` as soon as its stamp moves, or it is not `wanted` any more.
fn read_large(
    file: &OpenFile,
    stamp: &Stamp,
    algorithm: DigestAlgorithm,
    wanted: impl Fn() -> bool,
) -> Result<Option<Digest>, OpenError> {
    read_large_into(&mut vec![0; PIECE], file, stamp, algorithm, wanted)
}

fn read_large_into(
    buffer: &mut [u8],
    file: &OpenFile,
    stamp: &Stamp,
    algorithm: DigestAlgorithm,
    wanted: impl Fn() -> bool,
) -> Result<Option<Digest>, OpenError> {
    let mut hasher = Hasher::new(algorithm);
    let read = read_pieces(buffer, file, stamp, |piece| {
        hasher.update(piece);
        if wanted() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match read {
        ReadThrough::All => Ok(Some(hasher.finish())),
        ReadThrough::Moved | ReadThrough::Stopped => Ok(None),
    }
}

/// Hands all bytes of a file to `take`, piece by piece. Ends as soon as the file's stamp is no longer this one, bytes
/// are missing, or `take` says so.
///
/// # Errors
/// [`OpenError::Io`] when the filesystem fails.
pub(super) fn read_through(
    file: &OpenFile,
    stamp: &Stamp,
    take: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<ReadThrough, OpenError> {
    read_pieces(&mut vec![0; PIECE], file, stamp, take)
}

fn read_pieces(
    piece: &mut [u8],
    file: &OpenFile,
    stamp: &Stamp,
    mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<ReadThrough, OpenError> {
    let mut offset = 0;
    while offset < stamp.size {
        let wanted = usize::try_from(stamp.size - offset).unwrap_or(usize::MAX).min(piece.len());
        let read = file.read_at(&mut piece[..wanted], offset)?;
        if read == 0 || file.stamp_now()? != *stamp {
            return Ok(ReadThrough::Moved);
        }
        if take(&piece[..read]).is_break() {
            return Ok(ReadThrough::Stopped);
        }
        offset += read as u64;
    }
    Ok(ReadThrough::All)
}

#[cfg(test)]
mod tests;
