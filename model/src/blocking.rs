//! The pool of `src/blocking.rs` as shuttle has it: each piece of work is a thread that gets its turn when shuttle says so.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Work that was not done, because it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDone;

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it panicked")
    }
}

/// Work on its way. It goes on if this is dropped.
pub(crate) struct Task<T>(tokio::task::JoinHandle<T>);

/// Does `work` on another thread.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Task(tokio::task::spawn_blocking(work))
}

impl<T> Future for Task<T> {
    type Output = Result<T, NotDone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| NotDone)
    }
}
