//! The memory of bodies that are being sent.

use std::cell::{Cell, RefCell};

/// How much is read at once: large enough to spread the cost of a check, small enough to stay in
/// the processor's cache.
pub(super) const CHUNK: usize = 256 * 1024;

/// How much all bodies of a thread that are being sent may have in memory; from 64 of them on each has less than [`CHUNK`], so that
/// clients who ask for a lot and take nothing do not cost a lot.
const BUDGET: usize = 16 << 20;

/// Less is not worth a check.
pub(super) const SMALLEST: usize = 16 * 1024;

/// One of the bodies that this thread sends.
pub(super) struct Sending;

thread_local!(static SENDING: Cell<usize> = const { Cell::new(0) });

impl Sending {
    pub(super) fn begin() -> Self {
        SENDING.set(SENDING.get() + 1);
        Self
    }

    /// How much of a body may be in memory now.
    pub(super) fn share() -> usize {
        (BUDGET / SENDING.get().max(1)).clamp(SMALLEST, CHUNK)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        SENDING.set(SENDING.get() - 1);
    }
}

/// A buffer from this thread's stock, given back when its bytes are sent. Fresh memory would be
/// cleared or paged in for each chunk, which costs as much as reading it.
pub(super) struct Chunk {
    buffer: Box<[u8]>,
    length: usize,
}

const STOCK: usize = 8;

thread_local!(static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) });

impl Chunk {
    /// A chunk with room for `wanted` bytes, or for this body's share if they are more.
    pub(super) fn for_length(wanted: u64) -> Self {
        let share = Sending::share();
        let length = usize::try_from(wanted).unwrap_or(share).min(share);
        if share < CHUNK {
            return Self { buffer: vec![0; length].into_boxed_slice(), length };
        }
        let stocked = BUFFERS.with_borrow_mut(Vec::pop);
        Self { buffer: stocked.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice()), length }
    }

    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.length]
    }

    pub(super) fn filled(mut self, length: usize) -> Self {
        self.length = length.min(self.length);
        self
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // At the end of a thread its stock is gone first.
        let _ = BUFFERS.try_with(|stock| {
            let mut stock = stock.borrow_mut();
            if stock.len() < STOCK && buffer.len() == CHUNK {
                stock.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bodies_share_the_memory_that_few_may_have() {
        let lengths = |wanted: u64| Chunk::for_length(wanted).space().len();
        let few: Vec<Sending> = (0..64).map(|_| Sending::begin()).collect();
        assert_eq!(lengths(1 << 30), CHUNK);
        let more: Vec<Sending> = (0..64).map(|_| Sending::begin()).collect();
        assert_eq!((lengths(1 << 30), lengths(100)), (CHUNK / 2, 100));
        let crowd: Vec<Sending> = (0..10_000).map(|_| Sending::begin()).collect();
        assert_eq!((lengths(1 << 30), lengths(100)), (SMALLEST, 100));
        drop((crowd, more));
        assert_eq!(lengths(1 << 30), CHUNK);
        drop(few);
        assert_eq!(SENDING.get(), 0);
    }
}
