//! Read leases: the one question "does anybody have this file open for writing, or mapped
//! writable?" that the kernel answers exactly. Holds the program's only `unsafe` block, because no
//! safe wrapper of `F_SETLEASE` exists.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::io::Errno;

use super::OpenFile;

/// The answer to a lease probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseProbe {
    /// A lease was granted and given back: nobody was writing at that instant.
    Granted,
    /// Somebody has the file open for writing, or mapped writable.
    Busy,
    /// No lease can be had here: another owner's file without CAP_LEASE, NFS, or leases
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
    match take(file.as_fd()) {
        LeaseProbe::Granted => match fcntl(file.as_fd(), libc::F_SETLEASE, libc::F_UNLCK) {
            Ok(_) => LeaseProbe::Granted,
            Err(_) => LeaseProbe::Unavailable,
        },
        refused => refused,
    }
}

/// A file under a read lease. Whoever opens it for writing is held up by the kernel until the lease
/// ends with this value (for at most `/proc/sys/fs/lease-break-time`, 45 seconds), and shows.
#[derive(Debug)]
pub struct LeasedFile(OpenFile);

impl LeasedFile {
    /// Takes a lease on `file`, or gives it back with the reason why there is none.
    ///
    /// # Errors
    /// The file, with [`LeaseProbe::Busy`] or [`LeaseProbe::Unavailable`].
    pub fn take(file: OpenFile) -> Result<Self, (OpenFile, LeaseProbe)> {
        handle_lease_breaks();
        match take(file.as_fd()) {
            LeaseProbe::Granted => Ok(Self(file)),
            refused => Err((file, refused)),
        }
    }

    /// Whether nobody has opened the file for writing since the lease was taken: neither is anybody
    /// waiting for its end, nor has anybody got past it.
    ///
    /// `open(2)` counts a writer before it looks for leases, so a lease asked for once more sees a writer whom
    /// the lease itself does not see yet. Who may not ask (the file has been given to another owner meanwhile,
    /// and CAP_LEASE is missing) still has the lease, and it is still looked at. It is also looked at first: one
    /// that the kernel took away when its time was over would be granted anew once the writer is done.
    pub fn is_unbroken(&self) -> bool {
        self.is_undisturbed() && take(self.0.as_fd()) != LeaseProbe::Busy && self.is_undisturbed()
    }

    /// Whether nobody is waiting for the end of the lease; less than [`is_unbroken`](Self::is_unbroken)
    /// and cheaper.
    pub fn is_undisturbed(&self) -> bool {
        fcntl(self.0.as_fd(), libc::F_GETLEASE, 0) == Ok(libc::F_RDLCK)
    }

    /// The file.
    pub fn file(&self) -> &OpenFile {
        &self.0
    }

    /// Ends the lease and lets writers in.
    pub fn release(self) -> OpenFile {
        if let Err(errno) = fcntl(self.0.as_fd(), libc::F_SETLEASE, libc::F_UNLCK) {
            log::warn!("a lease could not be given back: {errno}");
        }
        self.0
    }
}

fn take(file: BorrowedFd<'_>) -> LeaseProbe {
    match fcntl(file, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(_) => LeaseProbe::Granted,
        Err(Errno::AGAIN) => LeaseProbe::Busy,
        Err(_) => LeaseProbe::Unavailable,
    }
}

/// A number that grows when a lease of this process is disturbed; the kernel says so by SIGIO, to the thread that took
/// the lease or, if that is busy with another one, to any other. If that thread has ended nobody is told.
pub fn disturbances() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    match handle_lease_breaks().swap(false, Ordering::AcqRel) {
        true => COUNT.fetch_add(1, Ordering::AcqRel) + 1,
        false => COUNT.load(Ordering::Acquire),
    }
}

/// A lease holder without a handler for SIGIO is killed by the first writer: install one, once.
pub(super) fn handle_lease_breaks() -> &'static AtomicBool {
    static DISTURBED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    DISTURBED.get_or_init(|| {
        let disturbed = Arc::new(AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(libc::SIGIO, Arc::clone(&disturbed)) {
            log::error!("no handler for SIGIO could be installed: {error}");
        }
        disturbed
    })
}

#[expect(unsafe_code, reason = "F_SETLEASE and F_GETLEASE have no safe wrapper")]
fn fcntl(file: BorrowedFd<'_>, command: libc::c_int, kind: libc::c_int) -> Result<libc::c_int, Errno> {
    // SAFETY: the descriptor is open for the length of the call; F_SETLEASE reads an int, F_GETLEASE nothing.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, kind) };
    if answer >= 0 {
        Ok(answer)
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests;
