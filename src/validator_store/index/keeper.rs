//! The keeper of an index: one thread that loads what was saved, goes through all files where that is wanted, and saves
//! what has changed. It is never waited for by an answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::file::{self, Header, Unusable};
use super::table::Table;
use super::warm_up::{WarmUp, warm_up};
use super::{IndexMode, IndexState};
use crate::resource_path::Dotfiles;
use crate::root::{CacheFolder, Replaced, Walked, boot_id};
use crate::validator_store::ValidatorStore;
use crate::validator_store::digest::{Digest, DigestAlgorithm};

/// How often what has changed is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(300);

/// How long the start of the server waits until what was saved is loaded; a million records take less.
const LOADING: Duration = Duration::from_millis(500);

/// How an index is kept.
#[derive(Debug)]
pub struct KeeperOptions {
    /// Where it is saved; `None`: nowhere.
    pub folder: Option<CacheFolder>,
    /// Whether files with hidden names are served, and so belong into it.
    pub dotfiles: Dotfiles,
}

/// The thread that keeps an index.
#[derive(Debug)]
pub struct Keeper {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Actor<R> {
    store: Arc<ValidatorStore<R>>,
    dotfiles: Dotfiles,
    saved: Option<Saved>,
    stopping: Arc<AtomicBool>,
}

/// The file that holds the index while nobody runs.
struct Saved {
    folder: CacheFolder,
    name: String,
    header: Header,
    /// The changes of the table that are in it.
    changes: u64,
}

/// Starts the keeper of the store's index, and waits a moment until what was saved is loaded. Where the index is off it
/// does nothing.
pub fn start<R: Send + Sync + 'static>(store: Arc<ValidatorStore<R>>, options: KeeperOptions) -> Keeper {
    let stopping = Arc::new(AtomicBool::new(false));
    if store.index().mode == IndexMode::Off {
        return Keeper { stopping, thread: None };
    }
    let saved = options.folder.and_then(|folder| Saved::new(folder, &store));
    let actor = Actor { store, dotfiles: options.dotfiles, saved, stopping: Arc::clone(&stopping) };
    let (loaded, loading) = channel();
    let thread = thread::Builder::new().name("index".to_owned()).spawn(move || actor.run(loaded));
    // An error says that the time is over, or that the thread could not be started.
    let _ = loading.recv_timeout(LOADING);
    let thread = thread
        .inspect_err(|error| log::warn!("the index is off, because its thread could not be started: {error}"))
        .ok();
    Keeper { stopping, thread }
}

impl Keeper {
    /// Ends what the thread is doing, and waits until what has changed is saved.
    pub fn finish(self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                log::error!("the index was not saved: its thread failed unexpectedly");
            }
        }
    }
}

impl<R: Send + Sync + 'static> Actor<R> {
    fn run(mut self, loaded: Sender<()>) {
        let store = Arc::clone(&self.store);
        let index = store.index();
        let table = self.saved.as_ref().and_then(Saved::load);
        let table = table.unwrap_or_else(|| Table::new(self.store.algorithm()));
        table.bound();
        index.fill(table);
        index.enter(match index.mode {
            IndexMode::Eager => IndexState::Walking,
            IndexMode::Off | IndexMode::Lazy => IndexState::Complete,
        });
        let mut walked = None;
        // Nobody may be waiting any more.
        let _ = loaded.send(());
        while !self.stopping.load(Ordering::Acquire) {
            let generation = self.store.root().generation();
            if index.mode == IndexMode::Eager && walked != Some(generation) {
                self.walk();
                walked = Some(generation);
            }
            self.save();
            if !self.stopping.load(Ordering::Acquire) {
                thread::park_timeout(SAVE_INTERVAL);
            }
        }
        self.save();
    }

    /// Goes through all files below the root.
    fn walk(&self) {
        let index = self.store.index();
        index.enter(IndexState::Walking);
        let (began, before) = (Instant::now(), index.statistics());
        let warm_up = warm_up(&self.store, self.dotfiles, &self.stopping);
        let now = index.statistics();
        let (read, bytes) = (now.read - before.read, now.bytes_hashed - before.bytes_hashed);
        match warm_up {
            Ok(WarmUp { walked: Walked::All, files }) => log::info!(
                "files for the index: {files} looked at in {:.2} s, of which {read} with {bytes} bytes were read",
                began.elapsed().as_secs_f64()
            ),
            Ok(WarmUp { walked: Walked::Stopped, .. }) => {
                log::info!("reading all files for the index was ended, because the server stops")
            }
            Err(error) => log::warn!("reading all files for the index ended early: {error:?}"),
        }
        index.enter(IndexState::Complete);
    }

    fn save(&mut self) {
        if let (Some(saved), Some(table)) = (&mut self.saved, self.store.index().table.get()) {
            saved.save(table);
        }
    }
}

impl Saved {
    fn new<R: Send + Sync + 'static>(folder: CacheFolder, store: &ValidatorStore<R>) -> Option<Self> {
        let unusable = |why: &str| log::info!("the index is not kept: {why}");
        let boot_id = boot_id().or_else(|| {
            unusable("the kernel does not tell one run of the machine from another");
            None
        })?;
        let root = store.root().real_path().inspect_err(|error| unusable(&error.to_string())).ok()?;
        let header = Header::new(store.algorithm(), boot_id);
        let name = file_name(&root, store.algorithm());
        Some(Self { folder, name, header, changes: 0 })
    }

    fn load(&self) -> Option<Table> {
        let place = self.folder.path().join(&self.name);
        let opened = match self.folder.read(&self.name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            other => other.map_err(Unusable::Io),
        };
        match opened.and_then(|(input, length)| file::read(input, length, &self.header)) {
            Ok(table) => Some(table),
            Err(why @ (Unusable::Foreign | Unusable::OtherBoot)) => {
                log::info!("the index {} is not used: {why}", place.display());
                None
            }
            Err(why) => {
                log::warn!("the index {} is not used: {why}", place.display());
                None
            }
        }
    }

    /// Saves the table if it has changed.
    fn save(&mut self, table: &Table) {
        let changes = table.changes();
        if changes == self.changes {
            return;
        }
        match self.folder.replace(&self.name, |out| file::write(out, &self.header, table)) {
            Ok(Replaced::Done) => self.changes = changes,
            Ok(Replaced::Busy) => log::debug!("another server is saving the index of this folder"),
            Err(error) => {
                log::info!("the index could not be saved in {}: {error}", self.folder.path().display())
            }
        }
    }
}

/// The name of the file for a root, which does not tell where the root is.
fn file_name(root: &Path, algorithm: DigestAlgorithm) -> String {
    use std::os::unix::ffi::OsStrExt;
    let digest = Digest::of(DigestAlgorithm::Xxh3, root.as_os_str().as_bytes());
    let name: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let algorithm = match algorithm {
        DigestAlgorithm::Xxh3 => "xxh3",
        DigestAlgorithm::Blake3 => "blake3",
    };
    format!("{name}.{algorithm}.index")
}

#[cfg(test)]
mod tests;
