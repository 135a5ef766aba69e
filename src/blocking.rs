//! Threads for work that waits for the disk. There is one pool for the process, because tokio's own panics when the machine
//! has no thread left for it; here that is an error, and one thread is kept for good once it has been started.
//!
//! Nothing here knows what the work is.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// The most threads at a time. Further work waits for one of them.
const MOST: usize = 512;

/// How long a thread waits for work before it ends, unless it is the last one.
const KEPT: Duration = Duration::from_secs(10);

/// How long the end of the process waits for work that must be finished.
const FINISHING: Duration = Duration::from_secs(10);

/// Work that was not done, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDone;

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no thread for it, or it panicked")
    }
}

/// Work on its way. It goes on if this is dropped.
#[derive(Debug)]
pub(crate) struct Task<T>(oneshot::Receiver<T>);

type Job = Box<dyn FnOnce() + Send>;

/// The threads, and what they have to do.
struct Pool {
    state: Mutex<State>,
    work: Condvar,
    finished: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    threads: usize,
    /// Threads that wait and have not been called.
    idle: usize,
    /// Threads that have been called and have not come yet.
    called: usize,
    /// Work that must be finished before the process ends.
    unfinished: usize,
}

/// Work that must be finished, until it is dropped.
struct Unfinished;

static POOL: Pool = Pool::new();

/// Starts the thread that is kept for good, if there is none yet.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn start() -> std::io::Result<()> {
    let mut state = POOL.state.lock();
    if state.threads > 0 { Ok(()) } else { POOL.add_thread(&mut state) }
}

/// Does `work` on another thread.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (sender, receiver) = oneshot::channel();
    POOL.add(Box::new(move || {
        // Nobody may be interested any more.
        let _ = sender.send(work());
    }));
    Task(receiver)
}

/// The same for work that [`finish`] waits for.
pub(crate) fn spawn_to_the_end<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    POOL.state.lock().unfinished += 1;
    let unfinished = Unfinished;
    spawn(move || {
        let _unfinished = unfinished;
        work()
    })
}

/// Waits at the end of the process for the work that must be finished.
pub(crate) fn finish() {
    let deadline = Instant::now() + FINISHING;
    let mut state = POOL.state.lock();
    while state.unfinished > 0 && !POOL.finished.wait_until(&mut state, deadline).timed_out() {}
}

impl<T> Future for Task<T> {
    type Output = Result<T, NotDone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| NotDone)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        POOL.state.lock().unfinished -= 1;
        POOL.finished.notify_all();
    }
}

impl Pool {
    const fn new() -> Self {
        let state = State { queue: VecDeque::new(), threads: 0, idle: 0, called: 0, unfinished: 0 };
        Self { state: Mutex::new(state), work: Condvar::new(), finished: Condvar::new() }
    }

    fn add(&'static self, job: Job) {
        let mut state = self.state.lock();
        state.queue.push_back(job);
        if state.idle > 0 {
            state.idle -= 1;
            state.called += 1;
            self.work.notify_one();
            return;
        }
        if state.threads >= MOST {
            return;
        }
        let added = self.add_thread(&mut state);
        // Where there are threads, one of them comes to it.
        if let Err(error) = added
            && state.threads == 0
        {
            let dropped = std::mem::take(&mut state.queue);
            drop(state);
            log::error!("no thread can be started, so that nothing can be read or written: {error}");
            drop(dropped);
        }
    }

    fn add_thread(&'static self, state: &mut State) -> std::io::Result<()> {
        std::thread::Builder::new().name("blocking".to_owned()).spawn(|| self.work())?;
        state.threads += 1;
        Ok(())
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            while let Some(job) = state.queue.pop_front() {
                drop(state);
                // Whoever waits for it learns that it was not done, and the message has been printed.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.state.lock();
            }
            match self.wait(state) {
                Some(called) => state = called,
                None => return,
            }
        }
    }

    /// Waits for work; `None` if the thread is to end.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> Option<MutexGuard<'a, State>> {
        state.idle += 1;
        loop {
            let timed_out = self.work.wait_for(&mut state, KEPT).timed_out();
            if state.called > 0 {
                state.called -= 1;
                return Some(state);
            }
            if timed_out && state.threads > 1 {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
