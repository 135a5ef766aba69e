//! The last instant: what was displaced stays under its lease for a moment. A program that had found it by its
//! name, and opens it for writing only now, is held up by the kernel and noticed; what it writes then is kept
//! beside the file as a conflict copy.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::judge::Remains;
use crate::root::lease::{LeaseProbe, LeasedFile, disturbances, probe};
use crate::root::{Held, OpenFile, Place, Stamp, WriteError};
use crate::validator_store::ValidatorStore;

/// How long a displaced version is kept.
const PERIOD: Duration = Duration::from_secs(1);

/// How often it is looked at: a late writer waits this long at most.
const LOOK: Duration = Duration::from_millis(20);

/// How many are kept from one look to the next: each holds a descriptor or two, and its bytes on disk.
const CAPACITY: usize = 256;

/// How long a late writer may take.
const WRITING_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take until the room of a released version counts as free.
const RELEASE: Duration = Duration::from_millis(200);

/// Whether room has become free just now, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// Versions were released, perhaps for another write.
    Some,
    /// There were none.
    Nothing,
}

/// Displaced versions, looked after by a thread of its own, which sleeps while there is none.
pub(super) struct Quarantine {
    shared: Arc<Shared>,
    /// Whether the thread has been started. That is tried again with every version.
    started: Mutex<bool>,
}

struct Shared {
    /// The oldest first.
    kept: Mutex<VecDeque<Kept>>,
    arrived: Condvar,
    last_release: Mutex<Option<Instant>>,
    copy_beside: Box<CopyBeside>,
}

type CopyBeside = dyn Fn(&Place, &OpenFile) -> Result<(), WriteError> + Send + Sync;

/// A displaced version.
struct Kept {
    place: Place,
    file: Guarded,
    until: Instant,
}

enum Guarded {
    /// Who opens it for writing is held up.
    Leased(LeasedFile),
    /// Somebody had it open for writing when it was displaced.
    Written(OpenFile),
}

/// A displaced version that somebody writes to.
struct Written {
    place: Place,
    file: OpenFile,
    before: Stamp,
    until: Instant,
}

impl Quarantine {
    pub(super) fn new<R: Send + Sync + 'static>(store: Arc<ValidatorStore<R>>) -> Self {
        let copy_beside =
            Box::new(move |place: &Place, file: &OpenFile| store.root().copy_beside(place, file).map(drop));
        let shared = Shared {
            kept: Mutex::default(),
            arrived: Condvar::new(),
            last_release: Mutex::default(),
            copy_beside,
        };
        Self { shared: Arc::new(shared), started: Mutex::new(false) }
    }

    /// Starts the thread that looks after displaced versions, if it is not there yet.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn start(&self) -> std::io::Result<()> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if !*started {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("quarantine".to_owned());
            thread.spawn(move || Guard { shared, written: Vec::new(), heard: 0 }.run())?;
            *started = true;
        }
        Ok(())
    }

    /// Keeps what was displaced from `place`; of what cannot be leased nothing can be said.
    pub(super) fn keep(&self, place: Place, remains: Option<Remains>) {
        let (file, until) = match remains {
            Some(Remains::Held(Held::Leased(file))) => (Guarded::Leased(file), Instant::now() + PERIOD),
            Some(Remains::Written(file)) => (Guarded::Written(file), Instant::now()),
            Some(Remains::Held(Held::Unleased(_))) | None => return,
        };
        if let Err(error) = self.start() {
            // Nobody would ever release it.
            log::warn!(
                "a program that writes to a file while it is replaced is not noticed, for want of a thread: {error}"
            );
            return;
        }
        let arrived = Kept { place, file, until };
        let mut kept = self.shared.lock();
        if kept.is_empty() {
            self.shared.arrived.notify_one();
        }
        // The signal of somebody who came before may have been heard already: the lease is looked at, under the lock
        // under which signals are heard. What is due goes first, for a look goes by the order.
        match arrived.is_undisturbed() {
            true => kept.push_back(arrived),
            false => kept.push_front(Kept { until: Instant::now(), ..arrived }),
        }
    }

    /// Releases the versions that nobody waits for, and with them the room that they take.
    pub(super) fn make_room(&self) -> Released {
        self.shared.make_room()
    }
}

impl Kept {
    fn is_undisturbed(&self) -> bool {
        match &self.file {
            Guarded::Leased(file) => file.is_undisturbed(),
            Guarded::Written(_) => false,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_room(&self) -> Released {
        let mut kept = self.lock();
        let before = kept.len();
        kept.retain(|kept| !kept.is_undisturbed());
        let released = kept.len() < before;
        drop(kept);
        let mut last = self.last_release.lock().unwrap_or_else(PoisonError::into_inner);
        if released {
            *last = Some(Instant::now());
        }
        match last.is_some_and(|last| last.elapsed() < RELEASE) {
            true => Released::Some,
            false => Released::Nothing,
        }
    }

    /// Copies what somebody wrote to a displaced version beside the file. Other displaced versions make room for it.
    fn copy(&self, written: &Written) {
        let copy = || (self.copy_beside)(&written.place, &written.file);
        let copied = match copy() {
            Err(WriteError::Full) if self.make_room() == Released::Some => copy(),
            other => other,
        };
        if let Err(error) = copied {
            log::error!("what somebody wrote to a version that was just replaced is lost: {error:?}");
        }
    }

    /// Waits until there is something to look at, and then until it is time to.
    fn wait(&self, busy: bool) {
        let mut kept = self.lock();
        while kept.is_empty() && !busy {
            kept = self.arrived.wait(kept).unwrap_or_else(PoisonError::into_inner);
        }
        drop(kept);
        std::thread::sleep(LOOK);
    }
}

/// The thread's state.
struct Guard {
    shared: Arc<Shared>,
    written: Vec<Written>,
    /// What [`disturbances`] said at the last look.
    heard: u64,
}

impl Guard {
    fn run(mut self) {
        loop {
            self.shared.wait(!self.written.is_empty());
            self.look();
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        for kept in self.due(now) {
            self.dismiss(kept);
        }
        for written in std::mem::take(&mut self.written) {
            match probe(&written.file) == LeaseProbe::Busy && now < written.until {
                true => self.written.push(written),
                false => self.finish(written),
            }
        }
    }

    /// Takes out what has been kept long enough, what is too much, and what somebody waits for.
    fn due(&mut self, now: Instant) -> Vec<Kept> {
        let mut kept = self.shared.lock();
        let excess = kept.len().saturating_sub(CAPACITY);
        let late = kept.iter().take_while(|one| one.until <= now).count();
        let mut due: Vec<Kept> = kept.drain(..late.max(excess)).collect();
        // Each lease is looked at only if the kernel says that one of them stands in somebody's way.
        if std::mem::replace(&mut self.heard, disturbances()) != self.heard {
            for one in std::mem::take(&mut *kept) {
                match one.is_undisturbed() {
                    true => kept.push_back(one),
                    false => due.push(one),
                }
            }
        }
        due
    }

    /// The time is over: nobody came, or somebody just does.
    fn dismiss(&mut self, kept: Kept) {
        let Kept { place, file, .. } = kept;
        let file = match file {
            Guarded::Leased(leased) if leased.is_unbroken() => return,
            // They wait to write: they are let in, and what they write is kept.
            Guarded::Leased(leased) => {
                let before = leased.file().stamp_now();
                return self.observe(place, leased.release(), before.ok());
            }
            Guarded::Written(file) => file,
        };
        // The swap itself has moved its ctime, which counts from here on.
        let opened = file.stamp();
        let before = file.stamp_now().ok().filter(|now| now.same_content_times(&opened)).unwrap_or(opened);
        self.observe(place, file, Some(before));
    }

    fn observe(&mut self, place: Place, file: OpenFile, before: Option<Stamp>) {
        let Some(before) = before else { return };
        self.written.push(Written { place, file, before, until: Instant::now() + WRITING_LIMIT });
    }

    /// The late writer is done. Copying is left to another thread: the next late writer waits for this one.
    fn finish(&self, written: Written) {
        let changed = written.file.stamp_now().is_ok_and(|now| now != written.before);
        if !changed {
            return;
        }
        let shared = Arc::clone(&self.shared);
        // The process does not end in the middle of it.
        drop(crate::blocking::spawn_to_the_end(move || shared.copy(&written)));
    }
}

#[cfg(test)]
mod tests;
