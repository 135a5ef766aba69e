//! [`Entry`]: what is known of one file, and for how long it may be believed.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::Render;
use super::dates::{Dates, Offer, Version};
use super::digest::Digest;
use super::integrity::Computations;
use super::settle::{Proof, Reading};
use crate::resource_path::ResourcePath;
use crate::root::{Locality, Location, MountMark, Stamp, Stamping};
use crate::semantics::http_date::HttpDate;
use crate::semantics::validators::Validators;
use crate::sync::atomic::{AtomicBool, Ordering};

/// An entry whose stamp cannot tell of every change is believed this long: other machines change a
/// remote file without our kernel knowing, and where no lease can be had a writer may have the file
/// mapped.
const LIFETIME: Duration = Duration::from_secs(1);

/// ... or this many times as long as reading it took, so that a large file is not hashed all the
/// time.
const LIFETIME_PER_READ: u32 = 20;

/// What is known of one file.
pub struct Entry<R> {
    path: ResourcePath<'static>,
    location: Location,
    stamp: Stamp,
    digest: Digest,
    validators: Validators,
    body: Option<Bytes>,
    rendered: R,
    computations: Computations,
    date: Option<Arc<Offer>>,
    certainty: Certainty,
    locality: Locality,
    believed_until: Option<Instant>,
    /// Taken before the file was opened; `None` where a stamp of the file could not be another file's, whatever is
    /// mounted.
    mounts: Option<MountMark>,
    evicted: AtomicBool,
}

/// Whether the digest stands for the file, or only for the bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    Certain,
    Fleeting,
}

/// A reading, and where and when it was made.
pub(super) struct Read {
    pub(super) path: ResourcePath<'static>,
    pub(super) location: Location,
    pub(super) reading: Reading,
    pub(super) certainty: Certainty,
    pub(super) began: Instant,
    pub(super) mounts: MountMark,
}

impl<R> Entry<R> {
    /// The entry for what was `read`, whose date comes from `dates`.
    pub(super) fn new(read: Read, dates: &Dates, render: &Render<R>) -> Self {
        let Read { path, location, reading, certainty, began, mounts } = read;
        let date = match certainty {
            Certainty::Certain => {
                let version = Version::Hashed(reading.stamp, reading.digest);
                dates.offer(path.as_str(), version, began, HttpDate::of(SystemTime::now()))
            }
            Certainty::Fleeting => None,
        };
        let last_modified = date.as_ref().map(|offer| offer.date());
        let locality = reading.filesystem.locality;
        let bounded = locality == Locality::Remote || reading.proof == Proof::Age;
        let lifetime = LIFETIME.max(began.elapsed() * LIFETIME_PER_READ);
        let validators = Validators { entity_tag: Some(reading.digest.entity_tag()), last_modified };
        Self {
            rendered: render(&path, &validators, reading.text),
            path,
            location,
            stamp: reading.stamp,
            digest: reading.digest,
            validators,
            body: reading.body,
            computations: Computations::default(),
            date,
            certainty,
            locality,
            believed_until: bounded.then(|| began + lifetime),
            mounts: (reading.filesystem.stamping == Stamping::Partial).then_some(mounts),
            evicted: AtomicBool::new(false),
        }
    }

    /// The path it was read at.
    pub fn path(&self) -> &ResourcePath<'static> {
        &self.path
    }

    /// The place on disk.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The stamp the bytes were read under.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Entity tag and date of the bytes.
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// The date among the validators, which may be sent only as the offer says.
    #[inline]
    pub fn date(&self) -> Option<&Offer> {
        self.date.as_deref()
    }

    /// All bytes, if they are few.
    pub fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// What the HTTP edge made of it.
    pub fn rendered(&self) -> &R {
        &self.rendered
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether both stand for the same bytes.
    pub(super) fn has_bytes_of(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Whether this is the digest of its bytes.
    pub(super) fn has_digest(&self, digest: &Digest) -> bool {
        self.digest == *digest
    }

    /// The digests that somebody asked for by name.
    pub(super) fn computations(&self) -> &Computations {
        &self.computations
    }

    pub(super) fn locality(&self) -> Locality {
        self.locality
    }

    /// The mark under which its stamp means what it meant, if it depends on one.
    #[inline]
    pub(super) fn mounts(&self) -> Option<MountMark> {
        self.mounts
    }

    /// Reports whether the digest is true of the bytes that were read and of nothing else: somebody is writing to the file.
    pub fn is_fleeting(&self) -> bool {
        self.certainty == Certainty::Fleeting
    }

    /// Whether it has outlived the time for which its stamp may be believed.
    pub(super) fn is_expired(&self) -> bool {
        self.believed_until.is_some_and(|until| Instant::now() >= until)
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// It stays in the store until it is read again, but is not believed any more.
    pub(super) fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
