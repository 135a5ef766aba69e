//! The watcher: hears of changes through inotify, evicts what they concern and reads it again before
//! anybody asks. It is an accelerator, and the one remedy where a stamp cannot show a change (stores
//! through a mapping on tmpfs and overlayfs, announced when the mapping ends). Nothing counts as
//! fresh because no event came.
//!
//! One thread, one loop; the one user of `notify`.

use std::collections::{HashSet, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, EventKindMask, INotifyWatcher, RecursiveMode, Watcher};

use super::ValidatorStore;
use crate::resource_path::RESERVED_PREFIX;

/// A new folder is handed out before its watch is in place: look again after these times.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Events are taken in bursts, at most this long apart: to be woken for each of the names that come and go
/// with a write of our own would cost more than the write.
const REST: Duration = Duration::from_millis(5);

/// How often to look whether another folder took the root's place.
const ROOT_CHECK: Duration = Duration::from_secs(2);

/// What the watcher can do at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WatchState {
    /// Switched off.
    Off,
    /// Going through the folders.
    Starting,
    /// Hears of every folder.
    Watching,
    /// Hears of some folders: the kernel's limit of watches is reached.
    Limited,
    /// Hears nothing.
    Failed,
}

/// The watcher's state and counters, shared with whoever reports them.
#[derive(Debug, Default)]
pub struct WatchStatus {
    state: AtomicU8,
    overflows: AtomicU64,
}

impl WatchState {
    /// The state as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Watching => "watching",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

impl WatchStatus {
    /// What the watcher can do at present.
    pub fn state(&self) -> WatchState {
        const STATES: [WatchState; 5] = [
            WatchState::Off,
            WatchState::Starting,
            WatchState::Watching,
            WatchState::Limited,
            WatchState::Failed,
        ];
        STATES[usize::from(self.state.load(Ordering::Acquire)) % STATES.len()]
    }

    /// How often the kernel dropped events.
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }

    /// Waits until the watcher has gone through the folders, for at most `limit`.
    pub async fn wait_for_start(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.state() == WatchState::Starting && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn set(&self, state: WatchState) {
        self.state.store(state as u8, Ordering::Release);
    }
}

/// Starts watching in a thread of its own and returns at once; the thread ends with the process.
pub fn start<R: Send + Sync + 'static>(store: Arc<ValidatorStore<R>>) -> Arc<WatchStatus> {
    let status = Arc::new(WatchStatus::default());
    status.set(WatchState::Starting);
    let shared = Arc::clone(&status);
    let thread = std::thread::Builder::new().name("watcher".to_owned());
    let spawned = thread.spawn(move || match Actor::new(store, Arc::clone(&shared)) {
        Ok(mut actor) => actor.run(),
        Err(error) => fail(&shared, &error),
    });
    if let Err(error) = spawned {
        log::warn!("the watcher could not be started: {error}");
        status.set(WatchState::Failed);
    }
    status
}

fn fail(status: &WatchStatus, error: &notify::Error) {
    log::warn!("the watcher could not be started: {error}; answers stay right, only slower after a change");
    status.set(WatchState::Failed);
}

struct Actor<R> {
    store: Arc<ValidatorStore<R>>,
    status: Arc<WatchStatus>,
    watcher: INotifyWatcher,
    events: Receiver<notify::Result<Event>>,
    /// Folders to look at again: a queue for each delay of [`LOOK_AGAIN`], soonest first.
    later: [VecDeque<(Instant, String)>; LOOK_AGAIN.len()],
    root_generation: u64,
}

impl<R: Send + Sync + 'static> Actor<R> {
    fn new(store: Arc<ValidatorStore<R>>, status: Arc<WatchStatus>) -> notify::Result<Self> {
        let (sender, events) = channel();
        // Names and the end of writing. The default set would report our own reads; that bytes or modes change
        // shows in the stamp.
        let kinds = EventKindMask::CREATE
            | EventKindMask::REMOVE
            | EventKindMask::MODIFY_NAME
            | EventKindMask::ACCESS_CLOSE;
        let config = Config::default().with_event_kinds(kinds).with_follow_symlinks(false);
        let (mut rested, of_interest) = (Instant::now(), Arc::clone(&store));
        let forward = move |event: notify::Result<Event>| {
            if rested.elapsed() >= REST {
                std::thread::sleep(REST);
                rested = Instant::now();
            }
            let needless = |event: &Event| is_needless(event) || is_of_no_interest(&of_interest, event);
            if !event.as_ref().is_ok_and(needless) {
                // Without a listener there is nothing to do.
                let _ = sender.send(event);
            }
        };
        let watcher = INotifyWatcher::new(forward, config)?;
        let root_generation = store.root().generation();
        Ok(Self { store, status, watcher, events, later: Default::default(), root_generation })
    }

    fn run(&mut self) {
        self.watch_root();
        loop {
            match self.events.recv_timeout(self.next_wake()) {
                Ok(Ok(event)) => self.handle(&event),
                Ok(Err(error)) => self.report(&error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.status.set(WatchState::Failed),
            }
            self.look_again();
            if self.store.root().generation() != self.root_generation {
                self.start_over();
            }
        }
    }

    fn watch_root(&mut self) {
        let path = self.store.root().path().to_owned();
        self.status.set(WatchState::Starting);
        match self.watcher.watch(&path, RecursiveMode::Recursive) {
            Ok(()) if self.status.state() == WatchState::Starting => self.status.set(WatchState::Watching),
            Ok(()) => {}
            Err(error) => self.report(&error),
        }
    }

    /// Calling `watch` again for a watched path does nothing, and folders made while events were
    /// lost would stay deaf: let go first.
    fn start_over(&mut self) {
        self.root_generation = self.store.root().generation();
        let path = self.store.root().path().to_owned();
        if let Err(error) = self.watcher.unwatch(&path) {
            log::debug!("the watcher could not let go of {}: {error}", path.display());
        }
        self.watch_root();
        self.store.evict_below(&HashSet::from([String::new()]));
    }

    fn handle(&mut self, event: &Event) {
        if event.need_rescan() {
            log::warn!("the kernel dropped file events; watching all folders anew (answers stayed right)");
            self.status.overflows.fetch_add(1, Ordering::Relaxed);
            return self.start_over();
        }
        for path in &event.paths {
            let Some(resource) = self.store.root().relative(path).map(str::to_owned) else { continue };
            // Where only a name changed, the stamp tells all; after a write of our own it is known already.
            let renamed = matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
            if renamed && self.store.is_up_to_date(&resource) {
                continue;
            }
            self.store.evict(&resource);
            match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => self.store.prepare(&resource),
                EventKind::Create(CreateKind::Folder) => self.look_again_at(resource),
                EventKind::Modify(ModifyKind::Name(RenameMode::To)) => self.arrived(resource),
                _ => {}
            }
        }
    }

    /// Something was renamed to `resource`.
    fn arrived(&mut self, resource: String) {
        match self.store.root().is_directory(&resource) {
            true => self.look_again_at(resource),
            false => self.store.prepare(&resource),
        }
    }

    fn look_again_at(&mut self, folder: String) {
        for (queue, delay) in self.later.iter_mut().zip(LOOK_AGAIN) {
            queue.push_back((Instant::now() + delay, folder.clone()));
        }
    }

    fn look_again(&mut self) {
        let now = Instant::now();
        let mut due = HashSet::new();
        for queue in &mut self.later {
            while queue.front().is_some_and(|(at, _)| *at <= now) {
                due.extend(queue.pop_front().map(|(_, folder)| folder));
            }
        }
        if !due.is_empty() {
            self.store.evict_below(&due);
        }
    }

    fn next_wake(&self) -> Duration {
        let next = self.later.iter().filter_map(VecDeque::front).map(|(at, _)| *at).min();
        next.map_or(ROOT_CHECK, |at| at.saturating_duration_since(Instant::now()).min(ROOT_CHECK))
    }

    fn report(&self, error: &notify::Error) {
        let at = &error.paths;
        if matches!(error.kind, ErrorKind::MaxFilesWatch) {
            log::warn!(
                "out of inotify watches at {at:?}: changes elsewhere are noticed when they are asked for; \
                 raise fs.inotify.max_user_watches to hear of all"
            );
            return self.status.set(WatchState::Limited);
        }
        log::warn!("the watcher: {error}");
        if matches!(error.kind, ErrorKind::PathNotFound) {
            self.status.set(WatchState::Failed);
        }
    }
}

/// Whether only names are concerned that this server makes for its own writes, or it was told already: a
/// rename is reported by its two ends, and then as a whole.
fn is_needless(event: &Event) -> bool {
    if event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both)) {
        return true;
    }
    let reserved = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_bytes().starts_with(RESERVED_PREFIX.as_bytes()))
    };
    !event.paths.is_empty() && event.paths.iter().all(reserved)
}

/// Whether it is the end of writing to something that nobody has ever asked for.
fn is_of_no_interest<R: Send + Sync + 'static>(store: &ValidatorStore<R>, event: &Event) -> bool {
    let unknown = |path: &PathBuf| store.root().relative(path).is_none_or(|path| !store.knows(path));
    event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write)) && event.paths.iter().all(unknown)
}

#[cfg(test)]
mod tests;
