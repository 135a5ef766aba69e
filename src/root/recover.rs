//! Recovery: what a server that died in the middle of a write has left is brought to an end before anything is
//! served. The reserved names tell all there is to know. Nothing that somebody has saved stays under one of them:
//! what cannot be understood, or cannot be put where it belongs, becomes a conflict copy.

mod finding;
mod survey;

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::exchange::Undone;
use super::place::{Occupant, Place, WriteError};
use super::reserved::{Kind, Reserved};
use super::stamp::{file_type, stat};
use super::{OpenFile, Root};
use crate::resource_path::{RESERVED_PREFIX, ResourcePath};
use finding::{Finding, find, find_target, is_as_staged};

/// Whether a file has the bytes of an opaque tag.
pub type HasTag<'a> = dyn Fn(&OpenFile, &str) -> bool + 'a;

/// The name of what belongs to a file whose name is not known.
const NAMELESS: &CStr = c"recovered";

/// What recovery found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Uploads that were never visible, removed.
    pub swept: u64,
    /// Swaps that had succeeded, brought to their end.
    pub finished: u64,
    /// Swaps of something that was not expected, undone.
    pub undone: u64,
    /// Files of which nobody knows where they belong, kept as conflict copies.
    pub kept: u64,
    /// Names that stay, since they may be somebody else's; the log says why.
    pub left: u64,
    /// Names that could not be dealt with; the log says why.
    pub failed: u64,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { swept, finished, undone, kept, left, failed } = self;
        let parts = [
            (swept, "unfinished uploads removed"),
            (finished, "writes finished"),
            (undone, "writes undone"),
            (kept, "files kept as conflict copies"),
            (left, "names left alone"),
            (failed, "names that could not be dealt with"),
        ];
        let mut separator = "";
        for (count, what) in parts.into_iter().filter(|(count, _)| **count > 0) {
            write!(f, "{separator}{what}: {count}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// A folder that is being gone through, and the names of the folders in it that are still to come.
struct Level {
    folder: OwnedFd,
    path: Vec<u8>,
    children: Vec<CString>,
}

impl Root {
    /// Goes through all folders of the root and resolves every reserved name.
    ///
    /// # Errors
    /// [`WriteError`] when the root itself cannot be read.
    pub fn recover(&self, has_tag: &HasTag<'_>) -> Result<Recovered, WriteError> {
        let mut found = Recovered::default();
        let unread = self.visit_folders(|folder, _, names| {
            for name in names {
                if let Err(error) = self.resolve(folder, &name, has_tag, &mut found) {
                    found.failed += 1;
                    log::warn!("an interrupted write could not be resolved: {name:?}: {error:?}");
                }
            }
        })?;
        found.failed += unread;
        self.interrupted.note(found.left + found.failed, HashMap::new());
        Ok(found)
    }

    /// Calls `visit` with every folder of the root, its path and the reserved names in it. Links are not followed, and
    /// folders that may not be read are left out: nothing can have been written there. Returns how many folders could
    /// not be read for another reason.
    fn visit_folders(&self, mut visit: impl FnMut(&OwnedFd, &[u8], Vec<CString>)) -> Result<u64, WriteError> {
        let mut unread = 0;
        let folder = self.staging_directory(&ResourcePath::ROOT)?;
        let (children, reserved) = read_names(&folder)?;
        visit(&folder, b"", reserved);
        // One descriptor for each level, however many folders are in one.
        let mut levels = vec![Level { folder, path: Vec::new(), children }];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.children.pop() else {
                levels.pop();
                continue;
            };
            let path = below(&level.path, &name);
            let entered = match open_folder(&level.folder, &name) {
                Ok(folder) => read_names(&folder).map(|names| (folder, names)),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM) => continue,
                Err(errno) => Err(errno),
            };
            match entered {
                Ok((folder, (children, reserved))) => {
                    visit(&folder, &path, reserved);
                    levels.push(Level { folder, path, children });
                }
                Err(errno) => {
                    unread += 1;
                    log::warn!(
                        "a folder could not be looked through for interrupted writes: {name:?}: {errno}"
                    );
                }
            }
        }
        Ok(unread)
    }

    fn resolve(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        has_tag: &HasTag<'_>,
        found: &mut Recovered,
    ) -> Result<(), WriteError> {
        let reserved = Reserved::parse(name);
        let is_body = reserved.as_ref().is_some_and(|reserved| reserved.kind == Kind::Temporary);
        let target = match &reserved {
            Some(reserved) => find_target(folder, reserved)?,
            None => Reserved::likely_target(name),
        };
        let place = Place::within(folder, target.as_deref().unwrap_or(NAMELESS))?;
        // A body that was being received is locked itself while its server lives.
        let _lock = if is_body { None } else { Some(self.lock(&place)?) };
        let finding = find(folder, name, reserved.as_ref(), target.as_deref(), has_tag);
        let done = match (finding, &reserved) {
            (Finding::Swapped, Some(reserved)) => self.take_back(&place, name, reserved),
            (Finding::TakenAway, _) => self.put_back(&place, name),
            (Finding::Unseen | Finding::Displaced, _) => Ok(unlinkat(folder, name, AtFlags::empty())?),
            (Finding::Stray | Finding::Swapped, _) => {
                log::warn!("nobody knows where {name:?} belongs; it gets a name that everybody sees");
                self.keep_beside(&place, name)
            }
            (Finding::Left(why), _) => {
                log::warn!("{name:?} is left alone: {why}");
                Ok(())
            }
            (Finding::Settled, _) => Ok(()),
        };
        match finding {
            // What belongs to somebody must not stay hidden.
            Finding::Swapped | Finding::TakenAway => {
                done.or_else(|error| self.keep_beside(&place, name).map_err(|_| error))?
            }
            _ => done?,
        }
        match (finding, &reserved) {
            (Finding::Settled, _) => {}
            (Finding::Left(_), _) => found.left += 1,
            (Finding::Unseen, _) => found.swept += 1,
            (Finding::Displaced, _) => found.finished += 1,
            (Finding::Swapped | Finding::TakenAway, _) | (Finding::Stray, Some(_)) => found.undone += 1,
            (Finding::Stray, None) => found.kept += 1,
        }
        Ok(())
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

/// The names of the folders in a folder, and the reserved names.
fn read_names(folder: &OwnedFd) -> Result<(Vec<CString>, Vec<CString>), Errno> {
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
    Ok((children, reserved))
}

/// The path of a name in the folder `path`.
fn below(path: &[u8], name: &CStr) -> Vec<u8> {
    match path {
        b"" => name.to_bytes().to_vec(),
        path => [path, b"/", name.to_bytes()].concat(),
    }
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
