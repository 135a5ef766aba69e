//! A folder with one file, the store over it, and those who ask and write.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use shuttle::thread;
use tempfile::TempDir;

use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Root, Stamp, SymlinkPolicy};
use crate::validator_store::digest::DigestAlgorithm;
use crate::validator_store::index::IndexMode;
use crate::validator_store::{Found, Patience, StoreOptions, ValidatorStore};

/// The only file.
pub(crate) const NAME: &str = "file";

/// A number that the reading of a file gets after its bytes were read, and before anything is known of them.
pub(crate) type Ticket = u64;

/// Shared by all threads of one order.
pub(crate) struct Site {
    pub(crate) store: Arc<ValidatorStore<Ticket>>,
    folder: TempDir,
    counts: Arc<Counts>,
    files: AtomicU64,
}

#[derive(Default)]
struct Counts {
    tickets: AtomicU64,
    reading: AtomicUsize,
}

impl Site {
    /// A store over a fresh folder, where the file has version 0.
    ///
    /// These counters are no part of what is tried, so they are ordinary ones: to look at them is no point where a thread
    /// loses its turn.
    pub(crate) fn new() -> Arc<Site> {
        let folder = temporary_folder();
        let root = Root::open(folder.path(), SymlinkPolicy::Within).expect("the folder");
        let options =
            StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Off };
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let store = ValidatorStore::new(root, options, Box::new(move |_, _, _| counted.reading()));
        let site = Site { store, folder, counts, files: AtomicU64::new(0) };
        site.publish(site.staged(0));
        Arc::new(site)
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> ResourcePath<'static> {
        ResourcePath::ROOT.child(NAME, Dotfiles::Hidden).expect("a name")
    }

    /// Where the file is on disk.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    /// A file with this version that is not in place yet.
    pub(crate) fn staged(&self, version: u64) -> PathBuf {
        let name = format!("staged-{}", self.files.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.path().join(name);
        fs::write(&path, version.to_string()).expect("a staged file");
        path
    }

    /// The stamp of a staged file.
    pub(crate) fn stamp(&self, staged: &std::path::Path) -> Stamp {
        let name = staged.file_name().and_then(|name| name.to_str()).expect("a name");
        let path = ResourcePath::ROOT.child(name, Dotfiles::Hidden).expect("a name");
        self.store.root().open_file(&path).expect("the staged file").stamp()
    }

    /// Puts a staged file in place.
    pub(crate) fn publish(&self, staged: PathBuf) {
        fs::rename(staged, self.place()).expect("a rename");
    }

    /// Asks for the file and returns its version.
    pub(crate) fn ask(&self) -> u64 {
        match shuttle::future::block_on(self.store.current(&self.path(), Patience::Full)) {
            Ok(Found::Hashed(entry)) => version(entry.body().expect("a small file's bytes")),
            Ok(Found::Unhashed(_) | Found::Directory(_)) => panic!("no small file"),
            Err(error) => panic!("no answer: {error:?}"),
        }
    }

    /// A number above those of all readings until now.
    pub(crate) fn next_ticket(&self) -> Ticket {
        self.counts.tickets.load(Ordering::Relaxed)
    }
}

impl Counts {
    /// What the store does with each file it has read: here it takes a while, in which no other file may be read.
    fn reading(&self) -> Ticket {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        assert_eq!(self.reading.fetch_add(1, Ordering::Relaxed), 0, "the file is read twice at a time");
        thread::yield_now();
        self.reading.fetch_sub(1, Ordering::Relaxed);
        ticket
    }
}

/// A folder in memory, where there is one: on a disk most of the time would be waiting.
fn temporary_folder() -> TempDir {
    let new = || tempfile::Builder::new().prefix("ifmatch-model-").to_owned();
    new().tempdir_in("/dev/shm").or_else(|_| new().tempdir()).expect("a temporary folder")
}

/// The version that a file's bytes tell.
pub(crate) fn version(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).expect("a version")
}
