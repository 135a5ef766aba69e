//! Interrupted writes where nothing may be written: the folder stays as a crash has left it, and the version that was
//! accepted is served from its reserved name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;

use super::open::at;
use super::stamp::stat;
use super::{OpenFile, Root, RootDirectory, Stamp, Timestamp};
use crate::resource_path::ResourcePath;

/// What is known of interrupted writes that nobody has brought to an end.
#[derive(Debug, Default)]
pub(super) struct Interrupted {
    names: AtomicU64,
    /// Whether there are any stand-ins: read at every opening.
    any: AtomicBool,
    stand_ins: RwLock<HashMap<String, StandIn>>,
}

/// A file under a reserved name that is the accepted version of another path.
#[derive(Clone, Debug)]
pub(super) struct StandIn {
    /// Its path below the root.
    pub(super) path: Vec<u8>,
    /// Its inode.
    pub(super) inode: u64,
    /// What is at the other path while the file stands in for it.
    pub(super) instead_of: InsteadOf,
}

/// What nobody has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InsteadOf {
    /// The new version of a swap that was not verified: inode, size and mtime.
    Version(u64, u64, Timestamp),
    /// Nothing: a deletion was not verified.
    Nothing,
}

impl Interrupted {
    /// Takes note of what a look at all folders has found.
    pub(super) fn note(&self, names: u64, stand_ins: HashMap<String, StandIn>) {
        self.names.store(names, Ordering::Relaxed);
        let any = !stand_ins.is_empty();
        *self.stand_ins.write().unwrap_or_else(PoisonError::into_inner) = stand_ins;
        self.any.store(any, Ordering::Release);
    }
}

impl Root {
    /// How many reserved names of interrupted writes were found that nobody has brought to an end.
    pub fn interrupted_writes(&self) -> u64 {
        self.interrupted.names.load(Ordering::Relaxed)
    }

    /// Reports whether the file with this stamp is the accepted version of `path`, although another file is there.
    #[cold]
    pub fn stands_in(&self, path: &ResourcePath<'_>, stamp: &Stamp) -> bool {
        let opened = self.directory().ok().and_then(|root| self.stand_in(&root, path));
        opened.is_some_and(|file| file.stamp() == *stamp)
    }

    /// Opens the file that stands in for `path`, if there is one.
    pub(super) fn stand_in(&self, root: &RootDirectory, path: &ResourcePath<'_>) -> Option<OpenFile> {
        if !self.interrupted.any.load(Ordering::Acquire) {
            return None;
        }
        let stand_ins = self.interrupted.stand_ins.read().unwrap_or_else(PoisonError::into_inner);
        let StandIn { path: reserved, inode, instead_of } = stand_ins.get(path.as_str())?.clone();
        drop(stand_ins);
        let there = match stat(&root.fd, at(path), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => {
                let stamp = Stamp::of(&status);
                InsteadOf::Version(stamp.inode, stamp.size, stamp.modified)
            }
            Err(Errno::NOENT) => InsteadOf::Nothing,
            Err(_) => return None,
        };
        if there != instead_of {
            // Somebody has saved the file since.
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenFile::new(self.try_open_confined(root, &reserved, flags).ok()?).ok()?;
        (file.stamp().inode == inode).then_some(file)
    }
}
