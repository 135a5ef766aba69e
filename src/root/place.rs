//! Where a write goes: a directory, held open, and a name in it. Once resolved, no path is walked
//! again, so nothing that is renamed or linked meanwhile can lead the write astray.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstatvfs, openat};
use rustix::io::Errno;

use super::created::{self, CreatedDirectories, sync_directory};
use super::open::{at, descriptor_path};
use super::reserved::{LONGEST_NAME, Reserved};
use super::stamp::{file_type, identity, stat};
use super::{OpenError, OpenFile, Root, RootDirectory, Stamp, SymlinkPolicy};
use crate::resource_path::ResourcePath;

/// A name in a directory that is held open.
#[derive(Debug)]
pub struct Place {
    pub(super) directory: OwnedFd,
    pub(super) name: CString,
    created: CreatedDirectories,
}

/// What stands at a place.
#[derive(Debug)]
pub enum Occupant {
    /// Nothing.
    Nothing,
    /// A regular file.
    File,
}

/// Whether folders on the way are made when they are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
    /// They must be there.
    Existing,
    /// They are made, and removed again unless the write succeeds.
    Create,
}

/// Why a file could not be written. Every error of a system call becomes one of these in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// A folder on the way is missing, and is not to be made.
    Missing,
    /// The server's user may not write here.
    Forbidden,
    /// The filesystem is mounted read-only.
    ReadOnly,
    /// The folder only takes new files (`chattr +a`).
    AppendOnly,
    /// The file or the folder must not change (`chattr +i`, or `+a` on the file).
    Immutable,
    /// No space, no quota, or the file would be larger than it may be.
    Full,
    /// A name on the way is longer than the filesystem allows, or is none.
    BadName,
    /// More folders are missing on the way than one write makes.
    TooDeep,
    /// A folder on the way is a file.
    ParentNotAFolder,
    /// A folder is at the place.
    Folder,
    /// Something that is neither file nor folder is at the place, or a link that is not followed.
    NotAFile,
    /// The place is a mount point of its own, and cannot be swapped.
    MountPoint,
    /// Others keep changing what is there.
    Busy,
    /// Another process holds the directory's lock.
    Locked,
    /// The served folder itself is gone.
    RootGone,
    /// The machine is short of descriptors or memory.
    Overloaded,
    /// The filesystem reported no error, and what it gives back is not what was written.
    NotStored,
    /// The server has a fault, and the write ended in the middle.
    Panicked,
    /// Any other failure.
    Io(Errno),
}

impl From<Errno> for WriteError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Missing,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::ROFS => Self::ReadOnly,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::Full,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Self::BadName,
            Errno::NOTDIR => Self::ParentNotAFolder,
            Errno::ISDIR => Self::Folder,
            Errno::LOOP | Errno::NXIO | Errno::NODEV => Self::NotAFile,
            Errno::BUSY | Errno::XDEV => Self::MountPoint,
            Errno::AGAIN | Errno::TXTBSY | Errno::INTR => Self::Busy,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Overloaded,
            other => Self::Io(other),
        }
    }
}

impl From<OpenError> for WriteError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Missing => Self::Missing,
            OpenError::Forbidden => Self::Forbidden,
            OpenError::RootGone => Self::RootGone,
            OpenError::Busy => Self::Busy,
            OpenError::Overloaded => Self::Overloaded,
            OpenError::Io(errno) => errno.into(),
        }
    }
}

impl WriteError {
    /// The same error, where a second try must not be made.
    #[must_use]
    pub fn for_good(self) -> Self {
        match self {
            Self::Full => Self::Io(Errno::NOSPC),
            other => other,
        }
    }
}

impl Root {
    /// The place that `path` names. A symbolic link at the end is resolved, within the symlink policy:
    /// what is written is the file it leads to.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn place(&self, path: &ResourcePath<'_>, parents: Parents) -> Result<Place, WriteError> {
        let root = self.directory()?;
        let place = self.place_below(&root, path, parents)?;
        match stat(&place.directory, &place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) if file_type(&status) == FileType::Symlink => self.place_of_link(&root, path),
            Ok(_) | Err(Errno::NOENT) => Ok(place),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The place that `path` names, where a link at the end is the place itself.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn place_of_name(&self, path: &ResourcePath<'_>) -> Result<Place, WriteError> {
        self.place_below(&*self.directory()?, path, Parents::Existing)
    }

    /// The nearest folder on the way to `path` that exists, where its bytes may be staged.
    pub(super) fn staging_directory(&self, path: &ResourcePath<'_>) -> Result<OwnedFd, WriteError> {
        let root = self.directory()?;
        Ok(self.nearest_directory(&root, &path.parent())?.0)
    }

    fn place_below(
        &self,
        root: &RootDirectory,
        path: &ResourcePath<'_>,
        parents: Parents,
    ) -> Result<Place, WriteError> {
        let name = CString::new(path.name()).map_err(|_| WriteError::BadName)?;
        let parent = path.parent();
        let (mut directory, missing) = self.nearest_directory(root, &parent)?;
        let mut created = CreatedDirectories::default();
        if !missing.is_empty() && parents == Parents::Existing {
            return Err(WriteError::Missing);
        }
        if created::segments(missing).count() > created::MOST {
            return Err(WriteError::TooDeep);
        }
        for segment in created::segments(missing) {
            let segment = CString::new(segment).map_err(|_| WriteError::BadName)?;
            directory = created.enter(directory, segment)?;
        }
        Place::new(directory, name, created)
    }

    /// The deepest folder of `path` that exists, and what is missing below it.
    pub(super) fn nearest_directory<'a>(
        &self,
        root: &RootDirectory,
        path: &'a ResourcePath<'_>,
    ) -> Result<(OwnedFd, &'a str), WriteError> {
        let mut nearest = path.as_str();
        loop {
            let candidate = path.ancestor(nearest.len());
            match self.try_open_confined(root, at(&candidate), OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(directory) => {
                    return Ok((directory, path.as_str()[nearest.len()..].trim_start_matches('/')));
                }
                Err(Errno::NOENT) if !nearest.is_empty() => {
                    nearest = &nearest[..nearest.rfind('/').unwrap_or(0)];
                }
                // A link out of the root counts as something that is no folder.
                Err(Errno::XDEV | Errno::LOOP) => return Err(WriteError::NotAFile),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The place of the file that a link at `path` leads to.
    fn place_of_link(&self, root: &RootDirectory, path: &ResourcePath<'_>) -> Result<Place, WriteError> {
        if self.symlinks == SymlinkPolicy::Deny {
            return Err(WriteError::NotAFile);
        }
        let found = self.open_confined(root, path, OFlags::PATH).map_err(|error| match error {
            OpenError::Missing => WriteError::NotAFile,
            other => other.into(),
        })?;
        let status = stat(&found, c"", AtFlags::EMPTY_PATH)?;
        if file_type(&status) == FileType::Directory {
            return Err(WriteError::Folder);
        }
        let end = descriptor_path(found.as_fd())?;
        let directory = match end.strip_prefix(descriptor_path(root.fd.as_fd())?) {
            Ok(inside) => self.open_parent_exactly(root, inside)?,
            Err(_) if self.symlinks == SymlinkPolicy::All => open_directory(end.parent())?,
            Err(_) => return Err(WriteError::NotAFile),
        };
        let name = end.file_name().ok_or(WriteError::Folder)?;
        let name = CString::new(name.as_bytes()).map_err(|_| WriteError::BadName)?;
        let at_name = stat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).map(|status| identity(&status));
        // The kernel's path is that of an instant ago; of a file removed since, it is not even one ("f (deleted)").
        if at_name != Ok(identity(&status)) {
            return Err(WriteError::Busy);
        }
        Place::new(directory, name, CreatedDirectories::default())
    }

    /// The folder of a path that the kernel named: no link is on the way, and none is followed.
    fn open_parent_exactly(&self, root: &RootDirectory, inside: &Path) -> Result<OwnedFd, WriteError> {
        let parent = match inside.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(super::links::open_without_links(&root.fd, parent.as_os_str().as_bytes(), flags)?)
    }
}

fn open_directory(path: Option<&Path>) -> Result<OwnedFd, WriteError> {
    let path = path.ok_or(WriteError::Folder)?;
    Ok(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

impl Place {
    fn new(directory: OwnedFd, name: CString, created: CreatedDirectories) -> Result<Self, WriteError> {
        if name.is_empty() {
            return Err(WriteError::Folder);
        }
        Ok(Self { directory, name, created })
    }

    /// A place in a directory that is open already.
    pub(super) fn within(directory: &OwnedFd, name: &CStr) -> Result<Self, WriteError> {
        Self::new(
            directory.try_clone().map_err(|_| WriteError::Overloaded)?,
            name.to_owned(),
            CreatedDirectories::default(),
        )
    }

    /// Another name in the same directory.
    pub(super) fn beside(&self, name: &CStr) -> Result<Self, WriteError> {
        Self::within(&self.directory, name)
    }

    /// How long a name in the directory may be, as far as the filesystem says.
    pub(super) fn longest_name(&self) -> usize {
        let told = fstatvfs(&self.directory).map_or(0, |status| status.f_namemax);
        // FAT counts the bytes of the longest characters.
        usize::try_from(told)
            .ok()
            .filter(|told| *told > 0)
            .map_or(LONGEST_NAME, |told| told.min(LONGEST_NAME))
    }

    /// Gives something a reserved name in the directory by calling `give`, with a shorter name if the filesystem takes
    /// no longer one. Returns the name.
    pub(super) fn with_reserved_name(
        &self,
        reserved: &Reserved,
        mut give: impl FnMut(&CStr) -> Result<(), Errno>,
    ) -> Result<CString, Errno> {
        let mut name = reserved.encode(LONGEST_NAME);
        if name.as_bytes().len() > Reserved::SHORT {
            name = reserved.encode(self.longest_name());
        }
        match give(&name) {
            // Not every filesystem tells the truth about it.
            Err(Errno::NAMETOOLONG) => {
                name = reserved.encode(0);
                give(&name)?;
            }
            other => other?,
        }
        Ok(name)
    }

    /// What stands there.
    ///
    /// # Errors
    /// [`WriteError::Folder`] and [`WriteError::NotAFile`] for what no write replaces.
    pub fn occupant(&self) -> Result<Occupant, WriteError> {
        match stat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => match file_type(&status) {
                FileType::RegularFile => Ok(Occupant::File),
                FileType::Directory => Err(WriteError::Folder),
                _ => Err(WriteError::NotAFile),
            },
            Err(Errno::NOENT) => Ok(Occupant::Nothing),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The stamp of a symbolic link there, if there is one.
    pub fn link_stamp(&self) -> Option<Stamp> {
        let status = stat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (file_type(&status) == FileType::Symlink).then(|| Stamp::of(&status))
    }

    /// Opens the file there for reading; `None` if nothing is there.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn open(&self) -> Result<Option<OpenFile>, WriteError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat(&self.directory, &self.name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        match OpenFile::new(fd) {
            Err(OpenError::Missing) => Err(self.occupant().err().unwrap_or(WriteError::Busy)),
            other => Ok(Some(other?)),
        }
    }

    /// How many bytes there is room for.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn free_space(&self) -> Result<u64, WriteError> {
        let status = fstatvfs(&self.directory)?;
        // Some filesystems do not say.
        let known = status.f_blocks > 0;
        Ok(if known { status.f_bavail.saturating_mul(status.f_frsize) } else { u64::MAX })
    }

    /// Makes the change of names durable, and that of folders made on the way.
    ///
    /// # Errors
    /// [`WriteError`]: whether the change survives a power failure is then unknown.
    pub fn sync(&self) -> Result<(), WriteError> {
        sync_directory(&self.directory)?;
        self.created.sync(&self.directory)
    }

    /// The write succeeded: folders made for it stay.
    pub fn keep_directories(&mut self) {
        self.created.keep();
    }

    /// The directory as device and inode.
    pub(super) fn identity(&self) -> Result<(u64, u64), WriteError> {
        Ok(identity(&stat(&self.directory, c"", AtFlags::EMPTY_PATH)?))
    }
}

#[cfg(test)]
mod tests;
