//! The hash behind an entity tag, and those behind the digests that travel with bytes (RFC 9530): the only place
//! that names a hash function.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use sha2::Digest as _;

use crate::semantics::entity_tag::EntityTag;
use crate::semantics::integrity::{ExpectedDigests, IntegrityAlgorithm, IntegrityDigest};

/// Which hash makes entity tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// XXH3, 128 bits: the fastest. It keeps accidents apart, not an uploader who crafts two
    /// contents with the same tag.
    #[default]
    Xxh3,
    /// BLAKE3, 256 bits: collision-resistant, for uploaders who distrust each other.
    Blake3,
}

/// The hash of a representation's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// XXH3-128 in its canonical, big-endian form.
    Xxh3([u8; 16]),
    /// BLAKE3.
    Blake3([u8; 32]),
}

/// Hashes bytes that come in pieces.
pub struct Hasher(State);

enum State {
    Xxh3(Box<xxhash_rust::xxh3::Xxh3>),
    Blake3(Box<blake3::Hasher>),
}

/// Hashes a body, in pieces, by every function that is needed to check what its sender promised. Where nothing was
/// promised it does nothing.
pub struct IntegrityHasher(Vec<IntegrityState>);

/// One function of those behind the digests that travel with bytes, at work.
pub(super) enum IntegrityState {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Md5(md5::Md5),
}

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(algorithm: DigestAlgorithm, bytes: &[u8]) -> Self {
        match algorithm {
            DigestAlgorithm::Xxh3 => Self::Xxh3(xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes()),
            DigestAlgorithm::Blake3 => Self::Blake3(*blake3::hash(bytes).as_bytes()),
        }
    }

    /// The strong entity tag of the bytes: base64url without padding, 22 or 43 characters.
    pub fn entity_tag(&self) -> EntityTag<'static> {
        EntityTag::strong(URL_SAFE_NO_PAD.encode(self.as_bytes()).into_bytes())
            .expect("base64url has only characters a tag may have")
    }

    /// The hash that makes opaque tags of this length.
    pub(super) fn algorithm_of(tag: &str) -> Option<DigestAlgorithm> {
        match tag.len() {
            22 => Some(DigestAlgorithm::Xxh3),
            43 => Some(DigestAlgorithm::Blake3),
            _ => None,
        }
    }

    /// Its bytes, 16 or 32.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Xxh3(bytes) => bytes,
            Self::Blake3(bytes) => bytes,
        }
    }
}

impl Hasher {
    /// Begins.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        Self(match algorithm {
            DigestAlgorithm::Xxh3 => State::Xxh3(Box::default()),
            DigestAlgorithm::Blake3 => State::Blake3(Box::default()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Xxh3(hasher) => hasher.update(bytes),
            State::Blake3(hasher) => drop(hasher.update(bytes)),
        }
    }

    /// The digest of all bytes taken.
    pub fn finish(&self) -> Digest {
        match &self.0 {
            State::Xxh3(hasher) => Digest::Xxh3(hasher.digest128().to_be_bytes()),
            State::Blake3(hasher) => Digest::Blake3(*hasher.finalize().as_bytes()),
        }
    }
}

/// The digest that a client asked for by name, of bytes in memory.
pub fn integrity_digest_of(algorithm: IntegrityAlgorithm, bytes: &[u8]) -> IntegrityDigest {
    let mut state = IntegrityState::new(algorithm);
    state.update(bytes);
    state.finish()
}

impl IntegrityHasher {
    /// Begins, with one function for each that `expected` names.
    pub fn new(expected: &ExpectedDigests) -> Self {
        let mut states: Vec<IntegrityState> = Vec::new();
        for (_, digest) in expected.iter() {
            let state = IntegrityState::like(&digest);
            let same =
                |other: &IntegrityState| std::mem::discriminant(other) == std::mem::discriminant(&state);
            if !states.iter().any(same) {
                states.push(state);
            }
        }
        Self(states)
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for state in &mut self.0 {
            state.update(bytes);
        }
    }

    /// The digests of all bytes taken, for [`ExpectedDigests::check`].
    pub fn finish(self) -> Vec<IntegrityDigest> {
        self.0.into_iter().map(IntegrityState::finish).collect()
    }
}

impl IntegrityState {
    pub(super) fn new(algorithm: IntegrityAlgorithm) -> Self {
        match algorithm {
            IntegrityAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            IntegrityAlgorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
        }
    }

    /// The function that makes digests such as this one.
    fn like(digest: &IntegrityDigest) -> Self {
        match digest {
            IntegrityDigest::Sha256(_) => Self::new(IntegrityAlgorithm::Sha256),
            IntegrityDigest::Sha512(_) => Self::new(IntegrityAlgorithm::Sha512),
            IntegrityDigest::Md5(_) => Self::Md5(md5::Md5::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> IntegrityDigest {
        match self {
            Self::Sha256(hasher) => IntegrityDigest::Sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => IntegrityDigest::Sha512(hasher.finalize().into()),
            Self::Md5(hasher) => IntegrityDigest::Md5(hasher.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests;
