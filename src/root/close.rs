//! Closing a file and looking at the result. Network and FUSE filesystems report a failed write there, and nowhere else.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

/// Closes a file that was written to.
///
/// # Errors
/// What `close` returns: bytes that were written before may be lost. The descriptor is closed in any case.
pub(super) fn close(file: OwnedFd) -> Result<(), Errno> {
    nix::unistd::close(file).map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// Does what closing a file does for its bytes, and keeps it open.
///
/// # Errors
/// As [`close`].
pub(super) fn flush(file: impl AsFd) -> Result<(), Errno> {
    // Filesystems flush at every close, and not only at the last one.
    close(rustix::io::fcntl_dupfd_cloexec(file, 0)?)
}
