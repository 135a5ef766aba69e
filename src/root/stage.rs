//! Staging: a new version of a file before anybody can see it. It has no name until it is complete;
//! where a filesystem has no unnamed files, a reserved one.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    Advice, AtFlags, CWD, FlockOperation, Mode, OFlags, fadvise, flock, fstat, fsync, linkat, openat,
    renameat, unlinkat,
};
use rustix::io::Errno;

use super::close::close;
use super::filesystem::{StoreErrors, store_errors};
use super::lease::{LeaseProbe, LeasedFile};
use super::metadata::{have_one_owner, take_over};
use super::naming::{StagedName, rename_to_new};
use super::place::{Place, WriteError};
use super::protection::Protection;
use super::reserved::{Kind, LONGEST_NAME, Reserved};
use super::{OpenFile, Root, Stamp};
use crate::resource_path::ResourcePath;

/// How often staging begins again because its folder has been removed.
const ATTEMPTS: usize = 64;

/// A version that is being received.
#[derive(Debug)]
pub struct StagedFile {
    fd: OwnedFd,
    name: Option<StagedName>,
}

/// A version that is complete, and to which nobody writes any more.
#[derive(Debug)]
pub struct StagedVersion {
    file: Held,
    /// As it was completed; only ctime moves on from here.
    stamp: Stamp,
    pub(super) name: Option<StagedName>,
}

/// A file whose changes are noticed: by a lease where there is one, else by its stamp.
#[derive(Debug)]
pub enum Held {
    /// Under a read lease.
    Leased(LeasedFile),
    /// Without; only its stamp can tell.
    Unleased(OpenFile),
}

/// Whether a version could be created at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It has the name now.
    Done,
    /// Something has that name already.
    Exists,
}

impl Held {
    /// Holds `file`; `None` while somebody writes to it.
    pub fn hold(file: OpenFile) -> Option<Self> {
        match LeasedFile::take(file) {
            Ok(leased) => Some(Self::Leased(leased)),
            Err((file, LeaseProbe::Unavailable)) => Some(Self::Unleased(file)),
            Err(_) => None,
        }
    }

    /// The file.
    pub fn file(&self) -> &OpenFile {
        match self {
            Self::Leased(leased) => leased.file(),
            Self::Unleased(file) => file,
        }
    }

    /// Whether nobody waits until it is no longer held; without a lease nobody has to.
    pub fn is_undisturbed(&self) -> bool {
        match self {
            Self::Leased(leased) => leased.is_undisturbed(),
            Self::Unleased(_) => true,
        }
    }

    /// Whether nobody has written to it since it had `stamp`, as far as can be told.
    pub(super) fn is_untouched(&self, stamp: &Stamp) -> bool {
        let unbroken = match self {
            Self::Leased(leased) => leased.is_unbroken(),
            Self::Unleased(_) => true,
        };
        unbroken && self.file().stamp_now().is_ok_and(|now| now.same_content_times(stamp))
    }
}

impl Root {
    /// An empty file without a name, on the filesystem of `path`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn stage(&self, path: &ResourcePath<'_>) -> Result<StagedFile, WriteError> {
        for _ in 0..ATTEMPTS {
            match StagedFile::in_directory(self.staging_directory(path)?) {
                // The folder was removed in this moment; there is another above it.
                Err(WriteError::Missing) => {}
                other => return other,
            }
        }
        Err(WriteError::Busy)
    }
}

impl StagedFile {
    /// An empty file without a name, in the directory of `place`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn at(place: &Place) -> Result<Self, WriteError> {
        Self::in_directory(place.directory.try_clone().map_err(|_| WriteError::Overloaded)?)
    }

    fn in_directory(directory: OwnedFd) -> Result<Self, WriteError> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match openat(&directory, c".", flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => Ok(Self { fd, name: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Self::with_a_name(directory),
            // What ext4 says of a folder that has been removed.
            Err(Errno::PERM) if fstat(&directory).is_ok_and(|status| status.st_nlink == 0) => {
                Err(WriteError::Missing)
            }
            Err(Errno::PERM) if Protection::of(&directory) == Ok(Protection::Immutable) => {
                Err(WriteError::Immutable)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Where files cannot be without a name.
    fn with_a_name(directory: OwnedFd) -> Result<Self, WriteError> {
        Protection::of(&directory)?.check_names_can_go()?;
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        // Only writing: `rclone mount` does not take both without a cache.
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = Reserved::temporary(std::process::id(), count).encode(LONGEST_NAME);
            match openat(&directory, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(fd) => {
                    mark_in_use(&fd);
                    return Ok(Self { fd, name: Some(StagedName { directory, name }) });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// [`WriteError::Full`] and others; the file is of no use then.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        self.write_rest(&mut bytes)
    }

    /// Appends all of `bytes`, and takes away from them what has been written.
    ///
    /// # Errors
    /// [`WriteError::Full`]: the rest of `bytes` can be written once there is room. After any other error the file is of no
    /// use.
    pub fn write_rest(&mut self, bytes: &mut &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.fd, bytes) {
                Ok(0) => return Err(WriteError::Full),
                Ok(written) => *bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Takes over mode and attributes of what is at `place`, if the owner is the same; returns the stamp that it had.
    ///
    /// Another owner is taken over by [`StagedVersion::take_over`]: a process without `CAP_LEASE` gets no lease on a
    /// file that it has given away.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn take_over(&self, place: &Place) -> Result<Option<Stamp>, WriteError> {
        match open_for_metadata(place)? {
            Some(old) if have_one_owner(&old, &self.fd)? => Ok(Some(take_over(&old, &self.fd)?)),
            _ => Ok(None),
        }
    }

    /// Writes it to the disk, through the descriptor that wrote the bytes: some filesystems report a failed write to
    /// no other one.
    ///
    /// # Errors
    /// [`WriteError`]; the file is of no use then.
    pub fn sync(&self) -> Result<(), WriteError> {
        Ok(fsync(&self.fd)?)
    }

    /// Ends writing: from now on the file is open for reading only, under a lease where one can be had,
    /// so that a writer who gets hold of it shows.
    ///
    /// # Errors
    /// [`WriteError`], also if closing the file reports that bytes are lost.
    pub fn complete(self) -> Result<StagedVersion, WriteError> {
        let Self { fd, name } = self;
        let opened = match &name {
            None => {
                let opened = openat(CWD, descriptor(&fd), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
                close(fd)?;
                opened
            }
            // `rclone mount` has no file to open before it is closed.
            Some(name) => {
                let (status, errors) = (fstat(&fd)?, store_errors(&fd));
                close(fd)?;
                let opened = name.open()?;
                let now = fstat(&opened)?;
                // Where its bytes are not read back, it has to be the same file.
                if errors == StoreErrors::Reported
                    && (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino)
                {
                    return Err(WriteError::Busy);
                }
                opened
            }
        };
        mark_in_use(&opened);
        let file = match LeasedFile::take(OpenFile::new(opened)?) {
            Ok(leased) => Held::Leased(leased),
            Err((file, _)) => Held::Unleased(file),
        };
        let stamp = file.file().stamp();
        Ok(StagedVersion { file, stamp, name })
    }
}

impl StagedVersion {
    /// Takes over mode, owner and attributes of what is at `place`; returns the stamp that it had, or
    /// `None` if nothing is there.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn take_over(&self, place: &Place) -> Result<Option<Stamp>, WriteError> {
        match open_for_metadata(place)? {
            Some(old) => Ok(Some(take_over(&old, self.file.file())?)),
            None => Ok(None),
        }
    }

    /// Takes over mode, owner and attributes of a file that has lost its name.
    pub(super) fn take_over_file(&self, old: &OpenFile) -> Result<(), WriteError> {
        take_over(old, self.file.file())?;
        Ok(())
    }

    /// Whether `fsync` and `close` say all there is to know about its bytes.
    pub fn store_errors(&self) -> StoreErrors {
        store_errors(self.file.file())
    }

    /// The file, without what the kernel has kept of it in memory: what is read then is what the filesystem has.
    pub fn uncached(&self) -> &OpenFile {
        let file = self.file.file();
        if let Err(errno) = fadvise(file, 0, None, Advice::DontNeed) {
            log::debug!("an upload is read back from memory: {errno}");
        }
        file
    }

    /// Writes mode, owner and attributes to the disk; the bytes were written by [`StagedFile::sync`].
    ///
    /// # Errors
    /// [`WriteError`]: it must not be published then.
    pub fn sync(&self) -> Result<(), WriteError> {
        Ok(fsync(self.file.file())?)
    }

    /// Gives it the name of `place` if nothing has it: one call, exact against everybody.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn create(&mut self, place: &Place) -> Result<Creation, WriteError> {
        let outcome = match &self.name {
            None => self.link(&place.directory, &place.name),
            Some(staged) => rename_to_new(&staged.directory, &staged.name, &place.directory, &place.name),
        };
        match outcome {
            Ok(()) => {
                self.name.take().into_iter().for_each(StagedName::forget);
                Ok(Creation::Done)
            }
            // Network filesystems may do what they say they could not.
            Err(_) if self.is_at(place, &place.name) => {
                self.name = None;
                Ok(Creation::Done)
            }
            Err(Errno::EXIST) => Ok(Creation::Exists),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The file.
    pub fn held(&self) -> &Held {
        &self.file
    }

    /// The stamp it was completed under.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Whether nobody has written to it.
    pub(super) fn is_untouched(&self) -> bool {
        self.file.is_untouched(&self.stamp)
    }

    /// Its stamp now, if a lease vouches that nobody has written to it.
    pub fn vouched_stamp(&self) -> Option<Stamp> {
        let Held::Leased(leased) = &self.file else { return None };
        let now = leased.file().stamp_now().ok().filter(|now| now.same_content_times(&self.stamp));
        now.filter(|_| leased.is_unbroken())
    }

    /// Gives it the reserved name for replacing `place`.
    pub(super) fn reserve(&mut self, place: &Place, expected: Option<&str>) -> Result<(), WriteError> {
        let reserved = Reserved::new(Kind::Replace, &self.stamp, expected, &place.name);
        let name = place.with_reserved_name(&reserved, |name| match &self.name {
            Some(staged) => renameat(&staged.directory, &staged.name, &place.directory, name),
            None => match self.link(&place.directory, name) {
                Err(Errno::EXIST) => {
                    // What a crash left: no other inode with this number can be complete.
                    unlinkat(&place.directory, name, AtFlags::empty())?;
                    self.link(&place.directory, name)
                }
                other => other,
            },
        })?;
        self.name.take().into_iter().for_each(StagedName::forget);
        let directory = place.directory.try_clone().map_err(|_| WriteError::Overloaded)?;
        self.name = Some(StagedName { directory, name });
        Ok(())
    }

    pub(super) fn link(&self, directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        linkat(CWD, descriptor(self.file.file()), directory, name, AtFlags::SYMLINK_FOLLOW)
    }
}

/// Opens what is at `place` to look at its mode, owner and attributes; `None` if nothing is there.
fn open_for_metadata(place: &Place) -> Result<Option<OwnedFd>, WriteError> {
    let open = |flags: OFlags| {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(&place.directory, &place.name, flags, Mode::empty())
    };
    let opened = match open(OFlags::RDONLY) {
        Err(Errno::ACCESS) => open(OFlags::PATH),
        other => other,
    };
    match opened {
        Err(Errno::NOENT) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Tells a server that starts meanwhile that a version belongs to one that lives. Where there are no such locks nothing
/// can tell.
fn mark_in_use(file: impl AsFd) {
    let _ = flock(file, FlockOperation::NonBlockingLockShared);
}

/// The path of an open file, by which it can be opened and linked.
pub(super) fn descriptor(file: impl AsFd) -> CString {
    CString::new(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
