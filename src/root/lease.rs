//! Read leases: the one question "does anybody have this file open for writing, or mapped
//! writable?" that the kernel answers exactly. Holds the program's only `unsafe` block, because no
//! safe wrapper of `F_SETLEASE` exists.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use rustix::io::Errno;

/// The answer to a lease probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseProbe {
    /// A lease was granted and given back: nobody was writing at that instant.
    Granted,
    /// Somebody has the file open for writing, or mapped writable.
    Busy,
    /// No lease can be had here: another owner's file without CAP_LEASE, NFS, FUSE, or leases
    /// switched off. Nothing is known.
    Unavailable,
}

/// Takes a read lease on a file opened for reading and gives it straight back (about 1.2 us).
///
/// The order that makes a read consistent is stat, probe, read, stat: a writer that stamped before
/// the first stat and has not finished makes the probe busy; one that stamps later shows in the
/// second stat.
pub fn probe(file: impl AsFd) -> LeaseProbe {
    handle_lease_breaks();
    match set_lease(file.as_fd(), libc::F_RDLCK) {
        Ok(()) => match set_lease(file.as_fd(), libc::F_UNLCK) {
            Ok(()) => LeaseProbe::Granted,
            Err(_) => LeaseProbe::Unavailable,
        },
        Err(Errno::AGAIN) => LeaseProbe::Busy,
        Err(_) => LeaseProbe::Unavailable,
    }
}

/// A lease holder without a handler for SIGIO is killed by the first writer: install one, once.
pub(super) fn handle_lease_breaks() {
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        let broken = Arc::new(AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(libc::SIGIO, broken) {
            log::error!("no handler for SIGIO could be installed: {error}");
        }
    });
}

#[expect(unsafe_code, reason = "F_SETLEASE has no safe wrapper")]
fn set_lease(file: BorrowedFd<'_>, kind: libc::c_int) -> Result<(), Errno> {
    // SAFETY: the descriptor is open for the length of the call, and F_SETLEASE reads an int.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
    if answer == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests;
