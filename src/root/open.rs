//! Opening below the root: confined by the kernel (`openat2` with `RESOLVE_BENEATH`), never by
//! comparing path strings. What the symlink policy means stands in [`links`](super::links).

mod explain;

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fsync, openat2, readlinkat};
use rustix::io::{Errno, ReadWriteFlags};

use super::place::WriteError;
use super::stamp::{file_type, identity, stat};
use super::{Location, Root, RootDirectory, Stamp, SymlinkPolicy, Timestamp};
use crate::resource_path::{Dotfiles, ResourcePath};

/// What a path names.
#[derive(Debug)]
pub enum Node {
    /// A regular file, open for reading.
    File(OpenFile),
    /// A directory, open for listing.
    Directory(OpenDirectory),
}

/// A regular file, open for reading, with its stamp at the time of opening.
#[derive(Debug)]
pub struct OpenFile {
    fd: OwnedFd,
    stamp: Stamp,
}

/// A directory, open for listing.
#[derive(Debug)]
pub struct OpenDirectory {
    fd: OwnedFd,
}

/// One name in a directory.
#[derive(Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The name; names that are not UTF-8 are left out, since no request can spell them.
    pub name: &'a str,
    /// Whether a request would find a directory there (links are followed as the policy says).
    pub is_directory: bool,
    /// Bytes; of a directory: 0.
    pub size: u64,
    /// mtime.
    pub modified: Timestamp,
}

/// How an open file stands to the stamp it was opened under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing changed.
    Same,
    /// The file was replaced or unlinked; the bytes of the open one are what they were.
    Displaced(Stamp),
    /// The bytes may have changed.
    Changed,
}

/// Why nothing could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Nothing there, or nothing that is served: a link out of the root, a FIFO, a device.
    Missing,
    /// The server's user may not read it.
    Forbidden,
    /// The root folder itself has gone.
    RootGone,
    /// Somebody keeps writing to it.
    Busy,
    /// The machine is short of descriptors or memory, or renames kept getting in the way.
    Overloaded,
    /// Any other failure.
    Io(Errno),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG => Self::Missing,
            Errno::XDEV | Errno::NXIO | Errno::NODEV | Errno::ISDIR => Self::Missing,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => Self::Overloaded,
            other => Self::Io(other),
        }
    }
}

impl Root {
    /// Opens what `path` names, within the symlink policy. A file is never a FIFO or a device, and
    /// those are not opened even for a moment.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_node(&self, path: &ResourcePath<'_>) -> Result<Node, OpenError> {
        let root = self.directory()?;
        if let Some(file) = self.stand_in(&root, path) {
            return Ok(Node::File(file));
        }
        match file_type(&stat(&root.fd, at(path), self.symlinks.at_flags())?) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                OpenFile::new(self.open_asked(&root, path, flags)?).map(Node::File)
            }
            FileType::Directory => {
                let fd = self.open_asked(&root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
                Ok(Node::Directory(OpenDirectory { fd }))
            }
            FileType::Symlink => {
                self.explain(path, Errno::LOOP);
                Err(OpenError::Missing)
            }
            _ => Err(OpenError::Missing),
        }
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`OpenError`]; a directory counts as missing.
    pub fn open_file(&self, path: &ResourcePath<'_>) -> Result<OpenFile, OpenError> {
        match self.open_node(path)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(OpenError::Missing),
        }
    }

    /// The stamp of what is at `path` now, for the comparison with one that came from an open.
    ///
    /// For a file in the root itself, or without confinement, that is one `statx`: equal stamps are
    /// the same inode. Where a link or a *parent* folder is on the way, that folder can be moved out
    /// of the root and a link put in its place while the file's own stamp stays the same; so the
    /// walk is made again, confined.
    pub fn stamp(&self, path: &ResourcePath<'_>, location: &Location) -> Option<Stamp> {
        let quick = |flags| stat(rustix::fs::CWD, location.as_c_str(), flags).ok();
        if self.symlinks == SymlinkPolicy::All {
            return quick(AtFlags::empty()).map(|status| Stamp::of(&status));
        }
        if !path.as_str().contains('/') {
            let status = quick(AtFlags::SYMLINK_NOFOLLOW)?;
            if file_type(&status) != FileType::Symlink {
                return Some(Stamp::of(&status));
            }
        }
        let root = self.directory().ok()?;
        let fd = self.open_confined(&root, path, OFlags::PATH).ok()?;
        stat(fd, c"", AtFlags::EMPTY_PATH).ok().map(|status| Stamp::of(&status))
    }

    /// Calls `visit` with every entry of the directory at `path`, in no order, until it breaks: what a request would find there.
    /// Nothing is told of what lies behind a link that is not followed.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be read.
    pub fn read_directory(
        &self,
        path: &ResourcePath<'_>,
        directory: &OpenDirectory,
        mut visit: impl FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        for entry in Dir::read_from(&directory.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !matches!(name, "." | "..")
                && let Some(entry) = self.directory_entry(path, directory, name)
                && visit(entry).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn directory_entry<'a>(
        &self,
        path: &ResourcePath<'_>,
        directory: &OpenDirectory,
        name: &'a str,
    ) -> Option<DirectoryEntry<'a>> {
        let mut status = stat(&directory.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if file_type(&status) == FileType::Symlink {
            let root = self.directory().ok()?;
            let target =
                self.open_confined(&root, &path.child(name, Dotfiles::Served)?, OFlags::PATH).ok()?;
            status = stat(target, c"", AtFlags::EMPTY_PATH).ok()?;
        }
        let is_directory = match file_type(&status) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ => return None,
        };
        let stamp = Stamp::of(&status);
        let size = if is_directory { 0 } else { stamp.size };
        Some(DirectoryEntry { name, is_directory, size, modified: stamp.modified })
    }

    /// The first names in a directory, at most `limit`.
    pub(super) fn first_names(
        &self,
        directory: &OpenDirectory,
        limit: usize,
    ) -> Result<Vec<String>, OpenError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory.fd)?.take(limit.saturating_add(2)) {
            match entry?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    /// An unnamed file in a directory, for probing its filesystem.
    pub(super) fn open_unnamed(&self, directory: &ResourcePath<'_>) -> Result<OwnedFd, OpenError> {
        let root = self.directory()?;
        self.open_confined(&root, directory, OFlags::TMPFILE | OFlags::RDWR)
    }

    pub(super) fn open_confined(
        &self,
        root: &RootDirectory,
        path: &ResourcePath<'_>,
        flags: OFlags,
    ) -> Result<OwnedFd, OpenError> {
        Ok(self.try_open_confined(root, at(path), flags)?)
    }
}

impl OpenFile {
    /// Writes its bytes to the disk.
    ///
    /// # Errors
    /// [`WriteError`]; a second call may succeed without having stored anything.
    pub fn sync(&self) -> Result<(), WriteError> {
        Ok(fsync(&self.fd)?)
    }

    pub(super) fn new(fd: OwnedFd) -> Result<Self, OpenError> {
        let status = stat(&fd, c"", AtFlags::EMPTY_PATH)?;
        if file_type(&status) != FileType::RegularFile {
            return Err(OpenError::Missing);
        }
        Ok(Self { stamp: Stamp::of(&status), fd })
    }

    /// The stamp at the time of opening.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The stamp now.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the filesystem fails.
    pub fn stamp_now(&self) -> Result<Stamp, OpenError> {
        Ok(Stamp::of(&stat(&self.fd, c"", AtFlags::EMPTY_PATH)?))
    }

    /// Takes the stamp anew, for what is read from now on.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the filesystem fails.
    pub fn restamp(&mut self) -> Result<Stamp, OpenError> {
        self.stamp = self.stamp_now()?;
        Ok(self.stamp)
    }

    /// How the open file stands to `expected`, the stamp its bytes were vouched for under. A ctime
    /// that moved alone is harmless where the file lost its name, or its name to another file.
    pub fn standing(&self, expected: &Stamp, location: &Location) -> Standing {
        let Ok(status) = stat(&self.fd, c"", AtFlags::EMPTY_PATH) else { return Standing::Changed };
        let now = Stamp::of(&status);
        if now == *expected {
            return Standing::Same;
        }
        let displaced = || {
            let named = stat(rustix::fs::CWD, location.as_c_str(), AtFlags::empty());
            status.stx_nlink == 0 || named.map_or(true, |named| identity(&named) != identity(&status))
        };
        if now.same_content_times(expected) && displaced() {
            Standing::Displaced(now)
        } else {
            Standing::Changed
        }
    }

    /// Reads at `offset`; may read less than asked for.
    ///
    /// # Errors
    /// Any error of `pread`.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buffer, offset))
    }

    /// Reads at `offset` only what is in memory already.
    ///
    /// # Errors
    /// [`Errno::AGAIN`] when the disk would have to be waited for, [`Errno::OPNOTSUPP`] where the
    /// filesystem cannot tell.
    pub fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        let mut buffers = [std::io::IoSliceMut::new(buffer)];
        rustix::io::preadv2(&self.fd, &mut buffers, offset, ReadWriteFlags::NOWAIT)
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `openat2`; a rename elsewhere in the tree can make the kernel give up with EAGAIN, so it is
/// asked a few times.
pub(super) fn open_beneath(
    root: &OwnedFd,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let mode = if flags.contains(OFlags::TMPFILE) { Mode::RUSR | Mode::WUSR } else { Mode::empty() };
    let mut tries = 4;
    loop {
        match openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) if tries > 1 => tries -= 1,
            other => return other,
        }
    }
}

pub(super) fn descriptor_path(fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let target = readlinkat(rustix::fs::CWD, link.as_str(), Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
}

/// The path as `openat2` wants it: the root itself is `.`.
pub(super) fn at<'a>(path: &'a ResourcePath<'_>) -> &'a [u8] {
    if path.as_str().is_empty() { b"." } else { path.as_str().as_bytes() }
}

#[cfg(test)]
mod tests;
