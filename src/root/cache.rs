//! Files that may be lost, outside the served folder: read with distrust, replaced as a whole.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, Statx, flock, fsync, ftruncate, openat, renameat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::Root;
use super::close::flush;
use super::stamp::{file_type, identity, stat};

/// A folder for files that may be lost.
#[derive(Debug)]
pub struct CacheFolder {
    folder: File,
    path: PathBuf,
}

/// Why a folder cannot be used for such files.
#[derive(Debug)]
pub enum CacheError {
    /// It lies in the served folder: what is kept in it could be asked for, and every save would be a change.
    Served,
    /// Anything else.
    Io(io::Error),
}

/// What became of a file that was to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It has the new bytes.
    Done,
    /// Another process is replacing it now.
    Busy,
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served => f.write_str("it lies in the served folder"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl CacheFolder {
    /// Opens the folder, and makes it for the own user only where it is missing.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn open(path: &Path, root: &Root) -> Result<Self, CacheError> {
        let served = root.real_path().map_err(CacheError::Io)?;
        let path = std::path::absolute(path).map_err(CacheError::Io)?;
        // Before anything is made in the served folder: what is there of the path.
        let existing = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
        if existing.is_some_and(|existing| existing.starts_with(&served)) {
            return Err(CacheError::Served);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(CacheError::Io)?;
        let path = path.canonicalize().map_err(CacheError::Io)?;
        if path.starts_with(&served) {
            return Err(CacheError::Served);
        }
        let folder = File::open(&path).map_err(CacheError::Io)?;
        Ok(Self { folder, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file for reading and tells its size. One that others than this user and root own, or may write to, is
    /// refused.
    ///
    /// # Errors
    /// Any error of `open`; [`io::ErrorKind::PermissionDenied`] for a file of others.
    pub fn read(&self, name: &str) -> io::Result<(File, u64)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, name, flags, Mode::empty())?);
        let status = stat(&file, c"", AtFlags::EMPTY_PATH)?;
        let ours = status.stx_uid == geteuid().as_raw() || status.stx_uid == 0;
        let by_others = Mode::from_raw_mode(status.stx_mode.into()).intersects(Mode::WGRP | Mode::WOTH);
        match ours && !by_others && file_type(&status) == FileType::RegularFile {
            true => Ok((file, status.stx_size)),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// Replaces a file as a whole: whoever opens it finds the old bytes or the new ones, also after a power failure. Only
    /// the own user may read it.
    ///
    /// The new bytes are written to a name of their own, always the same, so that a process that dies leaves at most one
    /// such file behind, and under a lock, so that two processes do not write into each other's.
    ///
    /// # Errors
    /// What `write` returns, and any error of the filesystem.
    pub fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Replaced> {
        let staged = format!("{name}.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, &staged, flags, Mode::RUSR | Mode::WUSR)?);
        let Some(status) = self.lock(&file, &staged)? else { return Ok(Replaced::Busy) };
        if status.stx_uid != geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        ftruncate(&file, 0)?;
        let mut buffered = io::BufWriter::with_capacity(1 << 18, &file);
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        fsync(&file)?;
        // It stays open, for the lock.
        flush(&file)?;
        renameat(&self.folder, &staged, &self.folder, name)?;
        Ok(Replaced::Done)
    }

    /// Locks a file that was opened by this name; `None` if another process has it, or if it has this name no longer: who
    /// had the lock until now may have given it the name of the complete file.
    fn lock(&self, file: &File, name: &str) -> io::Result<Option<Statx>> {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            other => other?,
        }
        let locked = stat(file, c"", AtFlags::EMPTY_PATH)?;
        let named = stat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        Ok(named.filter(|named| identity(named) == identity(&locked)))
    }
}

#[cfg(test)]
mod tests;
