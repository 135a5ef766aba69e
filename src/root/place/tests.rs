//! Where a write goes: through links, past what is in the way, and in spite of what is moved meanwhile.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::resource_path::Dotfiles;
use crate::root::StagedFile;

/// `served` with a file, a folder and a pipe, beside `outside` with a file.
struct Around(tempfile::TempDir);

impl Around {
    fn new() -> Self {
        let around = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(around.path("served/folder/deep")).unwrap();
        fs::create_dir(around.path("outside")).unwrap();
        for file in ["served/file", "served/folder/file", "outside/file"] {
            fs::write(around.path(file), file).unwrap();
        }
        rustix::fs::mknodat(CWD, around.path("served/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        around
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn link(&self, to: impl AsRef<Path>, name: &str) {
        symlink(to, self.path("served").join(name)).unwrap();
    }

    fn root(&self, symlinks: SymlinkPolicy) -> Root {
        Root::open(&self.path("served"), symlinks).unwrap()
    }

    /// Which file is found at `name`: its path below the temporary folder, or why there is no place.
    fn found(&self, symlinks: SymlinkPolicy, name: &str) -> Result<String, WriteError> {
        let place = self.root(symlinks).place(&path(name), Parents::Existing)?;
        place.occupant()?;
        let folder = descriptor_path(place.directory.as_fd()).unwrap();
        let folder = folder.strip_prefix(fs::canonicalize(self.0.path()).unwrap()).unwrap();
        Ok(folder.join(place.name.to_str().unwrap()).to_str().unwrap().to_owned())
    }
}

fn path(name: &str) -> ResourcePath<'static> {
    let name = format!("/{name}");
    let parsed = ResourcePath::parse(&name, Dotfiles::Hidden).unwrap();
    parsed.path.into_owned()
}

fn write(place: &Place, bytes: &str) {
    let mut file = StagedFile::at(place).unwrap();
    file.write(bytes.as_bytes()).unwrap();
    file.complete().unwrap().create(place).unwrap();
}

#[test]
fn a_place_is_where_the_path_leads() {
    use SymlinkPolicy::{All, Deny, Within};
    let around = Around::new();
    around.link("folder/file", "in");
    around.link("in", "chain");
    around.link(around.path("served/folder/file"), "absolute");
    around.link("../outside/file", "out");
    around.link("../outside", "out-folder");
    around.link("folder", "in-folder");
    around.link("nowhere", "dangling");
    around.link(".", "self");
    let found = |name: &str| Ok(name.to_owned());
    let table = [
        (Within, "file", found("served/file")),
        (Within, "folder/file", found("served/folder/file")),
        (Within, "new", found("served/new")),
        (Within, "folder", Err(WriteError::Folder)),
        (Within, "pipe", Err(WriteError::NotAFile)),
        (Within, "missing/new", Err(WriteError::Missing)),
        (Within, "file/new", Err(WriteError::ParentNotAFolder)),
        (Within, "in", found("served/folder/file")),
        (Within, "chain", found("served/folder/file")),
        (Within, "absolute", found("served/folder/file")),
        (Within, "in-folder/new", found("served/folder/new")),
        (Within, "in-folder/file", found("served/folder/file")),
        (Within, "in-folder", Err(WriteError::Folder)),
        (Within, "self", Err(WriteError::Folder)),
        (Within, "dangling", Err(WriteError::NotAFile)),
        (Within, "out", Err(WriteError::NotAFile)),
        (Within, "out-folder/file", Err(WriteError::NotAFile)),
        (Within, "out-folder/new", Err(WriteError::NotAFile)),
        (Deny, "in", Err(WriteError::NotAFile)),
        (Deny, "out", Err(WriteError::NotAFile)),
        (Deny, "in-folder/file", Err(WriteError::NotAFile)),
        (All, "out", found("outside/file")),
        (All, "out-folder/new", found("outside/new")),
        (All, "in", found("served/folder/file")),
        (All, "dangling", Err(WriteError::NotAFile)),
    ];
    for (symlinks, name, expected) in table {
        assert_eq!(around.found(symlinks, name), expected, "{symlinks:?} {name}");
    }
    assert_eq!(around.found(Within, &"n".repeat(256)), Err(WriteError::BadName));
}

#[test]
fn a_link_is_its_own_place_where_the_name_is_meant() {
    let around = Around::new();
    around.link("folder/file", "in");
    let place = around.root(SymlinkPolicy::Within).place_of_name(&path("in")).unwrap();
    assert_eq!(place.name.as_c_str(), c"in");
    assert!(matches!(place.occupant(), Err(WriteError::NotAFile)));
    assert!(matches!(place.open(), Err(WriteError::NotAFile)));
}

#[test]
fn folders_on_the_way_are_made_and_go_again_unless_they_are_kept() {
    for kept in [true, false] {
        let around = Around::new();
        let root = around.root(SymlinkPolicy::Within);
        let mut place = root.place(&path("folder/one/two/new"), Parents::Create).unwrap();
        assert!(around.path("served/folder/one/two").is_dir());
        place.sync().unwrap();
        if kept {
            place.keep_directories();
        }
        drop(place);
        assert_eq!(around.path("served/folder/one/two").exists(), kept);
        assert_eq!(around.path("served/folder/one").exists(), kept);
        assert!(around.path("served/folder").exists());
    }
}

#[test]
fn a_folder_that_somebody_uses_meanwhile_stays() {
    let around = Around::new();
    let root = around.root(SymlinkPolicy::Within);
    let place = root.place(&path("one/two/new"), Parents::Create).unwrap();
    File::create(around.path("served/one/theirs")).unwrap();
    drop(place);
    assert!(around.path("served/one/theirs").exists());
    assert!(!around.path("served/one/two").exists());
}

#[test]
fn no_folder_is_made_through_a_link_that_leads_nowhere_or_out() {
    let around = Around::new();
    around.link("../outside/new", "dangling-out");
    around.link("new", "dangling");
    around.link("../outside", "out");
    for symlinks in [SymlinkPolicy::Deny, SymlinkPolicy::Within] {
        let root = around.root(symlinks);
        for name in ["dangling-out/new", "dangling/new", "dangling/one/two", "out/one/new"] {
            let place = root.place(&path(name), Parents::Create);
            assert!(
                matches!(place, Err(WriteError::NotAFile | WriteError::ParentNotAFolder)),
                "{symlinks:?} {name}: {place:?}"
            );
        }
    }
    assert_eq!(fs::read_dir(around.path("outside")).unwrap().count(), 1);
    assert!(!around.path("served/new").exists());
}

/// As when it is put there between the look for what is missing and the making of it.
#[test]
fn a_link_in_the_place_of_a_folder_that_is_to_be_made_is_not_entered() {
    let around = Around::new();
    around.link("../outside", "link");
    let served = || OwnedFd::from(File::open(around.path("served")).unwrap());
    let mut created = CreatedDirectories::default();
    let entered = created.enter(served(), c"link".to_owned());
    assert!(matches!(entered, Err(WriteError::NotAFile | WriteError::ParentNotAFolder)), "{entered:?}");
    assert!(created.enter(served(), c"folder".to_owned()).is_ok(), "one that is there is entered");
    drop(created);
    assert!(around.path("served/link").exists() && around.path("served/folder").exists());
}

#[test]
fn a_write_goes_to_the_folder_that_was_found_wherever_it_is_moved() {
    let around = Around::new();
    let root = around.root(SymlinkPolicy::Within);
    let place = root.place(&path("folder/deep/new"), Parents::Existing).unwrap();
    fs::rename(around.path("served/folder/deep"), around.path("served/moved")).unwrap();
    around.link("../../outside", "folder/deep");
    write(&place, "bytes");
    assert_eq!(fs::read(around.path("served/moved/new")).unwrap(), b"bytes");
    assert!(!around.path("outside/new").exists());
}

#[test]
fn a_file_that_became_a_link_is_not_followed() {
    let around = Around::new();
    let place = around.root(SymlinkPolicy::Within).place(&path("file"), Parents::Existing).unwrap();
    fs::remove_file(around.path("served/file")).unwrap();
    around.link("../outside/file", "file");
    assert!(matches!(place.open(), Err(WriteError::NotAFile)));
}

#[test]
fn another_folder_in_the_place_of_the_root_is_written_to() {
    let around = Around::new();
    let root = around.root(SymlinkPolicy::Within);
    fs::rename(around.path("served"), around.path("former")).unwrap();
    let gone = root.place(&path("new"), Parents::Existing);
    assert!(matches!(gone, Err(WriteError::RootGone)), "{gone:?}");
    fs::create_dir(around.path("served")).unwrap();
    write(&root.place(&path("new"), Parents::Existing).unwrap(), "bytes");
    assert!(around.path("served/new").exists() && !around.path("former/new").exists());
}

#[test]
fn the_file_at_a_place_is_opened_and_nothing_is_no_error() {
    let around = Around::new();
    let root = around.root(SymlinkPolicy::Within);
    let place = root.place(&path("file"), Parents::Existing).unwrap();
    let file = place.open().unwrap().expect("a file");
    assert_eq!(file.stamp().inode, fs::metadata(around.path("served/file")).unwrap().ino());
    let place = place.beside(c"none").unwrap();
    assert!(matches!(place.occupant(), Ok(Occupant::Nothing)));
    assert!(place.open().unwrap().is_none());
}

#[test]
fn a_folder_tells_whether_it_can_be_written_to_and_how_much_room_there_is() {
    let around = Around::new();
    let root = around.root(SymlinkPolicy::Within);
    let place = root.place(&path("folder/new"), Parents::Existing).unwrap();
    assert_eq!(place.check_writable(&Occupant::Nothing), Ok(()));
    assert!(place.free_space().unwrap() > 0);
    if !rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(around.path("served/folder"), fs::Permissions::from_mode(0o555)).unwrap();
        assert_eq!(place.check_writable(&Occupant::Nothing), Err(WriteError::Forbidden));
        fs::set_permissions(around.path("served/folder"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}
