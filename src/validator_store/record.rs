//! What the write path asks of the store: reading a file that is held under a lease, and recording a version
//! whose digest is known because it was computed while the bytes came in.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::ValidatorStore;
use super::digest::{Digest, DigestAlgorithm, Hasher};
use super::entry::{Certainty, Entry, Read};
use super::settle::{MEMORY_FILE_LIMIT, Proof, Reading, read_held};
use super::text::Text;
use super::withheld::Withholding;
use crate::resource_path::ResourcePath;
use crate::root::{Held, Locality, OpenError, OpenFile, StagedVersion, Stamp, Stamping, StoreErrors};

/// How much is read at once.
const PIECE: usize = 1 << 20;

impl<R: Send + Sync + 'static> ValidatorStore<R> {
    /// Makes no answer from the version with this stamp's inode, nor from what is at `path`, until it is confirmed.
    pub fn withhold(&self, path: &ResourcePath<'_>, stamp: &Stamp) -> Withholding<'_> {
        self.withheld.withhold(path, stamp)
    }

    /// What is known of a file that is held so that nobody writes to it unnoticed. Blocks.
    ///
    /// It is not read again if its stamp is known and the filesystem stamps every change: the lease says that nobody has it
    /// mapped, and the stamp that nobody has changed it since it was read. Nor is it read to its end
    /// if somebody waits to write to it: to wait for a whole large file is too long.
    ///
    /// # Errors
    /// [`OpenError::Busy`] when it does change, or somebody wants to change it.
    pub fn examine(&self, path: &ResourcePath<'_>, held: &Held) -> Result<Arc<Entry<R>>, OpenError> {
        self.examine_within(path, held, u64::MAX)?.ok_or(OpenError::Busy)
    }

    /// The same without reading much: `None` if a large file would have to be read.
    ///
    /// # Errors
    /// [`OpenError::Busy`], as [`examine`](Self::examine).
    pub fn examine_at_once(
        &self,
        path: &ResourcePath<'_>,
        held: &Held,
    ) -> Result<Option<Arc<Entry<R>>>, OpenError> {
        self.examine_within(path, held, MEMORY_FILE_LIMIT)
    }

    /// The same; `None` if more than `most` bytes would have to be read.
    fn examine_within(
        &self,
        path: &ResourcePath<'_>,
        held: &Held,
        most: u64,
    ) -> Result<Option<Arc<Entry<R>>>, OpenError> {
        let (file, began) = (held.file(), Instant::now());
        let stamp = file.stamp_now()?;
        let filesystem = self.root.filesystem(path, file);
        let known = self.entries.peek(path.as_str());
        if let Some(known) = &known
            && filesystem.stamping == Stamping::Every
            && known.stamp() == stamp
            && !known.is_evicted()
            && matches!(held, Held::Leased(_))
        {
            return Ok(Some(Arc::clone(known)));
        }
        let indexed = match held {
            Held::Leased(_) if stamp.size > MEMORY_FILE_LIMIT => self.index.find(&filesystem, &stamp),
            _ => None,
        };
        let (digest, body) = match indexed {
            Some(digest) => (digest, None),
            None if stamp.size > most => return Ok(None),
            None => {
                read_held(file, &stamp, self.algorithm, || held.is_undisturbed())?.ok_or(OpenError::Busy)?
            }
        };
        let text = text_of(body.as_ref(), file, &stamp)?;
        let reading = Reading { stamp, digest, body, text, filesystem, proof: Proof::Lease };
        self.entry(path, reading, began).map(Some)
    }

    /// Records a version that has just got its name at `path`, so that the next request finds it. What
    /// cannot be vouched for (somebody has written to it already) is not kept, but returned all the same.
    ///
    /// # Errors
    /// [`OpenError`] when the filesystem fails.
    pub fn record(
        &self,
        path: &ResourcePath<'_>,
        version: &StagedVersion,
        digest: Digest,
        body: Option<Bytes>,
    ) -> Result<Arc<Entry<R>>, OpenError> {
        let (file, began) = (version.held().file(), Instant::now());
        let vouched = version.vouched_stamp();
        let stamp = vouched.map_or_else(|| file.stamp_now(), Ok)?;
        let filesystem = self.root.filesystem(path, file);
        let kept_whole = body.is_some() || stamp.size > MEMORY_FILE_LIMIT;
        let text = text_of(body.as_ref(), file, &stamp)?;
        let reading = Reading { stamp, digest, body, text, filesystem, proof: Proof::Lease };
        let entry = self.entry(path, reading, began)?;
        let stays = filesystem.locality == Locality::Local && filesystem.settling_time(&stamp).is_zero();
        if vouched.is_some() && stays {
            self.index.add(&filesystem, &stamp, &digest);
        }
        if vouched.is_some() && stays && kept_whole {
            self.entries.insert(path.clone().into_owned(), Arc::clone(&entry));
        }
        Ok(entry)
    }

    fn entry(
        &self,
        path: &ResourcePath<'_>,
        reading: Reading,
        began: Instant,
    ) -> Result<Arc<Entry<R>>, OpenError> {
        let path = path.clone().into_owned();
        let location = self.root.locate(&path).ok_or(OpenError::Missing)?;
        // Late is early enough: what can be written to is no image.
        let mounts = self.root.mount_mark();
        let read = Read { path, location, reading, certainty: Certainty::Certain, began, mounts };
        Ok(Arc::new(Entry::new(read, &self.dates, &*self.render)))
    }
}

/// Whether a version that is complete has the bytes of `digest`, where its filesystem may have lost some without an
/// error. Reads it again only there. Blocks.
///
/// # Errors
/// [`OpenError`] when it cannot be read.
pub fn is_stored(
    version: &StagedVersion,
    digest: &Digest,
    algorithm: DigestAlgorithm,
) -> Result<bool, OpenError> {
    if version.store_errors() == StoreErrors::Reported {
        return Ok(true);
    }
    let (file, mut hasher) = (version.uncached(), Hasher::new(algorithm));
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    loop {
        match file.read_at(&mut piece, offset)? {
            0 => return Ok(hasher.finish() == *digest),
            read => {
                hasher.update(&piece[..read]);
                offset += read as u64;
            }
        }
    }
}

/// Reports whether a version is text, out of the bytes that are in memory, if they are.
fn text_of(body: Option<&Bytes>, file: &OpenFile, stamp: &Stamp) -> Result<Text, OpenError> {
    body.map_or_else(|| Text::of_file(file, stamp), |body| Ok(Text::of(body)))
}

/// Whether a file has the bytes of an opaque tag, of either hash. Blocks.
pub fn has_tag(file: &OpenFile, tag: &str) -> bool {
    let Some(algorithm) = Digest::algorithm_of(tag) else { return false };
    let read = || {
        let stamp = file.stamp_now()?;
        read_held(file, &stamp, algorithm, || true)
    };
    matches!(read(), Ok(Some((digest, _))) if digest.entity_tag().opaque() == tag.as_bytes())
}

#[cfg(test)]
mod tests;
