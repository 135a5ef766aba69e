//! The memory that listings may use. Names and documents of large folders count from the moment they are made until the last
//! client has taken the last of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::NotListed;

/// How much all listings together may hold, in bytes.
pub(super) const BUDGET: usize = 128 << 20;

/// This much of each list is not counted: no more than any small answer costs. So small folders are listed even while the
/// budget is used up.
const FREE: usize = 16 * 1024;

/// The memory of all listings.
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// What one list uses of the budget, given back when it is dropped.
pub(super) struct Share {
    budget: Arc<Budget>,
    counted: usize,
}

/// A list that grows within the budget.
pub(super) struct Counted<T> {
    items: Vec<T>,
    share: Share,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// The number of bytes in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Counts `bytes` from now on, instead of what was counted before.
    fn set(&mut self, bytes: usize) -> Result<(), NotListed> {
        let wanted = bytes.saturating_sub(FREE);
        // Nobody waits for memory that a single list cannot have in any case.
        if wanted > self.budget.limit / 2 {
            return Err(NotListed::TooLarge);
        }
        let more = wanted.saturating_sub(self.counted);
        // Taken first, and given back if it is too much: two that grow at once cannot both pass the limit.
        let before = self.budget.used.fetch_add(more, Ordering::Relaxed);
        if more > 0 && before + more > self.budget.limit {
            self.budget.used.fetch_sub(more, Ordering::Relaxed);
            return Err(NotListed::OutOfBudget);
        }
        self.budget.used.fetch_sub(self.counted.saturating_sub(wanted), Ordering::Relaxed);
        self.counted = wanted;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

impl<T> Counted<T> {
    /// An empty list.
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { items: Vec::new(), share: Share { budget: Arc::clone(budget), counted: 0 } }
    }

    /// Makes room for `more` items.
    ///
    /// # Errors
    /// [`NotListed::OutOfBudget`] and [`NotListed::TooLarge`].
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), NotListed> {
        let length = self.items.len();
        if self.items.capacity() - length >= more {
            return Ok(());
        }
        let wanted = (length + more).max(length + length / 2).max(FREE / 4 / size_of::<T>());
        self.share.set(wanted.saturating_mul(size_of::<T>()))?;
        self.items.reserve_exact(wanted - length);
        Ok(())
    }

    /// Gives back what is not used.
    pub(super) fn shrink(&mut self) {
        self.items.shrink_to_fit();
        // Less than before is always granted.
        let _ = self.share.set(self.items.capacity().saturating_mul(size_of::<T>()));
    }

    /// The items.
    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    /// The items, to be put in order.
    pub(super) fn items_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<T: Clone> Counted<T> {
    /// Adds items.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub(super) fn extend(&mut self, items: &[T]) -> Result<(), NotListed> {
        self.reserve(items.len())?;
        self.items.extend_from_slice(items);
        Ok(())
    }
}

/// Text is written into it; the errors are those of [`Counted::reserve`].
impl io::Write for Counted<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<NotListed> for io::Error {
    fn from(reason: NotListed) -> Self {
        match reason {
            NotListed::TooLarge => io::ErrorKind::FileTooLarge.into(),
            NotListed::OutOfBudget | NotListed::Open(_) => io::ErrorKind::OutOfMemory.into(),
        }
    }
}

/// What an error of writing into memory says, which can be no other one.
impl From<io::Error> for NotListed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            _ => Self::OutOfBudget,
        }
    }
}
