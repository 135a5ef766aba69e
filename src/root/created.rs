//! Folders that a write makes on the way to its file, and removes again unless it succeeds.
//!
//! However many they are, they take one descriptor: that of the folder above them. The way down from there is walked again
//! without following links, and a folder that is not the one that was made is left alone.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{Access, AtFlags, Mode, OFlags, accessat, fsync, mkdirat, openat, syncfs, unlinkat};
use rustix::io::Errno;

use super::Root;
use super::links::open_without_links;
use super::place::WriteError;
use super::protection::Protection;
use super::stamp::{identity, stat};
use crate::resource_path::ResourcePath;

/// How many folders one write may make. Each costs a write to the disk.
pub(super) const MOST: usize = 32;

/// The folders that were made.
#[derive(Debug, Default)]
pub(super) struct CreatedDirectories {
    /// The folder from which on folders were missing.
    above: Option<OwnedFd>,
    /// How many names there are on the way from there to the folder that was entered last.
    depth: usize,
    /// That way.
    way: Vec<u8>,
    made: Vec<Made>,
}

/// A folder that was made.
#[derive(Debug)]
struct Made {
    /// How much of the way leads to the folder that it is in.
    parent: usize,
    name: CString,
    identity: (u64, u64),
}

impl Root {
    /// Reports whether the folders that are missing on the way to `path` can be made. Called before a body is received.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn check_missing_parents(&self, path: &ResourcePath<'_>) -> Result<(), WriteError> {
        let parent = path.parent();
        let (directory, missing) = self.nearest_directory(&*self.directory()?, &parent)?;
        if segments(missing).count() > MOST {
            return Err(WriteError::TooDeep);
        }
        if !missing.is_empty() {
            Protection::of(&directory)?.check_names_can_go()?;
        }
        Ok(accessat(&directory, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }
}

/// The names in a path.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Writes the names in a directory to the disk.
///
/// # Errors
/// [`WriteError`].
pub(super) fn sync_directory(directory: &OwnedFd) -> Result<(), WriteError> {
    match fsync(directory) {
        // There is nothing to write to a disk, or nothing that can be asked for it.
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        other => Ok(other?),
    }
}

impl CreatedDirectories {
    /// Makes `name` in `directory` if it is missing, and opens it. `directory` is the one that was entered last.
    ///
    /// # Errors
    /// [`WriteError::TooDeep`] and others.
    pub(super) fn enter(&mut self, directory: OwnedFd, name: CString) -> Result<OwnedFd, WriteError> {
        if self.depth == MOST {
            return Err(WriteError::TooDeep);
        }
        // The folder is removed again if the write fails.
        Protection::of(&directory)?.check_names_can_go()?;
        let made = match mkdirat(&directory, &name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno.into()),
        };
        if made && let Ok(status) = stat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            self.made.push(Made { parent: self.way.len(), name: name.clone(), identity: identity(&status) });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entered = openat(&directory, &name, flags, Mode::empty());
        if self.depth > 0 {
            self.way.push(b'/');
        }
        self.way.extend_from_slice(name.as_bytes());
        self.depth += 1;
        self.above.get_or_insert(directory);
        Ok(entered?)
    }

    /// Writes to the disk that they are there.
    ///
    /// # Errors
    /// [`WriteError`].
    pub(super) fn sync(&self, innermost: &OwnedFd) -> Result<(), WriteError> {
        for made in self.made.iter().rev() {
            match self.parent_of(made, OFlags::RDONLY) {
                Ok(parent) => sync_directory(&parent)?,
                // Somebody has moved one of them.
                Err(_) => return Ok(syncfs(innermost)?),
            }
        }
        Ok(())
    }

    /// They stay.
    pub(super) fn keep(&mut self) {
        self.made.clear();
        self.above = None;
    }

    fn parent_of(&self, made: &Made, flags: OFlags) -> Result<OwnedFd, Errno> {
        let above = self.above.as_ref().ok_or(Errno::NOENT)?;
        let way: &[u8] = if made.parent == 0 { b"." } else { &self.way[..made.parent] };
        open_without_links(above, way, flags | OFlags::DIRECTORY)
    }

    fn remove(&self, made: &Made) -> Result<(), Errno> {
        let parent = self.parent_of(made, OFlags::PATH)?;
        let name: &CStr = &made.name;
        if identity(&stat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?) != made.identity {
            return Ok(());
        }
        unlinkat(&parent, name, AtFlags::REMOVEDIR)
    }
}

impl Drop for CreatedDirectories {
    fn drop(&mut self) {
        for made in self.made.iter().rev() {
            // One that somebody has put something into stays, and so do those above it.
            if self.remove(made).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
