//! Names that this server gives to what is not a version of a file yet, or no longer. They begin with
//! [`RESERVED_PREFIX`], which no request can name, and tell recovery all it has to know.
//!
//! `.~ifmatch.<kind>.<inode>.<seconds>.<nanoseconds>.<size>.<expected>.<target>`, numbers in
//! hexadecimal, those below zero in two's complement. `expected` is the entity tag of the version that was to be replaced, without its quotes, or
//! `any`. `target` is the name of the file; one that is too long is given as a checksum, and the kind in
//! upper case.

use std::ffi::{CStr, CString};

use super::Stamp;
use super::stamp::Timestamp;
use crate::resource_path::RESERVED_PREFIX;

/// The longest name that a filesystem can be asked to take, and what one is thought to take that does not tell.
pub(super) const LONGEST_NAME: usize = 255;

/// What a reserved name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new version, before it is exchanged with the target; afterwards the old one.
    Replace,
    /// What was at the target and is being deleted.
    Remove,
    /// A body that is still being received, where the filesystem has no unnamed files.
    Temporary,
}

/// What a reserved name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reserved {
    pub(super) kind: Kind,
    /// Of the new version; of a removal, of the old one.
    pub(super) inode: u64,
    /// mtime of the new version.
    pub(super) modified: Timestamp,
    /// Bytes of the new version.
    pub(super) size: u64,
    /// The opaque tag of the version that may be displaced; `None`: any.
    pub(super) expected: Option<String>,
    pub(super) target: TargetName,
}

/// The name of the file that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TargetName {
    Whole(CString),
    /// Of a name that does not fit.
    Checksum(u64),
}

impl Reserved {
    /// The longest of the short forms: all numbers are as large as can be, and the tag is BLAKE3's.
    pub(super) const SHORT: usize = 132;

    /// For a version with this stamp that is to take the place of `target`.
    pub(super) fn new(kind: Kind, stamp: &Stamp, expected: Option<&str>, target: &CStr) -> Self {
        Self {
            kind,
            inode: stamp.inode,
            modified: stamp.modified,
            size: stamp.size,
            expected: expected.map(str::to_owned),
            target: TargetName::Whole(target.to_owned()),
        }
    }

    /// For a body that is being received by `process`.
    pub(super) fn temporary(process: u32, count: u64) -> Self {
        let target = TargetName::Whole(CString::default());
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        let inode = u64::from(process);
        Self { kind: Kind::Temporary, inode, modified, size: count, expected: None, target }
    }

    /// The name. Where it would be longer than `longest` it is the shortest that says enough, of at most
    /// [`SHORT`](Self::SHORT) bytes.
    pub(super) fn encode(&self, longest: usize) -> CString {
        let letter = match self.kind {
            Kind::Replace => 'r',
            Kind::Remove => 'd',
            Kind::Temporary => 't',
        };
        let expected = self.expected.as_deref().unwrap_or("any");
        let Timestamp { seconds, nanoseconds } = self.modified;
        let fields = format!("{:x}.{seconds:x}.{nanoseconds:x}.{:x}.{expected}", self.inode, self.size);
        let whole = match &self.target {
            TargetName::Whole(name) => {
                let mut text = format!("{RESERVED_PREFIX}{letter}.{fields}.").into_bytes();
                text.extend_from_slice(name.to_bytes());
                Some(text).filter(|text| text.len() <= longest)
            }
            TargetName::Checksum(_) => None,
        };
        let text = whole.unwrap_or_else(|| {
            let sum = self.target.checksum();
            format!("{RESERVED_PREFIX}{}.{fields}.{sum:x}", letter.to_ascii_uppercase()).into_bytes()
        });
        CString::new(text).unwrap_or_default()
    }

    /// The name of the file that a name seems to belong to that cannot be read, if there is anything like it.
    pub(super) fn likely_target(name: &CStr) -> Option<CString> {
        let text = name.to_bytes().strip_prefix(RESERVED_PREFIX.as_bytes())?;
        let mut parts = text.splitn(7, |byte| *byte == b'.');
        let whole = parts.next().is_some_and(|letter| letter.iter().all(u8::is_ascii_lowercase));
        let target = parts.nth(5).filter(|target| whole && !target.is_empty())?;
        CString::new(target).ok()
    }

    /// Reads a name; `None` if it is not one of these.
    pub(super) fn parse(name: &CStr) -> Option<Self> {
        let text = name.to_bytes().strip_prefix(RESERVED_PREFIX.as_bytes())?;
        let mut parts = text.splitn(7, |byte| *byte == b'.');
        let mut next = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
        let letter = next()?;
        let inode = u64::from_str_radix(next()?, 16).ok()?;
        let seconds = u64::from_str_radix(next()?, 16).ok()?.cast_signed();
        let nanoseconds = u32::from_str_radix(next()?, 16).ok()?;
        let size = u64::from_str_radix(next()?, 16).ok()?;
        let expected = Some(next()?.to_owned()).filter(|tag| tag != "any");
        let target = parts.next()?;
        let kind = match letter {
            "r" | "R" => Kind::Replace,
            "d" | "D" => Kind::Remove,
            "t" | "T" => Kind::Temporary,
            _ => return None,
        };
        let target = if letter.starts_with(char::is_lowercase) {
            TargetName::Whole(CString::new(target).ok()?)
        } else {
            TargetName::Checksum(u64::from_str_radix(std::str::from_utf8(target).ok()?, 16).ok()?)
        };
        let modified = Timestamp { seconds, nanoseconds };
        let reserved = Self { kind, inode, modified, size, expected, target };
        // Numbers can be spelled in other ways, which this server does not use.
        Some(reserved).filter(|reserved| reserved.encode(usize::MAX).as_c_str() == name)
    }
}

impl TargetName {
    /// Whether `name` is the one that is meant.
    pub(super) fn is(&self, name: &CStr) -> bool {
        match self {
            Self::Whole(whole) => whole.as_c_str() == name,
            Self::Checksum(sum) => checksum(name) == *sum,
        }
    }

    /// The name, if it is known.
    #[cfg(test)]
    fn name(&self) -> Option<CString> {
        match self {
            Self::Whole(name) => Some(name.clone()),
            Self::Checksum(_) => None,
        }
    }

    fn checksum(&self) -> u64 {
        match self {
            Self::Whole(name) => checksum(name),
            Self::Checksum(sum) => *sum,
        }
    }
}

/// FNV-1a: it only tells the names of one folder apart, and must be the same in every version.
fn checksum(name: &CStr) -> u64 {
    name.to_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
