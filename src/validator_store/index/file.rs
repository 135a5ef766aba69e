//! The index on disk: no names and no contents, only what the records hold.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | [`MAGIC`] |
//! | 4 | version of the format |
//! | 4 | bytes in a digest, which tells the algorithm |
//! | 16 | a digest of the kernel's name for this run of the machine |
//! | 52 or 68 each | records |
//! | 16 | XXH3-128 of all bytes before |
//!
//! Numbers are little-endian. How many records there are follows from the length.

use std::fmt;
use std::io::{self, Read, Write};

use super::table::{Key, Table};
use super::width;
use crate::validator_store::digest::{Digest, DigestAlgorithm, Hasher};

const MAGIC: [u8; 16] = *b"ifmatch's index\n";
const VERSION: u32 = 1;
const HEADER: usize = 40;
const CHECKSUM: usize = 16;

/// How many records are read at a time.
const BATCH: usize = 1024;

/// What a saved index must begin with to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) algorithm: DigestAlgorithm,
    boot: [u8; 16],
}

/// Why a saved index is of no use.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Another version of the format, another algorithm, or no index at all.
    Foreign,
    /// The machine was started anew since.
    OtherBoot,
    /// Bytes are missing or wrong.
    Damaged,
    /// It cannot be read.
    Io(io::Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is of another version or another hash"),
            Self::OtherBoot => f.write_str("the machine was started anew since"),
            Self::Damaged => f.write_str("it is damaged"),
            Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                f.write_str("other users own it, or may write to it")
            }
            Self::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

impl Header {
    /// For digests by `algorithm`, in the run of the machine that the kernel calls `boot_id`.
    pub(super) fn new(algorithm: DigestAlgorithm, boot_id: &str) -> Self {
        let mut boot = [0; 16];
        boot.copy_from_slice(Digest::of(DigestAlgorithm::Xxh3, boot_id.trim().as_bytes()).as_bytes());
        Self { algorithm, boot }
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..20].copy_from_slice(&VERSION.to_le_bytes());
        bytes[20..24].copy_from_slice(&(width(self.algorithm) as u32).to_le_bytes());
        bytes[24..].copy_from_slice(&self.boot);
        bytes
    }
}

/// Writes a table.
///
/// # Errors
/// What `out` returns.
pub(super) fn write(out: &mut dyn Write, header: &Header, table: &Table) -> io::Result<()> {
    let mut sum = Hasher::new(DigestAlgorithm::Xxh3);
    let mut put = |bytes: &[u8]| {
        sum.update(bytes);
        out.write_all(bytes)
    };
    put(&header.encode())?;
    table.save(put)?;
    out.write_all(sum.finish().as_bytes())
}

/// Reads a table from a file of `length` bytes. Nothing of it is used unless all of it is right.
///
/// # Errors
/// [`Unusable`].
pub(super) fn read(mut input: impl Read, length: u64, header: &Header) -> Result<Table, Unusable> {
    let mut sum = Hasher::new(DigestAlgorithm::Xxh3);
    let mut begin = [0; HEADER];
    input.read_exact(&mut begin)?;
    match (header.encode(), begin) {
        (expected, found) if expected == found => {}
        (expected, found) if expected[..24] == found[..24] => return Err(Unusable::OtherBoot),
        _ => return Err(Unusable::Foreign),
    }
    sum.update(&begin);
    let record = Key::WIDTH + width(header.algorithm);
    let records = length.checked_sub((HEADER + CHECKSUM) as u64).ok_or(Unusable::Damaged)?;
    if records % record as u64 != 0 {
        return Err(Unusable::Damaged);
    }
    let mut table = Table::new(header.algorithm);
    let mut batch = vec![0; BATCH * record];
    let mut left = records;
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(batch.len());
        let piece = &mut batch[..size];
        input.read_exact(piece)?;
        sum.update(piece);
        if !piece.chunks_exact(record).all(|bytes| table.load(bytes)) {
            return Err(Unusable::Damaged);
        }
        left -= size as u64;
    }
    let mut end = Vec::new();
    input.take(CHECKSUM as u64 + 1).read_to_end(&mut end)?;
    match end == sum.finish().as_bytes() {
        true => Ok(table),
        false => Err(Unusable::Damaged),
    }
}

#[cfg(test)]
mod tests;
