//! What gets a record, and that no record is believed that is not true.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::keeper::KeeperOptions;
use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{ReadStyle, Root, SymlinkPolicy, Timestamp, Timestamps};
use crate::validator_store::tests::TestStore;
use crate::validator_store::text::Text;
use crate::validator_store::{Found, Patience, StoreOptions, ValidatorStore};

const LARGE: usize = 2 << 20;

const EXT4: Filesystem = Filesystem {
    name: "ext4",
    timestamps: Timestamps::Multigrain,
    locality: Locality::Local,
    read_style: ReadStyle::TryCached,
    stamping: Stamping::Every,
};

/// The stamp of an inode in some version.
pub(super) fn stamp(inode: u64) -> Stamp {
    let time = Timestamp { seconds: 1_700_000_000, nanoseconds: 5 };
    Stamp { mount: 1 << 31 | 5, device: 8 << 32 | 1, inode, size: 2 << 20, modified: time, changed: time }
}

pub(super) fn digest(number: u64) -> Digest {
    Digest::of(DigestAlgorithm::Xxh3, &number.to_le_bytes())
}

fn index() -> Index {
    let index = Index::new(IndexMode::Lazy);
    index.fill(Table::new(DigestAlgorithm::Xxh3));
    index
}

#[test]
fn a_record_is_found_under_its_whole_stamp_only() {
    let index = index();
    let known = stamp(7);
    assert!(index.add(&EXT4, &known, &digest(1)));
    assert!(!index.add(&EXT4, &known, &digest(1)), "that is no news");
    assert_eq!(index.find(&EXT4, &known), Some(digest(1)));
    let later = |time: Timestamp| Timestamp { nanoseconds: time.nanoseconds + 1, ..time };
    for (what, other) in [
        ("mount", Stamp { mount: known.mount + 1, ..known }),
        ("device", Stamp { device: known.device + 1, ..known }),
        ("major", Stamp { device: 9 << 32 | 1, ..known }),
        ("inode", Stamp { inode: 8, ..known }),
        ("size", Stamp { size: known.size + 1, ..known }),
        ("mtime", Stamp { modified: later(known.modified), ..known }),
        ("ctime", Stamp { changed: later(known.changed), ..known }),
    ] {
        assert_eq!(index.find(&EXT4, &other), None, "{what}");
    }
    let other = Stamp { changed: later(known.changed), ..known };
    index.add(&EXT4, &other, &digest(2));
    assert_eq!((index.find(&EXT4, &known), index.find(&EXT4, &other)), (None, Some(digest(2))));
    assert_eq!(index.statistics().files, 1, "one inode, one record");
}

#[test]
fn where_stamps_do_not_tell_of_every_change_there_are_no_records() {
    let whole = Timestamp { seconds: 1, nanoseconds: 0 };
    for (filesystem, stamp) in [
        (Filesystem { stamping: Stamping::Partial, ..EXT4 }, stamp(1)),
        (Filesystem { locality: Locality::Remote, ..EXT4 }, stamp(1)),
        (EXT4, Stamp { changed: whole, ..stamp(1) }),
        (EXT4, Stamp { modified: Timestamp { seconds: i64::MAX, nanoseconds: 1 }, ..stamp(1) }),
        (EXT4, Stamp { device: 1 << 45, ..stamp(1) }),
    ] {
        let index = index();
        assert!(!index.add(&filesystem, &stamp, &digest(1)), "{filesystem:?} {stamp:?}");
        assert_eq!((index.find(&filesystem, &stamp), index.statistics().files), (None, 0));
    }
    // Nor is one believed that was made when another filesystem had the device number.
    let index = index();
    index.add(&EXT4, &stamp(1), &digest(1));
    assert_eq!(index.find(&Filesystem { stamping: Stamping::Partial, ..EXT4 }, &stamp(1)), None);
}

#[test]
fn what_is_not_proved_by_a_lease_has_no_record() {
    let index = index();
    let reading = |proof| Reading {
        stamp: stamp(1),
        digest: digest(1),
        body: None,
        text: Text::Other,
        filesystem: EXT4,
        proof,
    };
    index.add_reading(&reading(Proof::Age));
    assert_eq!(index.statistics().files, 0);
    index.add_reading(&reading(Proof::Lease));
    let found = index.statistics();
    assert_eq!((found.files, found.read, found.bytes_hashed), (1, 1, 2 << 20));
}

/// Runs `test` with a store that has an index, over a large file, unless stamps cannot be trusted here.
fn with_index<F: Future<Output = ()>>(test: impl FnOnce(TestStore, PathBuf) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, vec![1; LARGE]).unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    if root.own_filesystem().is_none_or(|it| it.stamping == Stamping::Partial) {
        return eprintln!("skipped: temporary files have no stamps that can be trusted");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            StoreOptions { algorithm: DigestAlgorithm::Xxh3, memory: 1 << 20, index: IndexMode::Lazy };
        let store = ValidatorStore::new(root, options, Box::new(|_, _, _| ()));
        let keeper = KeeperOptions { folder: None, dotfiles: Dotfiles::Hidden };
        let keeper = keeper::start(Arc::clone(&store), keeper);
        test(store, file).await;
        keeper.finish();
    });
}

/// The digest of a file, if it has one now.
async fn digest_of(store: &TestStore, name: &str) -> Option<Digest> {
    let path = ResourcePath::from_names(name, Dotfiles::Hidden).unwrap();
    match store.current(&path, Patience::Full).await.unwrap() {
        Found::Hashed(entry) => Some(entry.digest()),
        Found::Unhashed(_) | Found::Directory(_) => None,
    }
}

fn of_bytes(byte: u8) -> Option<Digest> {
    Some(Digest::of(DigestAlgorithm::Xxh3, &vec![byte; LARGE]))
}

/// How many files were read, and how many not because they were known.
fn counts(store: &TestStore) -> (u64, u64) {
    let statistics = store.index().statistics();
    (statistics.read, statistics.known)
}

#[test]
fn a_large_file_is_not_read_again_when_a_folder_above_it_is_renamed() {
    with_index(|store, file| async move {
        let below = |folder: &str| file.with_file_name(folder);
        fs::create_dir(below("old")).unwrap();
        fs::rename(&file, below("old").join("file")).unwrap();
        assert_eq!((digest_of(&store, "old/file").await, counts(&store)), (of_bytes(1), (1, 0)));
        fs::rename(below("old"), below("new")).unwrap();
        assert_eq!((digest_of(&store, "new/file").await, counts(&store)), (of_bytes(1), (1, 1)));
        store.evict("new/file");
        assert_eq!((digest_of(&store, "new/file").await, counts(&store)), (of_bytes(1), (1, 2)));
    });
}

#[test]
fn a_file_of_the_same_size_and_mtime_is_read_again() {
    with_index(|store, file| async move {
        assert_eq!(digest_of(&store, "file").await, of_bytes(1));
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, vec![2; LARGE]).unwrap();
        fs::File::options().append(true).open(&file).unwrap().set_modified(modified).unwrap();
        assert_eq!((digest_of(&store, "file").await, counts(&store)), (of_bytes(2), (2, 0)));
    });
}

#[test]
fn a_file_with_a_writer_is_not_taken_from_the_index() {
    with_index(|store, file| async move {
        assert_eq!(digest_of(&store, "file").await, of_bytes(1));
        store.evict("file");
        let writer = fs::File::options().append(true).open(&file).unwrap();
        assert_eq!((digest_of(&store, "file").await, counts(&store)), (None, (1, 0)));
        drop(writer);
        assert_eq!((digest_of(&store, "file").await, counts(&store)), (of_bytes(1), (1, 1)));
    });
}

#[test]
fn without_a_keeper_nothing_is_kept() {
    let index = Index::new(IndexMode::Lazy);
    assert!(!index.add(&EXT4, &stamp(1), &digest(1)));
    assert_eq!((index.find(&EXT4, &stamp(1)), index.statistics().files), (None, 0));
}
