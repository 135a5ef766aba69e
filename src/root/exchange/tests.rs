//! Swaps and removals in every state that other programs can bring about, built by hand: what is there in the end,
//! and what the caller is told.

use std::cell::RefCell;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::resource_path::{Dotfiles, RESERVED_PREFIX, ResourcePath};
use crate::root::{Parents, StagedFile, SymlinkPolicy};

/// A folder with a file `f.txt` of the bytes `old`.
struct Folder {
    folder: tempfile::TempDir,
    root: Root,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f.txt"), "old").unwrap();
        let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
        Self { folder, root }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("f.txt")
    }

    fn place(&self) -> Place {
        let path = ResourcePath::ROOT.child("f.txt", Dotfiles::Hidden).unwrap();
        self.root.place(&path, Parents::Existing).unwrap()
    }

    fn version(&self, bytes: &str) -> StagedVersion {
        let mut file = StagedFile::at(&self.place()).unwrap();
        file.write(bytes.as_bytes()).unwrap();
        file.complete().unwrap()
    }

    fn hold(&self) -> Held {
        Held::hold(self.place().open().unwrap().expect("a file")).expect("nobody writes")
    }

    /// Held as where no lease can be had.
    fn hold_unleased(&self) -> Held {
        Held::Unleased(self.place().open().unwrap().expect("a file"))
    }

    /// Replaces `f.txt` as an editor does that writes a new file.
    fn save(&self, bytes: &str) {
        save(&self.path(), bytes);
    }

    fn replace(&self, version: &mut StagedVersion, expected: Option<&Held>) -> Result<Swap, WriteError> {
        let place = self.place();
        let lock = self.root.lock(&place).unwrap();
        let expected = expected.map(expect);
        self.root.replace(&lock, &place, version, expected.as_ref())
    }

    fn remove(&self, expected: Option<&Held>) -> Result<Swap, WriteError> {
        let place = self.place();
        let lock = self.root.lock(&place).unwrap();
        let expected = expected.map(expect);
        self.root.remove(&lock, &place, expected.as_ref())
    }

    /// All names and bytes, sorted. Conflict copies are called `copy`, reserved names `reserved`.
    fn state(&self) -> Vec<(String, String)> {
        let mut state: Vec<(String, String)> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                let bytes = match entry.file_type().unwrap() {
                    kind if kind.is_dir() => "(folder)".to_owned(),
                    kind if kind.is_symlink() => "(link)".to_owned(),
                    _ => fs::read_to_string(entry.path()).unwrap(),
                };
                let called = match name.as_str() {
                    name if name.starts_with(RESERVED_PREFIX) => "reserved",
                    name if name.starts_with("f.conflict-") => "copy",
                    name => name,
                };
                (called.to_owned(), bytes)
            })
            .collect();
        state.sort();
        state
    }

    #[track_caller]
    fn assert_state(&self, expected: &[(&str, &str)]) {
        let state = self.state();
        let state: Vec<_> = state.iter().map(|(name, bytes)| (name.as_str(), bytes.as_str())).collect();
        assert_eq!(state, expected);
    }
}

fn save(path: &Path, bytes: &str) {
    let new = path.with_file_name(".new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Writes other bytes of the same length, and sets mtime back: only the bytes tell.
fn write_in_place(path: &Path, bytes: &str) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let file = File::options().write(true).open(path).unwrap();
    rustix::io::pwrite(&file, bytes.as_bytes(), 0).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
}

/// Tries to open for writing without waiting: who has a lease on the file sees somebody come.
fn knock(path: &Path) {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    File::options().write(true).custom_flags(flags).open(path).expect_err("a lease is on the file");
}

type Meanwhile = Box<dyn FnOnce() -> bool>;

thread_local! {
    /// What happens while a swap is verified by reading, and whether what came out is the expected version then.
    static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
}

fn meanwhile(happens: impl FnOnce() -> bool + 'static) {
    MEANWHILE.set(Some(Box::new(happens)));
}

fn has_tag(_: &OpenFile, _: &str) -> bool {
    MEANWHILE.take().is_none_or(|happens| happens())
}

fn expect(held: &Held) -> Expected<'_> {
    Expected { held, stamp: held.file().stamp(), tag: "a7qGx-Bp9W1aELQ18cj_nA", has_tag }
}

#[test]
fn the_expected_version_is_replaced_and_gone() {
    for hold in [Folder::hold, Folder::hold_unleased] {
        let folder = Folder::new();
        let mut new = folder.version("new");
        assert_eq!(folder.replace(&mut new, Some(&hold(&folder))), Ok(Swap::Done));
        folder.assert_state(&[("f.txt", "new")]);
        assert!(new.is_untouched());
        drop(new);
        folder.assert_state(&[("f.txt", "new")]);
    }
}

#[test]
fn without_an_expectation_any_file_is_replaced() {
    let folder = Folder::new();
    let mut new = folder.version("new");
    folder.save("saved");
    assert_eq!(folder.replace(&mut new, None), Ok(Swap::Done));
    folder.assert_state(&[("f.txt", "new")]);
}

#[test]
fn a_version_that_was_saved_before_the_swap_comes_back() {
    for hold in [Folder::hold, Folder::hold_unleased] {
        let folder = Folder::new();
        let (held, mut new) = (hold(&folder), folder.version("new"));
        folder.save("saved");
        assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Conflict));
        folder.assert_state(&[("f.txt", "saved"), ("reserved", "new")]);
        drop(new);
        folder.assert_state(&[("f.txt", "saved")]);
    }
}

#[test]
fn a_version_that_came_back_from_a_conflict_can_be_used_again() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold(), folder.version("new"));
    folder.save("saved");
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Conflict));
    let held = folder.hold();
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Done));
    folder.assert_state(&[("f.txt", "new")]);
    // ... and so can one that is to be created then.
    fs::remove_file(folder.path()).unwrap();
    let mut other = folder.version("other");
    assert_eq!(folder.replace(&mut other, Some(&held)), Ok(Swap::Vanished));
    assert_eq!(other.create(&folder.place()), Ok(crate::root::Creation::Done));
    drop(other);
    folder.assert_state(&[("f.txt", "other")]);
}

#[test]
fn somebody_who_waits_to_write_gets_the_old_file_back() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold(), folder.version("new"));
    let Held::Leased(lease) = &held else { panic!("no lease") };
    let writer = std::thread::spawn({
        let path = folder.path();
        move || fs::write(path, "written")
    });
    while lease.is_undisturbed() {
        std::thread::yield_now();
    }
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Conflict));
    drop((held, new));
    writer.join().unwrap().unwrap();
    folder.assert_state(&[("f.txt", "written")]);
}

#[test]
fn bytes_written_in_place_come_back_though_size_and_mtime_are_the_same() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    write_in_place(&folder.path(), "odd");
    meanwhile(|| false);
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Conflict));
    folder.assert_state(&[("f.txt", "odd"), ("reserved", "new")]);
}

/// A program that has read the rejected version, or nothing, has written to it: what it displaced is not lost.
#[test]
fn what_was_displaced_is_kept_when_somebody_writes_to_the_rejected_version() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    write_in_place(&folder.path(), "odd");
    let path = folder.path();
    meanwhile(move || {
        knock(&path);
        false
    });
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Spent));
    drop(new);
    folder.assert_state(&[("copy", "odd"), ("f.txt", "new")]);
    assert_eq!(folder.root.conflict_copies(), 1);
}

#[test]
fn a_newer_version_saved_over_the_rejected_one_stays() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    let path = folder.path();
    meanwhile(move || {
        save(&path, "newer");
        false
    });
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Spent));
    drop(new);
    folder.assert_state(&[("f.txt", "newer")]);
    assert_eq!(folder.root.conflict_copies(), 0);
}

#[test]
fn what_was_displaced_comes_back_when_the_rejected_version_is_removed() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    let path = folder.path();
    meanwhile(move || {
        fs::remove_file(path).unwrap();
        false
    });
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Spent));
    drop(new);
    folder.assert_state(&[("f.txt", "old")]);
}

#[test]
fn a_version_saved_over_ours_after_the_swap_has_been_verified_stays() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    let path = folder.path();
    meanwhile(move || {
        save(&path, "newer");
        true
    });
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Done));
    drop(new);
    folder.assert_state(&[("f.txt", "newer")]);
}

/// Whether names in a folder may be added, but not changed or removed.
fn fix_names(folder: &Path, fixed: bool) -> bool {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let folder = File::open(folder).unwrap();
    let set = |flags: IFlags| {
        ioctl_setflags(&folder, if fixed { flags | IFlags::APPEND } else { flags - IFlags::APPEND })
    };
    ioctl_getflags(&folder).and_then(set).is_ok()
}

#[test]
fn an_undo_that_fails_removes_nothing() {
    let folder = Folder::new();
    let parent = folder.folder.path().to_owned();
    if !fix_names(&parent, true) {
        // Not root, or a filesystem without the attribute.
        return;
    }
    fix_names(&parent, false);
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    meanwhile(move || !fix_names(&parent, true));
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Unresolved(WriteError::Forbidden)));
    fix_names(folder.folder.path(), false);
    drop(new);
    folder.assert_state(&[("f.txt", "new"), ("reserved", "old")]);
}

#[test]
fn nothing_at_the_place_is_told_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold(), folder.version("new"));
    fs::remove_file(folder.path()).unwrap();
    assert_eq!(folder.replace(&mut new, Some(&held)), Ok(Swap::Vanished));
    assert_eq!(folder.replace(&mut new, None), Ok(Swap::Vanished));
    drop(new);
    folder.assert_state(&[]);
    assert_eq!(folder.remove(Some(&held)), Ok(Swap::Vanished));
    assert_eq!(folder.remove(None), Ok(Swap::Vanished));
}

#[test]
fn what_is_no_file_is_not_replaced_even_if_it_comes_at_the_last_moment() {
    for kind in ["(folder)", "(link)"] {
        for expected in [true, false] {
            let folder = Folder::new();
            let place = folder.place();
            let (held, mut new) = (folder.hold(), folder.version("new"));
            fs::remove_file(folder.path()).unwrap();
            match kind {
                "(folder)" => fs::create_dir(folder.path()).unwrap(),
                _ => symlink("elsewhere", folder.path()).unwrap(),
            }
            let lock = folder.root.lock(&place).unwrap();
            let expectation = expected.then(|| expect(&held));
            let swap = folder.root.replace(&lock, &place, &mut new, expectation.as_ref());
            assert_eq!(swap, Ok(Swap::Conflict), "{kind} {expected}");
            drop((lock, new));
            folder.assert_state(&[("f.txt", kind)]);
        }
    }
}

#[test]
fn a_version_is_created_only_where_nothing_is() {
    let folder = Folder::new();
    let mut new = folder.version("new");
    assert_eq!(new.create(&folder.place()), Ok(crate::root::Creation::Exists));
    folder.assert_state(&[("f.txt", "old")]);
    fs::remove_file(folder.path()).unwrap();
    assert_eq!(new.create(&folder.place()), Ok(crate::root::Creation::Done));
    drop(new);
    folder.assert_state(&[("f.txt", "new")]);
}

#[test]
fn the_expected_version_is_removed_and_gone() {
    for expected in [Some(Folder::hold as fn(&Folder) -> Held), Some(Folder::hold_unleased), None] {
        let folder = Folder::new();
        let held = expected.map(|hold| hold(&folder));
        assert_eq!(folder.remove(held.as_ref()), Ok(Swap::Done));
        folder.assert_state(&[]);
    }
}

#[test]
fn a_version_that_was_saved_before_the_removal_comes_back() {
    for hold in [Folder::hold, Folder::hold_unleased] {
        let folder = Folder::new();
        let held = hold(&folder);
        folder.save("saved");
        assert_eq!(folder.remove(Some(&held)), Ok(Swap::Conflict));
        folder.assert_state(&[("f.txt", "saved")]);
    }
}

#[test]
fn a_folder_that_came_in_place_of_the_file_is_not_removed() {
    for expected in [true, false] {
        let folder = Folder::new();
        let (place, held) = (folder.place(), folder.hold());
        fs::remove_file(folder.path()).unwrap();
        fs::create_dir(folder.path()).unwrap();
        fs::write(folder.path().join("within"), "").unwrap();
        let lock = folder.root.lock(&place).unwrap();
        let expectation = expected.then(|| expect(&held));
        let swap = folder.root.remove(&lock, &place, expectation.as_ref());
        assert_eq!(swap, if expected { Ok(Swap::Conflict) } else { Err(WriteError::Folder) });
        folder.assert_state(&[("f.txt", "(folder)")]);
        assert!(folder.path().join("within").exists());
    }
}

/// A program sees the name free, because we have taken the file away to look at it, and takes it: both are kept.
#[test]
fn a_file_created_during_a_removal_that_is_taken_back_stays_and_so_does_the_old_one() {
    let folder = Folder::new();
    let held = folder.hold_unleased();
    let path = folder.path();
    meanwhile(move || {
        File::create_new(&path).unwrap();
        false
    });
    assert_eq!(folder.remove(Some(&held)), Ok(Swap::Conflict));
    folder.assert_state(&[("copy", "old"), ("f.txt", "")]);
}

#[test]
fn a_file_created_during_a_removal_that_stands_stays() {
    let folder = Folder::new();
    let held = folder.hold_unleased();
    let path = folder.path();
    meanwhile(move || {
        fs::write(&path, "newer").unwrap();
        true
    });
    assert_eq!(folder.remove(Some(&held)), Ok(Swap::Done));
    folder.assert_state(&[("f.txt", "newer")]);
}

/// Our version is at neither name any more: what others have put at the place is newer than what it had displaced.
#[test]
fn an_undo_ends_with_the_newest_at_the_place() {
    let folder = Folder::new();
    let place = folder.place();
    let reserved = c".~ifmatch.r.1.2.3.4.any.f.txt";
    fs::write(folder.folder.path().join(reserved.to_str().unwrap()), "displaced").unwrap();
    let undone = folder.root.undo(&place, reserved, u64::MAX, &|| panic!("ours did not come out"));
    assert_eq!(undone, Ok(Undone::Spent));
    folder.assert_state(&[("f.txt", "old")]);
}

#[test]
fn an_undo_that_is_disturbed_again_and_again_ends_with_nothing_lost() {
    let folder = Folder::new();
    let (held, mut new) = (folder.hold_unleased(), folder.version("new"));
    let path = folder.path();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let saver = std::thread::spawn(move || {
        let mut saves = 0;
        while stopped.try_recv().is_err() {
            saves += 1;
            save(&path, &format!("save {saves}"));
        }
        saves
    });
    meanwhile(|| false);
    let swap = folder.replace(&mut new, Some(&held)).unwrap();
    stop.send(()).unwrap();
    let saves = saver.join().unwrap();
    drop(new);
    assert!(matches!(swap, Swap::Conflict | Swap::Spent));
    folder.assert_state(&[("f.txt", &format!("save {saves}"))]);
}

/// Takes away everything under a reserved name, as another program could, and finds other bytes than expected.
fn finds_others_after_a_loss(_: &OpenFile, _: &str) -> bool {
    FOLDER.with_borrow(|folder| {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(RESERVED_PREFIX)) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    });
    false
}

thread_local! {
    static FOLDER: std::cell::RefCell<PathBuf> = const { std::cell::RefCell::new(PathBuf::new()) };
}

#[test]
fn what_can_neither_stand_nor_be_undone_is_not_told_as_if_nothing_had_changed() {
    let unresolved = Ok(Swap::Unresolved(WriteError::Missing));
    let folder = Folder::new();
    FOLDER.set(folder.folder.path().to_owned());
    let held = folder.hold_unleased();
    let expected = Expected { has_tag: finds_others_after_a_loss, ..expect(&held) };
    let (place, mut version) = (folder.place(), folder.version("new"));
    let lock = folder.root.lock(&place).unwrap();
    assert_eq!(folder.root.replace(&lock, &place, &mut version, Some(&expected)), unresolved);
    folder.assert_state(&[("f.txt", "new")]);
    let held = folder.hold_unleased();
    let expected = Expected { has_tag: finds_others_after_a_loss, ..expect(&held) };
    assert_eq!(folder.root.remove(&lock, &place, Some(&expected)), unresolved);
    folder.assert_state(&[]);
}

#[test]
fn a_version_that_has_its_name_is_created_whatever_the_filesystem_says() {
    let folder = Folder::new();
    fs::remove_file(folder.path()).unwrap();
    let (place, mut version) = (folder.place(), folder.version("new"));
    // As on a network filesystem that does what it is asked, loses the answer, and is asked again.
    version.link(&place.directory, &place.name).unwrap();
    assert_eq!(version.create(&place), Ok(crate::root::Creation::Done));
    let mut other = folder.version("other");
    assert_eq!(other.create(&place), Ok(crate::root::Creation::Exists));
    folder.assert_state(&[("f.txt", "new")]);
}
