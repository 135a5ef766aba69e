//! One writer at a time in a directory: among the threads of this process, and among the server
//! processes of this machine. Without the second, two servers that undo over each other could bring
//! back a version that both rejected.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::machine::flock_holder;
use super::{Place, Root, WriteError};

/// How long other threads may keep a directory. None of them reads a large file meanwhile.
const PATIENCE_WITHIN: Duration = Duration::from_secs(10);

/// How long another process may keep it.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(200);

/// The locks within this process: one for each directory that somebody wants, in the order of coming.
#[derive(Debug, Default)]
pub(super) struct DirectoryLocks {
    queues: Mutex<Queues>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Queues {
    /// By device and inode; the first one in a queue has the directory.
    of: HashMap<(u64, u64), VecDeque<u64>>,
    tickets: u64,
}

/// A place in the queue for a directory, until it is dropped.
struct Turn<'a> {
    locks: &'a DirectoryLocks,
    directory: (u64, u64),
    ticket: u64,
}

/// A directory in which nobody else writes through a server like this one.
pub struct DirectoryLock<'a> {
    directory: BorrowedFd<'a>,
    _within_process: Turn<'a>,
}

impl DirectoryLocks {
    /// Waits for a turn in `directory`; `None` if it does not come.
    fn wait(&self, directory: (u64, u64)) -> Option<Turn<'_>> {
        let deadline = Instant::now() + PATIENCE_WITHIN;
        let mut queues = self.queues.lock();
        queues.tickets += 1;
        let ticket = queues.tickets;
        queues.of.entry(directory).or_default().push_back(ticket);
        let turn = Turn { locks: self, directory, ticket };
        while queues.of.get(&directory).and_then(VecDeque::front) != Some(&ticket) {
            if self.moved.wait_until(&mut queues, deadline).timed_out() {
                drop(queues);
                return None;
            }
        }
        drop(queues);
        Some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queues = self.locks.queues.lock();
        if let Some(queue) = queues.of.get_mut(&self.directory) {
            queue.retain(|ticket| *ticket != self.ticket);
            if queue.is_empty() {
                queues.of.remove(&self.directory);
            } else {
                self.locks.moved.notify_all();
            }
        }
    }
}

impl Root {
    /// Locks the directory of `place`. Blocks.
    ///
    /// The lock between processes is `flock` on the directory itself: nothing is left behind, it ends
    /// with the process, and servers whose roots overlap share it. Any program that can open the directory for reading
    /// can hold it, too. Where a filesystem has no such locks there is only the one within the process.
    ///
    /// # Errors
    /// [`WriteError::Overloaded`] when other threads take too long, [`WriteError::Locked`] when another process keeps the
    /// directory locked.
    pub fn lock<'a>(&'a self, place: &'a Place) -> Result<DirectoryLock<'a>, WriteError> {
        let identity = place.identity()?;
        let within_process = self.locks.wait(identity).ok_or(WriteError::Overloaded)?;
        let directory = place.directory.as_fd();
        let deadline = Instant::now() + PATIENCE;
        while let Err(Errno::WOULDBLOCK | Errno::INTR) =
            flock(directory, FlockOperation::NonBlockingLockExclusive)
        {
            if Instant::now() >= deadline {
                let holder = flock_holder(identity)
                    .map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
                log::warn!("a write to a folder was refused because {holder} holds a lock (flock) on it");
                return Err(WriteError::Locked);
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
