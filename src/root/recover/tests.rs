//! Every state in which a crash can leave a folder, and what others can have done to it since: what is there after
//! recovery, and what recovery says.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::CWD;
use rustix::process::geteuid;

use super::*;
use crate::resource_path::Dotfiles;
use crate::root::reserved::{LONGEST_NAME, TargetName};
use crate::root::{Parents, StagedFile, Stamp, SymlinkPolicy};

/// In these tests a tag is the bytes themselves.
fn has_tag(file: &OpenFile, tag: &str) -> bool {
    let mut bytes = [0; 64];
    file.read_at(&mut bytes, 0).is_ok_and(|read| &bytes[..read] == tag.as_bytes())
}

fn recover(folder: &Path) -> Recovered {
    Root::open(folder, SymlinkPolicy::Within).unwrap().recover(&has_tag).unwrap()
}

/// All names and bytes below a folder, sorted. Conflict copies are called `copy`, reserved names `reserved`.
fn state(folder: &Path) -> Vec<(String, String)> {
    let mut state = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let called = match name.as_str() {
            name if name.starts_with(RESERVED_PREFIX) => "reserved".to_owned(),
            name if name.contains(".conflict-") => "copy".to_owned(),
            _ => name,
        };
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => {
                state.push((called.clone(), "(folder)".to_owned()));
                state.extend(
                    self::state(&entry.path())
                        .into_iter()
                        .map(|(name, bytes)| (format!("{called}/{name}"), bytes)),
                );
            }
            kind if kind.is_file() => state.push((called, fs::read_to_string(entry.path()).unwrap())),
            _ => state.push((called, "(other)".to_owned())),
        }
    }
    state.sort();
    state
}

#[track_caller]
fn assert_state(folder: &Path, expected: &[(&str, &str)], what: &str) {
    let state = state(folder);
    let state: Vec<_> = state.iter().map(|(name, bytes)| (name.as_str(), bytes.as_str())).collect();
    assert_eq!(state, expected, "{what}");
}

/// A version with the bytes `new` in a file of its own, and the reserved name for it to take the place of `target`.
fn staged(folder: &Path, expected: Option<&str>, target: &CStr) -> (PathBuf, PathBuf) {
    let new = folder.join("n");
    fs::write(&new, "new").unwrap();
    let stamp = OpenFile::new(File::open(&new).unwrap().into()).unwrap().stamp();
    let name = Reserved::new(Kind::Replace, &stamp, expected, target).encode(LONGEST_NAME);
    (new, folder.join(name.to_str().unwrap()))
}

/// What a server leaves that dies after the exchange: the new version at `f`, what came out at the reserved name, which is
/// returned.
fn swapped(folder: &Path, came_out: &str, expected: Option<&str>) -> PathBuf {
    let (new, reserved) = staged(folder, expected, c"f");
    fs::write(&reserved, came_out).unwrap();
    fs::rename(new, folder.join("f")).unwrap();
    reserved
}

/// What a server leaves that dies in a removal: what was taken away at the reserved name.
fn removed(folder: &Path, taken: &str, expected: &str) {
    let file = folder.join("t");
    fs::write(&file, taken).unwrap();
    removed_as(folder, &file, expected);
}

fn removed_as(folder: &Path, file: &Path, expected: &str) {
    let stamp = OpenFile::new(File::open(file).unwrap().into()).unwrap().stamp();
    let name = Reserved::new(Kind::Remove, &stamp, Some(expected), c"f").encode(LONGEST_NAME);
    fs::rename(file, folder.join(name.to_str().unwrap())).unwrap();
}

fn names(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect()
}

fn append(path: &Path, bytes: &str) {
    File::options().append(true).open(path).unwrap().write_all(bytes.as_bytes()).unwrap();
}

fn save(path: &Path, bytes: &str) {
    let new = path.with_file_name("saving");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, path).unwrap();
}

const NOTHING: Recovered = Recovered { swept: 0, finished: 0, undone: 0, kept: 0, left: 0, failed: 0 };
const SWEPT: Recovered = Recovered { swept: 1, ..NOTHING };
const FINISHED: Recovered = Recovered { finished: 1, ..NOTHING };
const UNDONE: Recovered = Recovered { undone: 1, ..NOTHING };
const KEPT: Recovered = Recovered { kept: 1, ..NOTHING };

/// What is told of a state, how it comes about, what recovery says, and what is there then.
type Case = (&'static str, fn(&Path), Recovered, &'static [(&'static str, &'static str)]);

const SWAPS: &[Case] = &[
    (
        "never swapped",
        |folder| {
            let (new, reserved) = staged(folder, Some("old"), c"f");
            fs::rename(new, reserved).unwrap();
            fs::write(folder.join("f"), "old").unwrap();
        },
        SWEPT,
        &[("f", "old")],
    ),
    (
        "undone, and somebody wrote to our version while it was there to be seen",
        |folder| {
            let (new, reserved) = staged(folder, Some("old"), c"f");
            append(&new, " and more");
            fs::rename(new, reserved).unwrap();
            fs::write(folder.join("f"), "old").unwrap();
        },
        UNDONE,
        &[("copy", "new and more"), ("f", "old")],
    ),
    (
        "swapped with what was expected",
        |folder| drop(swapped(folder, "old", Some("old"))),
        FINISHED,
        &[("f", "new")],
    ),
    (
        "swapped with what was expected, and saved since",
        |folder| {
            swapped(folder, "old", Some("old"));
            save(&folder.join("f"), "newer");
        },
        FINISHED,
        &[("f", "newer")],
    ),
    (
        "swapped with what was expected, and removed since",
        |folder| {
            swapped(folder, "old", Some("old"));
            fs::remove_file(folder.join("f")).unwrap();
        },
        FINISHED,
        &[],
    ),
    (
        "swapped with whatever was there",
        |folder| drop(swapped(folder, "any", None)),
        FINISHED,
        &[("f", "new")],
    ),
    (
        "swapped with something else",
        |folder| drop(swapped(folder, "saved", Some("old"))),
        UNDONE,
        &[("f", "saved")],
    ),
    (
        "swapped with something else, and saved since by somebody who has not seen it",
        |folder| {
            swapped(folder, "saved", Some("old"));
            save(&folder.join("f"), "newer");
        },
        UNDONE,
        &[("copy", "saved"), ("f", "newer")],
    ),
    (
        "swapped with something else, and written to since by somebody who has not seen it",
        |folder| {
            swapped(folder, "saved", Some("old"));
            append(&folder.join("f"), " and more");
        },
        UNDONE,
        &[("copy", "saved"), ("f", "new and more")],
    ),
    (
        "swapped with something else, and removed since",
        |folder| {
            swapped(folder, "saved", Some("old"));
            fs::remove_file(folder.join("f")).unwrap();
        },
        UNDONE,
        &[("f", "saved")],
    ),
    (
        "in the middle of an undo, with the newest at the reserved name",
        |folder| {
            swapped(folder, "newest", Some("old"));
            save(&folder.join("f"), "saved");
        },
        UNDONE,
        &[("copy", "newest"), ("f", "saved")],
    ),
    (
        "swapped with a folder",
        |folder| {
            let reserved = swapped(folder, "", None);
            fs::remove_file(&reserved).unwrap();
            fs::create_dir(&reserved).unwrap();
            fs::write(reserved.join("within"), "kept").unwrap();
        },
        UNDONE,
        &[("f", "(folder)"), ("f/within", "kept")],
    ),
];

const REMOVALS: &[Case] = &[
    ("what was expected was taken away", |folder| removed(folder, "old", "old"), FINISHED, &[]),
    (
        "what was expected was taken away, and something has come since",
        |folder| {
            removed(folder, "old", "old");
            fs::write(folder.join("f"), "newer").unwrap();
        },
        FINISHED,
        &[("f", "newer")],
    ),
    ("something else was taken away", |folder| removed(folder, "saved", "old"), UNDONE, &[("f", "saved")]),
    (
        "something else was taken away, and something has come since",
        |folder| {
            removed(folder, "saved", "old");
            fs::write(folder.join("f"), "newer").unwrap();
        },
        UNDONE,
        &[("copy", "saved"), ("f", "newer")],
    ),
    ("a link was taken away", removed_link, UNDONE, &[("f", "(other)")]),
];

/// The link that was taken away: what it led to stands in the name, and cannot be compared with it.
fn removed_link(folder: &Path) {
    symlink("elsewhere", folder.join("t")).unwrap();
    let stamp = Stamp::of(&stat(CWD, folder.join("t"), AtFlags::SYMLINK_NOFOLLOW).unwrap());
    let name = Reserved::new(Kind::Remove, &stamp, Some("old"), c"f").encode(LONGEST_NAME);
    fs::rename(folder.join("t"), folder.join(name.to_str().unwrap())).unwrap();
}

const OTHERS: &[Case] = &[
    ("nothing", |_| {}, NOTHING, &[]),
    (
        "a body that was being received",
        |folder| {
            let name = Reserved::temporary(1, 1).encode(LONGEST_NAME);
            fs::write(folder.join(name.to_str().unwrap()), "half").unwrap();
        },
        SWEPT,
        &[],
    ),
    (
        "a pipe under the name of a body that was being received",
        |folder| {
            let name = folder.join(Reserved::temporary(1, 1).encode(LONGEST_NAME).to_str().unwrap());
            rustix::fs::mknodat(rustix::fs::CWD, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        },
        SWEPT,
        &[],
    ),
    (
        "a name of another shape",
        |folder| fs::write(folder.join(".~ifmatch.notes"), "somebody's").unwrap(),
        KEPT,
        &[("copy", "somebody's")],
    ),
    (
        "what was saved under a name that cannot be read",
        |folder| fs::write(folder.join(".~ifmatch.r.1.-2.3.4.any.f"), "saved").unwrap(),
        KEPT,
        &[("copy", "saved")],
    ),
    (
        "what was saved under a name that tells no file",
        |folder| {
            let name =
                Reserved { target: TargetName::Whole(CString::default()), ..Reserved::temporary(1, 1) };
            let name = Reserved { kind: Kind::Remove, expected: Some("old".to_owned()), ..name };
            fs::write(folder.join(name.encode(LONGEST_NAME).to_str().unwrap()), "saved").unwrap();
        },
        UNDONE,
        &[("copy", "saved")],
    ),
    (
        "a deletion of what is dated before 1970, and somebody saved meanwhile",
        |folder| {
            let file = folder.join("t");
            fs::write(&file, "old").unwrap();
            let before = std::time::UNIX_EPOCH - Duration::from_millis(1_234_567_890_123);
            File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
            removed_as(folder, &file, "old");
            let hidden = folder.join(names(folder).pop().unwrap());
            fs::write(hidden, "saved").unwrap();
        },
        UNDONE,
        &[("f", "saved")],
    ),
    (
        "a swap that cannot be undone, for the target is a name that nothing can have",
        |folder| {
            let reserved = swapped(folder, "saved", Some("old"));
            let name = reserved.file_name().unwrap().to_str().unwrap().to_owned();
            fs::rename(&reserved, folder.join(name.strip_suffix(".f").unwrap().to_owned() + "...")).unwrap();
        },
        UNDONE,
        &[("copy", "saved"), ("f", "new")],
    ),
    (
        "in a folder of a folder, but not behind a link",
        |folder| {
            let below = folder.join("one/two");
            fs::create_dir_all(&below).unwrap();
            swapped(&below, "saved", Some("old"));
            let outside = tempfile::tempdir_in(folder.parent().unwrap()).unwrap().keep();
            swapped(&outside, "saved", Some("old"));
            symlink(&outside, folder.join("link")).unwrap();
        },
        UNDONE,
        &[("link", "(other)"), ("one", "(folder)"), ("one/two", "(folder)"), ("one/two/f", "saved")],
    ),
];

#[test]
fn every_state_that_a_crash_can_leave_is_brought_to_an_end() {
    for (what, make, recovered, expected) in [SWAPS, REMOVALS, OTHERS].concat() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("served");
        fs::create_dir(&folder).unwrap();
        make(&folder);
        assert_eq!(recover(&folder), recovered, "{what}");
        assert_state(&folder, expected, what);
        assert_eq!(recover(&folder), NOTHING, "{what}, again");
    }
}

#[test]
fn a_name_too_long_for_a_reserved_one_is_found_by_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let long = "l".repeat(250);
    let target = CString::new(long.as_str()).unwrap();
    let (new, reserved) = staged(folder.path(), Some("old"), &target);
    fs::write(&reserved, "saved").unwrap();
    fs::rename(new, folder.path().join(&long)).unwrap();
    assert_eq!(recover(folder.path()), UNDONE);
    assert_state(folder.path(), &[(&long, "saved")], "a long name");
}

#[test]
fn what_belongs_to_a_long_name_that_is_gone_is_kept_under_another() {
    let folder = tempfile::tempdir().unwrap();
    let target = CString::new("l".repeat(250)).unwrap();
    let (new, reserved) = staged(folder.path(), Some("old"), &target);
    fs::write(&reserved, "saved").unwrap();
    fs::remove_file(new).unwrap();
    assert_eq!(recover(folder.path()), UNDONE);
    assert_state(folder.path(), &[("copy", "saved")], "nobody has the name");
}

#[test]
fn versions_of_a_server_that_lives_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "old").unwrap();
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let path = ResourcePath::ROOT.child("f", Dotfiles::Hidden).unwrap();
    let place = root.place(&path, Parents::Existing).unwrap();
    let stage = || {
        let mut file = StagedFile::at(&place).unwrap();
        file.write(b"new").unwrap();
        file.complete().unwrap()
    };
    let mut between_attempts = stage();
    between_attempts.reserve(&place, Some("old")).unwrap();
    // As on a filesystem without unnamed files.
    let received = stage();
    received.link(&place.directory, &Reserved::temporary(1, 1).encode(LONGEST_NAME)).unwrap();
    assert_eq!(recover(folder.path()), NOTHING);
    assert_state(folder.path(), &[("f", "old"), ("reserved", "new"), ("reserved", "new")], "both live");
    drop((between_attempts, received));
    assert_eq!(recover(folder.path()), SWEPT, "the one that nobody removes");
    assert_state(folder.path(), &[("f", "old")], "both are gone");
}

#[test]
fn what_a_live_server_has_under_a_name_that_cannot_be_read_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".~ifmatch.of-a-later-version");
    let file = File::create(&path).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared).unwrap();
    assert_eq!(recover(folder.path()), NOTHING);
    assert!(path.exists());
    drop(file);
    assert_eq!(recover(folder.path()), KEPT);
}

#[test]
fn what_is_no_file_stays_under_a_name_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".~ifmatch.folder")).unwrap();
    assert_eq!(recover(folder.path()), Recovered { left: 1, ..NOTHING });
    assert_state(folder.path(), &[("reserved", "(folder)")], "a folder");
}

#[test]
fn a_swap_under_way_in_another_server_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let reserved = swapped(folder.path(), "saved", Some("old"));
    let busy = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let path = ResourcePath::ROOT.child("f", Dotfiles::Hidden).unwrap();
    let place = busy.place(&path, Parents::Existing).unwrap();
    let lock = busy.lock(&place).unwrap();
    std::thread::scope(|scope| {
        let recovery = scope.spawn(|| recover(folder.path()));
        std::thread::sleep(Duration::from_millis(100));
        assert_state(folder.path(), &[("f", "new"), ("reserved", "saved")], "the lock is held");
        fs::remove_file(&reserved).unwrap();
        drop(lock);
        assert_eq!(recovery.join().unwrap(), NOTHING, "the other one has dealt with it");
    });
    assert_state(folder.path(), &[("f", "new")], "in the end");
}

#[test]
fn a_folder_of_many_folders_takes_few_descriptors() {
    const FOLDERS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    for number in 0..FOLDERS {
        let below = folder.path().join(format!("{number}"));
        fs::create_dir(&below).unwrap();
        swapped(&below, "old", Some("old"));
    }
    let device = fs::metadata(folder.path()).unwrap().dev();
    let held = std::cell::Cell::new(0);
    let descriptors = || {
        let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let folders = links.filter_map(|link| fs::metadata(link.path()).ok());
        folders.filter(|it| it.is_dir() && it.dev() == device).count()
    };
    let root = Root::open(folder.path(), SymlinkPolicy::Within).unwrap();
    let recovered = root.recover(&|file, tag| {
        held.set(held.get().max(descriptors()));
        has_tag(file, tag)
    });
    assert_eq!(recovered, Ok(Recovered { finished: FOLDERS as u64, ..NOTHING }));
    // Other tests have folders open as well.
    assert!(held.get() < FOLDERS / 2, "{} folders were open at once", held.get());
}

#[test]
fn in_a_folder_for_everybody_names_of_other_users_are_left_alone() {
    if !geteuid().is_root() {
        // Only root can make files of others, and only root would be misled by them.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let reserved = swapped(folder.path(), "crafted", Some("old"));
    std::os::unix::fs::chown(&reserved, Some(1000), None).unwrap();
    assert_eq!(recover(folder.path()), Recovered { left: 1, ..NOTHING });
    assert_state(folder.path(), &[("f", "new"), ("reserved", "crafted")], "another user's");
    std::os::unix::fs::chown(&reserved, Some(0), None).unwrap();
    assert_eq!(recover(folder.path()), Recovered { undone: 1, ..NOTHING });
    assert_state(folder.path(), &[("f", "crafted")], "our own");
}
