//! Compare-and-swap on files: exchange, verify what came out, undo.
//!
//! Looking first and renaming then loses what others save in between, however short that is. So the new
//! version and the old one change places in one call, and only then is it looked at what came out. Is
//! it what was expected, untouched to this moment, the swap stands; else the two change places again, and
//! what comes out then is looked at in the same way, until our own untouched file is back.
//!
//! What a version *is* (its digest) is not known here: the caller has read it under the lease that is
//! handed in, and a lease that was not broken says that it still is.

use std::ffi::CStr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::lock::DirectoryLock;
use super::naming::{StagedName, remove_name, rename_to_new};
use super::place::{Occupant, Place, WriteError};
use super::reserved::{Kind, Reserved};
use super::stage::{Held, StagedVersion};
use super::stamp::{file_type, identity, stat};
use super::{OpenFile, Root, Stamp};

/// A program that has found a version by its name, but is not yet counted as its writer, is given this long to
/// show before a version that was to be seen for a moment is removed. Nothing holds such a version afterwards.
const GRACE: Duration = Duration::from_micros(100);

/// Without leases only looking twice can tell; this far apart.
const RECHECK_AFTER: Duration = Duration::from_millis(50);

/// An undo that others keep getting in the way of ends after so many tries.
const UNDO_LIMIT: usize = 200;

/// The version that is to be displaced.
pub struct Expected<'a> {
    /// The file, as the caller has read it.
    pub held: &'a Held,
    /// Its stamp then.
    pub stamp: Stamp,
    /// Its opaque tag.
    pub tag: &'a str,
    /// Reads it again: whether it still has the bytes of that tag.
    pub has_tag: fn(&OpenFile, &str) -> bool,
}

/// What became of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new version is there, the expected one is gone.
    Done,
    /// Something else was there, or somebody began to write: all is as it was.
    Conflict,
    /// As [`Conflict`](Self::Conflict), and the new version was destroyed by others on the way.
    Spent,
    /// Nothing was there.
    Vanished,
    /// What was there was not the expected version, and could not be put back, for this reason. The log says where it
    /// is; the next start of a server that may write looks for it.
    Unresolved(WriteError),
}

impl Root {
    /// Puts `version` in the place of what is at `place`: of what is `expected`, or of whatever it is.
    /// The directory must be locked.
    ///
    /// # Errors
    /// [`WriteError`]; nothing has changed then.
    pub fn replace(
        &self,
        _lock: &DirectoryLock<'_>,
        place: &Place,
        version: &mut StagedVersion,
        expected: Option<&Expected<'_>>,
    ) -> Result<Swap, WriteError> {
        place.check_displaceable()?;
        version.reserve(place, expected.map(|expected| expected.tag))?;
        let Some(StagedName { name, .. }) = &version.name else { return Err(WriteError::Busy) };
        match swap(place, name) {
            Ok(()) => self.verify(place, version, expected),
            // Network filesystems may do what they say they could not.
            Err(_) if version.is_at(place, &place.name) => self.verify(place, version, expected),
            Err(Errno::NOENT) if version.is_at(place, name) => Ok(Swap::Vanished),
            Err(Errno::NOENT) => Err(WriteError::Busy),
            Err(Errno::INVAL | Errno::NOSYS) => replace_by_rename(place, version, expected),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Looks at what came out of a swap, and undoes it if need be. From here on the reserved name stands for what came
    /// out, and is not removed before it is known what that is.
    fn verify(
        &self,
        place: &Place,
        version: &mut StagedVersion,
        expected: Option<&Expected<'_>>,
    ) -> Result<Swap, WriteError> {
        let Some(staged) = version.name.take() else { return Err(WriteError::Busy) };
        let stands = match expected {
            Some(expected) => came_out(place, &staged.name, expected),
            // Any file may go; a folder that has come there meanwhile may not.
            None => !is_no_file(place, &staged.name),
        };
        if stands {
            // Here the old version goes. If it cannot, it is gone for everybody but those who look for hidden files.
            staged.remove();
            return Ok(Swap::Done);
        }
        let untouched = || {
            std::thread::sleep(GRACE);
            version.is_untouched()
        };
        let undone = self.undo(place, &staged.name, version.stamp().inode, &untouched);
        self.undone_swaps.fetch_add(u64::from(undone.is_ok()), Ordering::Relaxed);
        match undone {
            Ok(Undone::Back) => {
                version.name = Some(staged);
                Ok(Swap::Conflict)
            }
            Ok(Undone::Spent) => {
                staged.forget();
                Ok(Swap::Spent)
            }
            Err(error) => {
                log::error!(
                    "a swap at {:?} could not be undone: {error:?}; what was displaced is beside it as {:?}",
                    place.name,
                    staged.name
                );
                staged.forget();
                Ok(Swap::Unresolved(error))
            }
        }
    }

    /// Takes away what is at `place`: what is `expected`, or whatever it is. The directory must be locked.
    /// For a moment nothing is there even if it is put back.
    ///
    /// # Errors
    /// [`WriteError`]; nothing has changed then.
    pub fn remove(
        &self,
        _lock: &DirectoryLock<'_>,
        place: &Place,
        expected: Option<&Expected<'_>>,
    ) -> Result<Swap, WriteError> {
        place.check_displaceable()?;
        let Some(expected) = expected else {
            return match unlinkat(&place.directory, &place.name, AtFlags::empty()) {
                Ok(()) => Ok(Swap::Done),
                Err(Errno::NOENT) => Ok(Swap::Vanished),
                Err(_) if matches!(place.occupant(), Ok(Occupant::Nothing)) => Ok(Swap::Done),
                Err(errno) => Err(errno.into()),
            };
        };
        let reserved = Reserved::new(Kind::Remove, &expected.stamp, Some(expected.tag), &place.name);
        let hide = |name: &CStr| match renameat(&place.directory, &place.name, &place.directory, name) {
            // As in `replace`.
            Err(_) if stamp_at(place, name).is_ok_and(|stamp| stamp.same_content_times(&expected.stamp)) => {
                Ok(())
            }
            other => other,
        };
        let name = match place.with_reserved_name(&reserved, hide) {
            Ok(name) => name,
            Err(Errno::NOENT) => return Ok(Swap::Vanished),
            Err(errno) => return Err(errno.into()),
        };
        if came_out(place, &name, expected) {
            remove_name(&place.directory, &name);
            return Ok(Swap::Done);
        }
        Ok(match self.put_back(place, &name) {
            Ok(()) => Swap::Conflict,
            Err(error) => {
                log::error!(
                    "a deletion of {:?} could not be taken back: {error:?}; the file is beside it as {name:?}",
                    place.name
                );
                Swap::Unresolved(error)
            }
        })
    }

    /// Brings what is at the reserved name back to `place`. If something else has come there meanwhile, for
    /// nothing was there to be seen, it becomes a conflict copy.
    pub(super) fn put_back(&self, place: &Place, name: &CStr) -> Result<(), WriteError> {
        match rename_to_new(&place.directory, name, &place.directory, &place.name) {
            Err(Errno::EXIST) => self.keep_beside(place, name),
            other => Ok(other?),
        }
    }

    /// Exchanges `place` and the reserved name until our own file, whose inode is `ours`, has come out
    /// as `untouched`, or something that others have put in its place is where it belongs.
    pub(super) fn undo(
        &self,
        place: &Place,
        name: &CStr,
        ours: u64,
        untouched: &dyn Fn() -> bool,
    ) -> Result<Undone, WriteError> {
        // What is believed to be at the place, as it was when it was put there.
        let mut there: Option<Stamp> = None;
        let mut ours_was_touched = false;
        for _ in 0..UNDO_LIMIT {
            let putting = stamp_at(place, name)?;
            match swap(place, name) {
                Ok(()) => {}
                Err(Errno::NOENT) => {
                    match rename_to_new(&place.directory, name, &place.directory, &place.name) {
                        Ok(()) => return Ok(Undone::Spent),
                        Err(Errno::EXIST) => continue,
                        Err(errno) => return Err(errno.into()),
                    }
                }
                Err(errno) => return Err(errno.into()),
            }
            let out = stamp_at(place, name)?;
            match &there {
                None if out.inode == ours && untouched() => return Ok(Undone::Back),
                // Whoever wrote to our version has not seen the one that it had displaced.
                Some(there) if out.same_content_times(there) && ours_was_touched => {
                    self.keep_beside(place, name)?;
                    return Ok(Undone::Spent);
                }
                Some(there) if out.same_content_times(there) => {
                    self.discard(place, name, there)?;
                    return Ok(Undone::Spent);
                }
                // Something newer came out: it must go back in.
                _ => {
                    ours_was_touched |= out.inode == ours;
                    there = Some(putting);
                }
            }
        }
        // Others keep replacing the file: theirs are the newer versions, and this one is not lost.
        self.keep_beside(place, name)?;
        Ok(Undone::Spent)
    }

    /// Removes a version that something newer has superseded; if somebody wrote to it since it had the stamp
    /// `seen`, it becomes a conflict copy.
    fn discard(&self, place: &Place, name: &CStr, seen: &Stamp) -> Result<(), WriteError> {
        if is_untouched_at(place, name, seen) {
            return Ok(unlinkat(&place.directory, name, AtFlags::empty())?);
        }
        self.keep_beside(place, name)
    }
}

/// How an undo ended; what was at the place before is there again in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// Our own version is back under its reserved name.
    Back,
    /// Our own version was replaced or written to by others; the reserved name is gone.
    Spent,
}

fn swap(place: &Place, name: &CStr) -> Result<(), Errno> {
    renameat_with(&place.directory, name, &place.directory, &place.name, RenameFlags::EXCHANGE)
}

fn stamp_at(place: &Place, name: &CStr) -> Result<Stamp, WriteError> {
    Ok(Stamp::of(&stat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

fn is_no_file(place: &Place, name: &CStr) -> bool {
    stat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|status| file_type(&status) != FileType::RegularFile)
}

/// Whether it is a file to which nobody has written since it had the stamp `seen`.
fn is_untouched_at(place: &Place, name: &CStr, seen: &Stamp) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(&place.directory, name, flags, Mode::empty());
    let held = opened.ok().and_then(|fd| OpenFile::new(fd).ok()).and_then(Held::hold);
    held.is_some_and(|held| {
        std::thread::sleep(GRACE);
        held.is_untouched(seen)
    })
}

/// Whether what now has the reserved name is the expected version, and nobody has begun to write to it.
fn came_out(place: &Place, name: &CStr, expected: &Expected<'_>) -> bool {
    let file = expected.held.file();
    let same = stamp_at(place, name).is_ok_and(|out| {
        (out.device, out.inode) == (expected.stamp.device, expected.stamp.inode)
            && out.same_content_times(&expected.stamp)
    });
    if !same {
        return false;
    }
    match expected.held {
        Held::Leased(leased) => {
            // Somebody who has found the old file by its name, and was stopped before the kernel counted
            // them as a writer, gets a chance to show. Who comes even later is seen by the lease, which
            // the caller goes on holding for a while.
            std::thread::yield_now();
            leased.is_unbroken()
        }
        Held::Unleased(_) => {
            let Ok(after) = file.stamp_now() else { return false };
            std::thread::sleep(RECHECK_AFTER);
            file.stamp_now() == Ok(after)
                && (expected.has_tag)(file, expected.tag)
                && file.stamp_now() == Ok(after)
        }
    }
}

/// Where names cannot be exchanged (NFS, FAT, some FUSE): read once more, then rename. Better than
/// nothing, and no compare-and-swap.
fn replace_by_rename(
    place: &Place,
    version: &mut StagedVersion,
    expected: Option<&Expected<'_>>,
) -> Result<Swap, WriteError> {
    if let Some(expected) = expected {
        let now = match stamp_at(place, &place.name) {
            Err(WriteError::Missing) => return Ok(Swap::Vanished),
            other => other?,
        };
        if now != expected.stamp || !(expected.has_tag)(expected.held.file(), expected.tag) {
            return Ok(Swap::Conflict);
        }
    }
    let Some(staged) = version.name.take() else { return Err(WriteError::Busy) };
    match renameat(&staged.directory, &staged.name, &place.directory, &place.name) {
        Err(errno) if !version.is_at(place, &place.name) => {
            version.name = Some(staged);
            Err(errno.into())
        }
        _ => {
            staged.forget();
            Ok(Swap::Done)
        }
    }
}

impl StagedVersion {
    /// Reports whether it has this name in the directory of `place`.
    pub(super) fn is_at(&self, place: &Place, name: &CStr) -> bool {
        let here = stat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|status| identity(&status));
        here == Ok((self.stamp().device, self.stamp().inode))
    }
}

#[cfg(test)]
mod tests;
