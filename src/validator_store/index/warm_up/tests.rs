//! What a warm-up reads, and what it leaves alone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::super::IndexMode;
use super::super::table::Table;
use super::*;
use crate::root::SymlinkPolicy;
use crate::validator_store::StoreOptions;

type Store = Arc<ValidatorStore<()>>;

/// A store over a folder, with an index that is empty; `None` where stamps cannot be trusted.
fn store(folder: &Path) -> Option<Store> {
    let root = Root::open(folder, SymlinkPolicy::Within).unwrap();
    if root.own_filesystem().is_none_or(|it| it.stamping == Stamping::Partial) {
        eprintln!("skipped: temporary files have no stamps that can be trusted");
        return None;
    }
    let options = StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1, index: IndexMode::Eager };
    let store = ValidatorStore::new(root, options, Box::new(|_, _, _| ()));
    store.index().fill(Table::new(DigestAlgorithm::Xxh3));
    Some(store)
}

fn run(test: impl FnOnce(&Path, Store)) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    if let Some(store) = store(folder.path()) {
        test(folder.path(), store);
    }
}

/// Files come upon, files read, files known, records.
fn walk(store: &Store) -> (u64, u64, u64, u64) {
    let before = store.index().statistics();
    let done = warm_up(store, Dotfiles::Hidden, &AtomicBool::new(false)).unwrap();
    assert_eq!(done.walked, Walked::All);
    let now = store.index().statistics();
    (done.files, now.read - before.read, now.known - before.known, now.files)
}

#[test]
fn every_file_is_read_once() {
    run(|folder, store| {
        for (number, size) in [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7].into_iter().enumerate()
        {
            let path = folder.join(format!("folder{}/file{number}", number % 3));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![number as u8; size]).unwrap();
        }
        fs::write(folder.join(".hidden"), "x").unwrap();
        assert_eq!(walk(&store), (7, 7, 0, 7));
        assert_eq!(walk(&store), (7, 0, 7, 7), "what is known is not read again");
        fs::write(folder.join("folder0/file0"), "changed").unwrap();
        fs::remove_file(folder.join("folder1/file1")).unwrap();
        assert_eq!(walk(&store), (6, 1, 5, 6), "what has gone has no record any more");
        for file in ["folder0/file0", "folder0/file3", "folder0/file6"] {
            let path = folder.join(file);
            let opened = store
                .root()
                .open_file(&crate::resource_path::ResourcePath::from_names(file, Dotfiles::Hidden).unwrap());
            let stamp = opened.unwrap().stamp();
            let filesystem = store.root().own_filesystem().unwrap();
            let digest =
                crate::validator_store::digest::Digest::of(DigestAlgorithm::Xxh3, &fs::read(path).unwrap());
            assert_eq!(store.index().find(&filesystem, &stamp), Some(digest), "{file}");
        }
    });
}

#[test]
fn a_file_with_a_writer_is_left_alone() {
    run(|folder, store| {
        fs::write(folder.join("calm"), "x").unwrap();
        let writer = fs::File::create(folder.join("busy")).unwrap();
        assert_eq!(walk(&store), (2, 1, 0, 1));
        drop(writer);
        assert_eq!(walk(&store), (2, 1, 1, 2));
    });
}

#[test]
fn one_that_is_ended_early_drops_nothing() {
    run(|folder, store| {
        for number in 0..100 {
            fs::write(folder.join(number.to_string()), "x").unwrap();
        }
        assert_eq!(walk(&store).3, 100);
        let done = warm_up(&store, Dotfiles::Hidden, &AtomicBool::new(true)).unwrap();
        assert_eq!((done.walked, done.files), (Walked::Stopped, 0));
        assert_eq!(store.index().statistics().files, 100);
    });
}
