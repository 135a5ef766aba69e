//! Readings of files that hold still, that move under the reading, and that are young.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::resource_path::{Dotfiles, ResourcePath};
use crate::root::{Locality, ReadStyle, Root, Stamping, SymlinkPolicy, Timestamps};

const LARGE: usize = 3 << 20;

struct Folder {
    folder: tempfile::TempDir,
    root: Root,
}

impl Folder {
    fn with(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), bytes).unwrap();
        let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
        Self { folder, root }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn open(&self) -> OpenFile {
        self.root.open_file(&ResourcePath::ROOT.child("file", Dotfiles::Hidden).unwrap()).unwrap()
    }

    /// What settling finds on a filesystem with such timestamps.
    fn settle(&self, timestamps: Timestamps) -> &'static str {
        let filesystem = filesystem(timestamps);
        match settle(DigestAlgorithm::Xxh3, |_| filesystem, |_, _| None, || Ok(self.open())).unwrap() {
            Settled::Certain(_) => "certain",
            Settled::Fleeting(_) => "fleeting",
            Settled::Busy => "busy",
        }
    }
}

fn filesystem(timestamps: Timestamps) -> Filesystem {
    let (locality, read_style, stamping) = (Locality::Local, ReadStyle::InPlace, Stamping::Partial);
    Filesystem { name: "test", timestamps, locality, read_style, stamping }
}

#[test]
fn a_reading_counts_only_if_the_stamp_is_the_same_afterwards() {
    for bytes in [vec![b'a'; 1000], vec![b'a'; LARGE]] {
        let folder = Folder::with(&bytes);
        let file = folder.open();
        let stamp = file.stamp();
        let counts = || match bytes.len() == LARGE {
            true => read_large(&file, &stamp, DigestAlgorithm::Xxh3, || true).unwrap().is_some(),
            false => read_small(&file, &stamp).unwrap().is_some(),
        };
        assert!(counts());
        fs::write(folder.path(), vec![b'b'; bytes.len()]).unwrap();
        assert!(!counts(), "{} bytes", bytes.len());
    }
}

#[test]
fn a_file_that_nobody_writes_is_certain_at_once_where_stamps_are_fine() {
    assert_eq!(Folder::with(b"bytes").settle(Timestamps::Multigrain), "certain");
    assert_eq!(Folder::with(&vec![0; LARGE]).settle(Timestamps::Multigrain), "certain");
}

#[test]
fn where_stamps_are_coarse_a_young_file_is_waited_for() {
    let folder = Folder::with(b"bytes");
    let written = folder.open().stamp();
    assert_eq!(folder.settle(Timestamps::Coarse), "certain");
    assert!(written.changed.age_ms(SystemTime::now()) >= 20);
}

#[test]
fn a_file_held_open_for_writing_is_never_certain() {
    for (bytes, found) in [(vec![0; 1000], "fleeting"), (vec![0; LARGE], "busy")] {
        let folder = Folder::with(&bytes);
        let _writer = fs::File::options().append(true).open(folder.path()).unwrap();
        assert_eq!(folder.settle(Timestamps::Multigrain), found);
    }
}

#[test]
fn stamps_of_whole_seconds_must_be_two_seconds_old() {
    let stamp = |nanoseconds| {
        let time = crate::root::Timestamp { seconds: 1000, nanoseconds };
        Stamp { mount: 1, device: 1, inode: 1, size: 1, modified: time, changed: time }
    };
    for (timestamps, nanoseconds, milliseconds) in [
        (Timestamps::Multigrain, 0, 0),
        (Timestamps::Multigrain, 5, 0),
        (Timestamps::Coarse, 5, 20),
        (Timestamps::Coarse, 0, 2100),
    ] {
        let needed = filesystem(timestamps).settling_time(&stamp(nanoseconds));
        assert_eq!(needed, Duration::from_millis(milliseconds), "{timestamps:?} {nanoseconds}");
    }
}
