//! New versions before and when they get a name, on filesystems with unnamed files and without.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::*;
use crate::resource_path::{Dotfiles, RESERVED_PREFIX};
use crate::root::{Parents, SymlinkPolicy};

struct Folder {
    folder: tempfile::TempDir,
    root: Root,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
        Self { folder, root }
    }

    fn place(&self, name: &str) -> Place {
        let path = ResourcePath::ROOT.child(name, Dotfiles::Hidden).unwrap();
        self.root.place(&path, Parents::Existing).unwrap()
    }

    fn stage(&self, how: How) -> StagedFile {
        let place = self.place("f");
        match how {
            How::Unnamed => StagedFile::at(&place).unwrap(),
            How::Named => StagedFile::with_a_name(place.directory.try_clone().unwrap()).unwrap(),
        }
    }

    fn version(&self, how: How, bytes: &str) -> StagedVersion {
        let mut file = self.stage(how);
        file.write(bytes.as_bytes()).unwrap();
        file.complete().unwrap()
    }

    /// The names that everybody sees, and how many reserved ones there are.
    fn names(&self) -> (Vec<String>, usize) {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let (reserved, mut seen): (Vec<_>, Vec<_>) =
            names.partition(|name| name.starts_with(RESERVED_PREFIX));
        seen.sort();
        (seen, reserved.len())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Whether the filesystem has files without names.
#[derive(Clone, Copy, Debug)]
enum How {
    Unnamed,
    Named,
}

const BOTH: [How; 2] = [How::Unnamed, How::Named];

#[test]
fn a_version_that_is_given_up_leaves_nothing_behind() {
    for how in BOTH {
        let folder = Folder::new();
        let mut file = folder.stage(how);
        file.write(b"half").unwrap();
        drop(file);
        assert_eq!(folder.names(), (vec![], 0), "{how:?}: received in part");
        drop(folder.version(how, "new"));
        assert_eq!(folder.names(), (vec![], 0), "{how:?}: complete");
        let mut version = folder.version(how, "new");
        version.reserve(&folder.place("f"), None).unwrap();
        assert_eq!(folder.names(), (vec![], 1), "{how:?}: about to be swapped");
        drop(version);
        assert_eq!(folder.names(), (vec![], 0), "{how:?}: not swapped");
    }
}

#[test]
fn a_version_gets_its_name_only_if_nothing_has_it() {
    for how in BOTH {
        let folder = Folder::new();
        fs::write(folder.path("f"), "old").unwrap();
        let mut version = folder.version(how, "new");
        assert_eq!(version.create(&folder.place("f")), Ok(Creation::Exists));
        assert_eq!(fs::read(folder.path("f")).unwrap(), b"old");
        assert_eq!(version.create(&folder.place("g")), Ok(Creation::Done));
        drop(version);
        assert_eq!(fs::read(folder.path("g")).unwrap(), b"new");
        assert_eq!(folder.names(), (vec!["f".to_owned(), "g".to_owned()], 0), "{how:?}");
    }
}

#[test]
fn a_reserved_name_can_be_changed_and_then_created_from() {
    for how in BOTH {
        let folder = Folder::new();
        let mut version = folder.version(how, "new");
        version.reserve(&folder.place("f"), Some("a7qGx-Bp9W1aELQ18cj_nA")).unwrap();
        version.reserve(&folder.place("f"), Some("a7qGx-Bp9W1aELQ18cj_nA")).unwrap();
        version.reserve(&folder.place("g"), None).unwrap();
        assert_eq!(folder.names(), (vec![], 1), "{how:?}");
        assert_eq!(version.create(&folder.place("g")), Ok(Creation::Done));
        drop(version);
        assert_eq!(folder.names(), (vec!["g".to_owned()], 0), "{how:?}");
    }
}

#[test]
fn what_a_crash_left_under_the_same_reserved_name_is_in_nobodys_way() {
    let folder = Folder::new();
    let mut version = folder.version(How::Unnamed, "new");
    let name = Reserved::new(Kind::Replace, version.stamp(), None, c"f").encode(LONGEST_NAME);
    fs::write(folder.path(name.to_str().unwrap()), "left").unwrap();
    version.reserve(&folder.place("f"), None).unwrap();
    assert_eq!(fs::read(folder.path(name.to_str().unwrap())).unwrap(), b"new");
}

#[test]
fn a_version_is_held_and_who_tries_to_write_to_it_shows() {
    for how in BOTH {
        let folder = Folder::new();
        let mut version = folder.version(how, "new");
        assert!(matches!(version.held(), Held::Leased(_)), "{how:?}");
        assert_eq!(version.create(&folder.place("f")), Ok(Creation::Done));
        version.sync().unwrap();
        assert!(version.is_untouched(), "{how:?}: a name and a sync are no change");
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        File::options().write(true).custom_flags(flags).open(folder.path("f")).expect_err("it is held");
        assert!(!version.is_untouched(), "{how:?}");
    }
}

#[test]
fn the_bytes_are_all_there_in_their_order() {
    let folder = Folder::new();
    let mut file = folder.stage(How::Unnamed);
    let pieces: Vec<Vec<u8>> = (0..5_u8).map(|piece| vec![piece; 100_000]).collect();
    pieces.iter().for_each(|piece| file.write(piece).unwrap());
    let mut version = file.complete().unwrap();
    assert_eq!(version.stamp().size, 500_000);
    version.create(&folder.place("f")).unwrap();
    assert_eq!(fs::read(folder.path("f")).unwrap(), pieces.concat());
}

#[test]
fn what_it_looks_like_comes_from_what_is_there() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mut version = folder.version(How::Unnamed, "new");
    assert_eq!(version.take_over(&folder.place("f")), Ok(None), "nothing is there");
    fs::write(folder.path("f"), "old").unwrap();
    fs::set_permissions(folder.path("f"), fs::Permissions::from_mode(0o750)).unwrap();
    let old = folder.place("f").open().unwrap().expect("a file");
    assert_eq!(version.take_over(&folder.place("f")), Ok(Some(old.stamp())));
    version.create(&folder.place("g")).unwrap();
    assert_eq!(fs::metadata(folder.path("g")).unwrap().permissions().mode() & 0o7777, 0o750);
    assert!(version.is_untouched());
}

#[test]
fn a_name_that_is_taken_is_not_renamed_over() {
    let folder = Folder::new();
    fs::write(folder.path("f"), "f").unwrap();
    fs::write(folder.path("g"), "g").unwrap();
    let directory = &folder.place("f").directory;
    assert_eq!(rename_to_new(directory, c"f", directory, c"g"), Err(Errno::EXIST));
    assert_eq!(rename_to_new(directory, c"f", directory, c"h"), Ok(()));
    assert_eq!(rename_to_new(directory, c"f", directory, c"h"), Err(Errno::NOENT));
    assert_eq!(folder.names().0, ["g", "h"]);
}

#[test]
fn a_folder_that_was_removed_meanwhile_is_missing_not_forbidden() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("sub")).unwrap();
    let path = ResourcePath::ROOT.child("sub", Dotfiles::Hidden).unwrap();
    let path = path.child("f", Dotfiles::Hidden).unwrap();
    let place = folder.root.place(&path, Parents::Existing).unwrap();
    std::fs::remove_dir(folder.path("sub")).unwrap();
    // Some filesystems make a file there all the same, which nothing can be linked to any more.
    match StagedFile::at(&place) {
        Err(error) => assert_eq!(error, WriteError::Missing),
        Ok(file) => assert_eq!(file.complete().unwrap().create(&place), Err(WriteError::Missing)),
    }
}

/// The reserved names of the folder.
fn reserved(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(folder.folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(RESERVED_PREFIX)).collect()
}

#[test]
fn a_filesystem_that_takes_no_long_names_gets_short_ones() {
    let folder = Folder::new();
    let place = folder.place(&"f".repeat(150));
    let version = folder.version(How::Unnamed, "new");
    let name = Reserved::new(Kind::Replace, version.stamp(), Some(&"t".repeat(22)), &place.name);
    for limit in [143, 175, Reserved::SHORT] {
        let mut asked = Vec::new();
        let given = place.with_reserved_name(&name, |name| {
            asked.push(name.to_bytes().len());
            if name.to_bytes().len() > limit { Err(Errno::NAMETOOLONG) } else { Ok(()) }
        });
        assert!(given.unwrap().as_bytes().len() <= limit);
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
    assert_eq!(reserved(&folder), [""; 0]);
}
