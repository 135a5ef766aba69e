//! Giving names, and taking them away: reserved names that go with their value, and names that only a file gets that
//! nothing has.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::guard::CreationGuard;
use super::stamp::stat;

/// A reserved name that is removed with this value.
#[derive(Debug)]
pub(super) struct StagedName {
    pub(super) directory: OwnedFd,
    pub(super) name: CString,
}

impl Drop for StagedName {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            remove_name(&self.directory, &self.name);
        }
    }
}

/// How many names of this process could not be removed.
static LEFT_BEHIND: AtomicU64 = AtomicU64::new(0);

/// Returns how many names this process could not remove when what they stood for had come to its end.
pub fn names_left_behind() -> u64 {
    LEFT_BEHIND.load(Ordering::Relaxed)
}

/// Removes a reserved name, which means nothing any more. What stays of it is counted, and removed by the next start of
/// a server that may write.
pub(super) fn remove_name(directory: impl AsFd, name: &CStr) {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => {
            LEFT_BEHIND.fetch_add(1, Ordering::Relaxed);
            log::warn!("{name:?} could not be removed and takes room until the next start: {errno}");
        }
    }
}

impl StagedName {
    /// Removes the name.
    pub(super) fn remove(self) {}

    /// Opens what has the name for reading.
    pub(super) fn open(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.directory, &self.name, flags, Mode::empty())
    }

    /// The name stands for something else now, and stays.
    pub(super) fn forget(mut self) {
        self.name = CString::default();
    }
}

/// Renames unless the new name is taken; where that is no single call, as near as can be. The directory must be locked.
pub(super) fn rename_to_new(from: impl AsFd, name: &CStr, to: impl AsFd, new: &CStr) -> Result<(), Errno> {
    try_rename_to_new(from, name, to, new).map(drop)
}

/// As [`rename_to_new`], and says how exact that was.
pub(super) fn try_rename_to_new(
    from: impl AsFd,
    name: &CStr,
    to: impl AsFd,
    new: &CStr,
) -> Result<CreationGuard, Errno> {
    match renameat_with(&from, name, &to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {}
        other => return other.map(|()| CreationGuard::Exact),
    }
    match linkat(&from, name, &to, new, AtFlags::empty()) {
        Ok(()) => {
            // It has its new name, whatever becomes of the old one.
            remove_name(from, name);
            return Ok(CreationGuard::Exact);
        }
        Err(Errno::EXIST) => return Err(Errno::EXIST),
        // Filesystems without links say so with many different errors.
        Err(_) => {}
    }
    match stat(&to, new, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => renameat(from, name, to, new).map(|()| CreationGuard::Look),
        Err(errno) => Err(errno),
    }
}
