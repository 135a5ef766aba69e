//! [`MountMark`]: whether the number of a mount still means the same mount.
//!
//! Since Linux 6.8 the kernel gives each mount a number that no other gets, and stamps carry it. Older kernels give
//! the number of an unmounted filesystem to the next one. There the process watches the kernel's list of mounts, and
//! whatever was read before a change of that list counts for nothing where its times cannot be trusted alone.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::stamp::{has_unique_mount, stat};

/// How often the list of mounts had changed at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountMark(u64);

/// Tells whether mounts have changed since a [`MountMark`].
#[derive(Debug)]
pub(super) enum Mounts {
    /// The kernel numbers mounts uniquely: stamps tell by themselves.
    Unique,
    /// The list of mounts is watched.
    Watched(Mutex<Watched>),
}

/// The kernel's list of the mounts that this process sees.
#[derive(Debug)]
pub(super) struct Watched {
    /// `None` where it cannot be opened: then every look counts as a change.
    list: Option<OwnedFd>,
    changes: u64,
}

impl Mounts {
    /// Finds out from any open file what this kernel can tell.
    pub(super) fn of(file: impl AsFd) -> Result<Self, Errno> {
        match has_unique_mount(&stat(file, c"", AtFlags::EMPTY_PATH)?) {
            true => Ok(Self::Unique),
            false => Ok(Self::watched()),
        }
    }

    fn watched() -> Self {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let list = openat(CWD, c"/proc/self/mountinfo", flags, Mode::empty()).ok();
        Self::Watched(Mutex::new(Watched { list, changes: 0 }))
    }

    /// Returns the mark of this moment. Every mount and unmount that was complete before the call is in it.
    #[inline]
    pub(super) fn mark(&self) -> MountMark {
        match self {
            Self::Unique => MountMark(0),
            Self::Watched(watched) => watched.lock().unwrap_or_else(PoisonError::into_inner).mark(),
        }
    }
}

impl Watched {
    /// The kernel reports each change once to each open list; so looking and counting are one step, under the lock.
    fn mark(&mut self) -> MountMark {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let unchanged = self
            .list
            .as_ref()
            .is_some_and(|list| poll(&mut [PollFd::new(list, PollFlags::PRI)], Some(&now)) == Ok(0));
        self.changes += u64::from(!unchanged);
        MountMark(self.changes)
    }
}

#[cfg(test)]
mod tests;
