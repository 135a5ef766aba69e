//! A body on its way to the disk: in memory while it is small, so that all of its staging is one step;
//! then in a staged file. It is hashed as it comes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::shares::Place as UploadPlace;
use super::{Client, Durability, Refusal, Writer};
use crate::resource_path::ResourcePath;
use crate::root::{Place, StagedFile, StagedVersion, Stamp, WriteError};
use crate::semantics::integrity::ExpectedDigests;
use crate::validator_store::digest::{Digest, DigestAlgorithm, Hasher, IntegrityHasher};
use crate::validator_store::record::is_stored;

/// What is gathered before the disk is troubled.
const PIECE: usize = 512 * 1024;

/// A body that is being received. Dropped, it leaves nothing behind.
pub struct Upload<R> {
    writer: Arc<Writer<R>>,
    client: Client,
    path: ResourcePath<'static>,
    expected: ExpectedDigests,
    algorithm: DigestAlgorithm,
    piece: BytesMut,
    spilled: Option<Spilled>,
    length: u64,
    _place: UploadPlace,
}

/// The part of a body that is in a file.
struct Spilled {
    file: StagedFile,
    hasher: Hasher,
    integrity: IntegrityHasher,
}

/// A body that has come to its end.
pub(super) struct Complete {
    pub(super) version: StagedVersion,
    pub(super) digest: Digest,
    /// All bytes, if they are few.
    pub(super) body: Option<Bytes>,
    /// The stamp of the file whose mode and attributes it has.
    pub(super) looks_like: Option<Stamp>,
}

impl<R: Send + Sync + 'static> Upload<R> {
    /// Begins to receive a body from `client` for `path`, of so many bytes if that is known.
    ///
    /// # Errors
    /// [`Refusal::TooMany`].
    pub fn begin(
        writer: &Arc<Writer<R>>,
        client: Client,
        path: &ResourcePath<'_>,
        length: Option<u64>,
        expected: ExpectedDigests,
    ) -> Result<Self, Refusal> {
        let place = writer.uploads.try_take(&client).map_err(Refusal::TooMany)?;
        Ok(Self {
            writer: Arc::clone(writer),
            client,
            path: path.clone().into_owned(),
            expected,
            algorithm: writer.store.algorithm(),
            piece: BytesMut::with_capacity(room_for(length)),
            spilled: None,
            length: 0,
            _place: place,
        })
    }

    /// How many bytes have come so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The disk is full, or anything else that happens to it.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.length += bytes.len() as u64;
        self.piece.extend_from_slice(bytes);
        if self.piece.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        let spilled = self.spilled.take();
        let (writer, path) = (Arc::clone(&self.writer), self.path.clone());
        let (algorithm, expected) = (self.algorithm, self.expected.clone());
        let step = crate::blocking::spawn(move || {
            let mut spilled = match spilled {
                Some(spilled) => spilled,
                None => {
                    let place = writer.existing_place(&path)?;
                    Spilled::new(writer.stage(&path, place.as_ref())?, algorithm, &expected)
                }
            };
            spilled.take(&writer, &piece)?;
            Ok::<_, Refusal>((spilled, piece))
        });
        let (spilled, mut piece) = step.await.map_err(|_| WriteError::Overloaded)??;
        piece.clear();
        self.spilled = Some(spilled);
        self.piece = piece;
        Ok(())
    }

    /// By whom it comes.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What is written.
    pub(super) fn path(&self) -> &ResourcePath<'static> {
        &self.path
    }

    /// Ends the body: it is what it should be, and all of it is in a file that looks like the one at `place`, if there is
    /// one, and is on the disk, as far as the durability asks for it. A small body is staged only now. Blocks.
    pub(super) fn complete(self, place: Option<&Place>) -> Result<Complete, Refusal> {
        let Self { writer, path, expected, algorithm, piece, spilled, .. } = self;
        let body = spilled.is_none().then(|| Bytes::copy_from_slice(&piece));
        let mut spilled = match spilled {
            Some(spilled) => spilled,
            None => Spilled::new(writer.stage(&path, place)?, algorithm, &expected),
        };
        spilled.take(&writer, &piece)?;
        let Spilled { file, hasher, integrity } = spilled;
        expected.check(&integrity.finish()).map_err(Refusal::Mismatch)?;
        let looks_like = place.map_or(Ok(None), |place| writer.with_room(|| file.take_over(place)))?;
        match writer.options.durability {
            Durability::Full | Durability::File => file.sync()?,
            Durability::None => {}
        }
        let (version, digest) = (file.complete()?, hasher.finish());
        if !is_stored(&version, &digest, algorithm)? {
            return Err(WriteError::NotStored.into());
        }
        Ok(Complete { version, digest, body, looks_like })
    }
}

/// What to set aside for a body of this length: it may be announced and never come, so not much more than a piece.
fn room_for(length: Option<u64>) -> usize {
    const MARGIN: usize = 32 * 1024;
    length.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX).min(PIECE + MARGIN))
}

impl<R: Send + Sync + 'static> Writer<R> {
    /// An empty file on the filesystem of `path`: in the directory of `place` if that is known, since a link may
    /// lead to another filesystem.
    fn stage(&self, path: &ResourcePath<'_>, place: Option<&Place>) -> Result<StagedFile, WriteError> {
        self.with_room(|| match place.map(StagedFile::at) {
            Some(Err(WriteError::Missing)) | None => self.store.root().stage(path),
            Some(staged) => staged,
        })
    }
}

impl Spilled {
    fn new(file: StagedFile, algorithm: DigestAlgorithm, expected: &ExpectedDigests) -> Self {
        Self { file, hasher: Hasher::new(algorithm), integrity: IntegrityHasher::new(expected) }
    }

    fn take<R: Send + Sync + 'static>(
        &mut self,
        writer: &Writer<R>,
        mut bytes: &[u8],
    ) -> Result<(), WriteError> {
        self.hasher.update(bytes);
        self.integrity.update(bytes);
        writer.with_room(|| self.file.write_rest(&mut bytes))
    }
}
