//! Recovery: what a server that died in the middle of a write has left is brought to an end before anything is
//! served. The reserved names tell all there is to know.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::exchange::Undone;
use super::lease::{self, LeaseProbe};
use super::place::{Occupant, Place, WriteError};
use super::reserved::{Kind, Reserved, TargetName};
use super::stamp::{file_type, stat};
use super::{OpenFile, Root};
use crate::resource_path::{RESERVED_PREFIX, ResourcePath};

/// Whether a file has the bytes of an opaque tag.
pub type HasTag<'a> = dyn Fn(&OpenFile, &str) -> bool + 'a;

/// What recovery found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Uploads that were never visible, removed.
    pub swept: u64,
    /// Swaps that had succeeded, brought to their end.
    pub finished: u64,
    /// Swaps of something that was not expected, undone.
    pub undone: u64,
    /// Names that could not be dealt with; the log says why.
    pub failed: u64,
}

/// A folder that is being gone through, and the names of the folders in it that are still to come.
struct Level {
    folder: OwnedFd,
    children: Vec<CString>,
}

impl Root {
    /// Goes through all folders of the root and resolves every reserved name. Links are not followed, and folders that
    /// may not be read are left out: nothing can have been written there.
    ///
    /// # Errors
    /// [`WriteError`] when the root itself cannot be read.
    pub fn recover(&self, has_tag: &HasTag<'_>) -> Result<Recovered, WriteError> {
        let mut found = Recovered::default();
        let folder = self.staging_directory(&ResourcePath::ROOT)?;
        let children = self.recover_folder(&folder, has_tag, &mut found)?;
        // One descriptor for each level, however many folders are in one.
        let mut levels = vec![Level { folder, children }];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.children.pop() else {
                levels.pop();
                continue;
            };
            let entered = match open_folder(&level.folder, &name) {
                Ok(folder) => self.recover_folder(&folder, has_tag, &mut found).map(|it| (folder, it)),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM) => continue,
                Err(errno) => Err(errno.into()),
            };
            match entered {
                Ok((folder, children)) => levels.push(Level { folder, children }),
                Err(error) => {
                    found.failed += 1;
                    log::warn!(
                        "a folder could not be looked through for interrupted writes: {name:?}: {error:?}"
                    );
                }
            }
        }
        Ok(found)
    }

    /// Resolves the reserved names of one folder; returns the names of its folders.
    fn recover_folder(
        &self,
        folder: &OwnedFd,
        has_tag: &HasTag<'_>,
        found: &mut Recovered,
    ) -> Result<Vec<CString>, WriteError> {
        let (mut children, mut reserved) = (Vec::new(), Vec::new());
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(RESERVED_PREFIX.as_bytes()) {
                reserved.push(name.to_owned());
            } else if name != c"." && name != c".." && is_folder(folder, name, entry.file_type()) {
                children.push(name.to_owned());
            }
        }
        for name in reserved {
            match self.resolve(folder, &name, has_tag, found) {
                Ok(()) => {}
                Err(error) => {
                    found.failed += 1;
                    log::warn!("an interrupted write could not be resolved: {name:?}: {error:?}");
                }
            }
        }
        Ok(children)
    }

    fn resolve(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        has_tag: &HasTag<'_>,
        found: &mut Recovered,
    ) -> Result<(), WriteError> {
        let Some(reserved) = Reserved::parse(name) else {
            log::warn!("{name:?} has a name that is reserved for uploads, but is none; it is left alone");
            return Ok(());
        };
        if reserved.kind == Kind::Temporary {
            return sweep_temporary(folder, name, found);
        }
        let target = find_target(folder, &reserved)?;
        // Without its name (too long, and gone) it can only be kept under another one.
        let place = Place::within(folder, target.as_deref().unwrap_or(c"recovered"))?;
        let _lock = self.lock(&place)?;
        let Ok(status) = stat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            // Another server has dealt with it meanwhile.
            return Ok(());
        };
        if is_sticky(folder) && status.stx_uid != geteuid().as_raw() {
            // Where everybody may make names, but not touch those of others, a name proves nothing.
            log::warn!("{name:?} may have been made by another user; it is left alone");
            return Ok(());
        }
        let is_file = file_type(&status) == FileType::RegularFile;
        let is_ours = status.stx_ino == reserved.inode;
        match reserved.kind {
            // Between two attempts of a server that lives.
            Kind::Replace if is_ours && is_in_use(folder, name) => Ok(()),
            Kind::Replace if is_ours && is_as_staged(folder, name, &reserved) => {
                found.swept += 1;
                Ok(unlinkat(folder, name, AtFlags::empty())?)
            }
            Kind::Replace if !is_ours && is_file && is_expected(folder, name, &reserved, has_tag) => {
                found.finished += 1;
                Ok(unlinkat(folder, name, AtFlags::empty())?)
            }
            Kind::Replace if !is_ours && target.is_some() => {
                found.undone += 1;
                self.take_back(&place, name, &reserved)
            }
            Kind::Remove if is_file && is_expected(folder, name, &reserved, has_tag) => {
                found.finished += 1;
                Ok(unlinkat(folder, name, AtFlags::empty())?)
            }
            Kind::Remove if target.is_some() => {
                found.undone += 1;
                self.put_back(&place, name)
            }
            // Ours, but somebody wrote to it while it was there to be seen; or nobody knows what belongs where.
            Kind::Replace | Kind::Remove | Kind::Temporary => {
                found.undone += 1;
                self.keep_beside(&place, name)
            }
        }
    }

    /// Undoes a swap, if our own version is still at the place and nobody has written to it. What has come there since
    /// then was made by somebody who has not seen what was displaced: both are kept.
    fn take_back(&self, place: &Place, name: &CStr, reserved: &Reserved) -> Result<(), WriteError> {
        if matches!(place.occupant(), Ok(Occupant::Nothing)) {
            return self.put_back(place, name);
        }
        if !is_as_staged(&place.directory, &place.name, reserved) {
            return self.keep_beside(place, name);
        }
        let untouched = || is_as_staged(&place.directory, name, reserved);
        match self.undo(place, name, reserved.inode, &untouched)? {
            Undone::Back => Ok(unlinkat(&place.directory, name, AtFlags::empty())?),
            Undone::Spent => Ok(()),
        }
    }
}

/// Whether only the owner of a name may take it away.
fn is_sticky(folder: &OwnedFd) -> bool {
    const STICKY: u16 = 0o1000;
    stat(folder, c"", AtFlags::EMPTY_PATH).is_ok_and(|status| status.stx_mode & STICKY != 0)
}

fn sweep_temporary(folder: &OwnedFd, name: &CStr, found: &mut Recovered) -> Result<(), WriteError> {
    if !is_in_use(folder, name) {
        found.swept += 1;
        unlinkat(folder, name, AtFlags::empty())?;
    }
    Ok(())
}

/// Whether it is a version of a server that lives: those are locked, from before they have a name.
fn is_in_use(folder: &OwnedFd, name: &CStr) -> bool {
    open_file(folder, name)
        .is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

/// The file that a reserved name belongs to. A whole name is known even if nothing has it.
fn find_target(folder: &OwnedFd, reserved: &Reserved) -> Result<Option<CString>, WriteError> {
    if let TargetName::Whole(name) = &reserved.target {
        return Ok(Some(name.clone()));
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if reserved.target.is(entry.file_name()) {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}

/// Whether it is the new version, as it was staged.
fn is_as_staged(folder: &OwnedFd, name: &CStr, reserved: &Reserved) -> bool {
    open_file(folder, name).is_some_and(|file| {
        let stamp = file.stamp();
        (stamp.inode, stamp.size, stamp.modified) == (reserved.inode, reserved.size, reserved.modified)
            && lease::probe(file.as_fd()) != LeaseProbe::Busy
    })
}

/// Whether it is the version that was to be displaced.
fn is_expected(folder: &OwnedFd, name: &CStr, reserved: &Reserved, has_tag: &HasTag<'_>) -> bool {
    let Some(tag) = &reserved.expected else { return true };
    open_file(folder, name).is_some_and(|file| has_tag(&file, tag))
}

fn open_file(folder: &OwnedFd, name: &CStr) -> Option<OpenFile> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    OpenFile::new(openat(folder, name, flags, Mode::empty()).ok()?).ok()
}

fn is_folder(folder: &OwnedFd, name: &CStr, kind: FileType) -> bool {
    match kind {
        FileType::Unknown => stat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|status| file_type(&status) == FileType::Directory),
        kind => kind == FileType::Directory,
    }
}

fn open_folder(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests;
