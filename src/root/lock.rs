//! One writer at a time in a directory: among the threads of this process, and among the server
//! processes of this machine. Without the second, two servers that undo over each other could bring
//! back a version that both rejected.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Place, Root, WriteError};

/// How long another thread, and then another server process, may keep a directory.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(200);

/// The locks within this process: a directory always has the same one, and a few share it.
#[derive(Debug)]
pub(super) struct DirectoryLocks([Mutex<()>; STRIPES]);

const STRIPES: usize = 64;

/// A directory in which nobody else writes through a server like this one.
pub struct DirectoryLock<'a> {
    directory: BorrowedFd<'a>,
    _within_process: MutexGuard<'a, ()>,
}

impl Default for DirectoryLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Root {
    /// Locks the directory of `place`. Blocks.
    ///
    /// The lock between processes is `flock` on the directory itself: nothing is left behind, it ends
    /// with the process, and servers whose roots overlap share it. Where a filesystem has no such
    /// locks there is only the one within the process.
    ///
    /// # Errors
    /// [`WriteError::Busy`] when somebody else keeps the directory locked.
    pub fn lock<'a>(&'a self, place: &'a Place) -> Result<DirectoryLock<'a>, WriteError> {
        let stripe =
            BuildHasherDefault::<DefaultHasher>::default().hash_one(place.identity()?) as usize % STRIPES;
        let within_process = self.locks.0[stripe].try_lock_for(PATIENCE).ok_or(WriteError::Busy)?;
        let directory = place.directory.as_fd();
        let deadline = Instant::now() + PATIENCE;
        while let Err(Errno::WOULDBLOCK | Errno::INTR) =
            flock(directory, FlockOperation::NonBlockingLockExclusive)
        {
            if Instant::now() >= deadline {
                return Err(WriteError::Busy);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(DirectoryLock { directory, _within_process: within_process })
    }
}

impl Drop for DirectoryLock<'_> {
    fn drop(&mut self) {
        // Where locking failed there is nothing to unlock.
        let _ = flock(self.directory, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests;
