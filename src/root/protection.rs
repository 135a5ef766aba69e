//! What `chattr +a` and `chattr +i` forbid, even to root. A name that cannot be removed again must not be made: reserved names
//! and folders would pile up.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{Access, AtFlags, StatxAttributes};
use rustix::io::Errno;

use super::place::WriteError;
use super::stamp::stat;
use super::{Occupant, Place};

/// What may be done with a folder and the names in it, or with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Whatever its owner and mode allow.
    None,
    /// `chattr +a`: names can be added to a folder and never taken away; a file keeps its name.
    AppendOnly,
    /// `chattr +i`: nothing changes.
    Immutable,
}

impl Protection {
    /// That of an open directory.
    pub(super) fn of(directory: impl AsFd) -> Result<Self, WriteError> {
        Self::at(directory, c"", AtFlags::EMPTY_PATH)
    }

    fn at(directory: impl AsFd, name: &CStr, flags: AtFlags) -> Result<Self, WriteError> {
        let attributes = match stat(directory, name, flags) {
            Ok(status) => status.stx_attributes,
            Err(Errno::NOENT) => StatxAttributes::empty(),
            Err(errno) => return Err(errno.into()),
        };
        Ok(if attributes.contains(StatxAttributes::IMMUTABLE) {
            Self::Immutable
        } else if attributes.contains(StatxAttributes::APPEND) {
            Self::AppendOnly
        } else {
            Self::None
        })
    }

    /// # Errors
    /// [`WriteError::AppendOnly`] or [`WriteError::Immutable`] if a name in this folder could not be removed again.
    pub(super) fn check_names_can_go(self) -> Result<(), WriteError> {
        match self {
            Self::None => Ok(()),
            Self::AppendOnly => Err(WriteError::AppendOnly),
            Self::Immutable => Err(WriteError::Immutable),
        }
    }
}

impl Place {
    /// Reports whether the server's user may change names here, and whether `occupant` may be displaced. Called before a
    /// body is received.
    ///
    /// # Errors
    /// [`WriteError::Forbidden`], [`WriteError::ReadOnly`], [`WriteError::AppendOnly`] or [`WriteError::Immutable`].
    pub fn check_writable(&self, occupant: &Occupant) -> Result<(), WriteError> {
        match occupant {
            Occupant::Nothing => self.check_names_can_come()?,
            Occupant::File => self.check_displaceable()?,
        }
        let access = Access::WRITE_OK | Access::EXEC_OK;
        Ok(rustix::fs::accessat(&self.directory, c".", access, AtFlags::EACCESS)?)
    }

    /// Whether the folder takes new names.
    ///
    /// # Errors
    /// [`WriteError::Immutable`].
    fn check_names_can_come(&self) -> Result<(), WriteError> {
        match Protection::of(&self.directory)? {
            Protection::Immutable => Err(WriteError::Immutable),
            Protection::None | Protection::AppendOnly => Ok(()),
        }
    }

    /// Whether what stands there can lose its name, and a reserved name beside it can go again.
    ///
    /// # Errors
    /// [`WriteError::AppendOnly`] or [`WriteError::Immutable`].
    pub(super) fn check_displaceable(&self) -> Result<(), WriteError> {
        Protection::of(&self.directory)?.check_names_can_go()?;
        match Protection::at(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)? {
            Protection::None => Ok(()),
            Protection::AppendOnly | Protection::Immutable => Err(WriteError::Immutable),
        }
    }
}
