//! What a new version looks like afterwards.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rustix::fs::{OFlags, fgetxattr, setxattr};

use super::*;

const ATTRIBUTE: &CStr = c"user.test";
const CAPABILITY: &CStr = c"security.capability";
const FOLDER_LIST: &CStr = c"system.posix_acl_default";

/// An access control list: the owner and the mask may read and write, user 1000 and the group may read, others nothing.
fn list() -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1_u16, 6_u16, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)]
    {
        list.extend_from_slice(&tag.to_le_bytes());
        list.extend_from_slice(&permissions.to_le_bytes());
        list.extend_from_slice(&id.to_le_bytes());
    }
    list
}

/// cap_net_bind_service, permitted.
const CAPABILITIES: [u8; 20] = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A folder with `old` and `new`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old"), "old").unwrap();
    fs::write(folder.path().join("new"), "new").unwrap();
    folder
}

fn take_over_in(folder: &Path) -> File {
    let new = File::open(folder.join("new")).unwrap();
    take_over(File::open(folder.join("old")).unwrap(), &new).unwrap();
    new
}

/// The value of an attribute, if the file has it.
fn attribute(file: &File, name: &CStr) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    fgetxattr(file, name, &mut value).ok().map(|length| value[..length].to_vec())
}

#[test]
fn the_mode_is_taken_over() {
    for mode in [0o644, 0o600, 0o640, 0o755, 0o666, 0o444, 0o000, 0o604] {
        let folder = folder();
        let old = folder.path().join("old");
        let file = File::open(&old).unwrap();
        fs::set_permissions(&old, Permissions::from_mode(mode)).unwrap();
        let new = File::open(folder.path().join("new")).unwrap();
        take_over(file, &new).unwrap();
        assert_eq!(new.metadata().unwrap().mode() & 0o7777, mode, "{mode:o}");
    }
}

/// They belong to the bytes that had them.
#[test]
fn the_set_id_bits_are_not_taken_over() {
    for mode in [0o4755, 0o2755, 0o6755] {
        let folder = folder();
        fs::set_permissions(folder.path().join("old"), Permissions::from_mode(mode)).unwrap();
        let new = take_over_in(folder.path()).metadata().unwrap();
        assert_eq!(new.mode() & 0o7777, 0o755, "{mode:o}");
    }
}

#[test]
fn times_are_not_taken_over() {
    let folder = folder();
    let old = File::options().append(true).open(folder.path().join("old")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_ne!(take_over_in(folder.path()).metadata().unwrap().mtime(), 0);
}

#[test]
fn the_owner_is_taken_over_where_that_is_allowed() {
    if !is_root() {
        return;
    }
    let folder = folder();
    chown(folder.path().join("old"), Some(1000), Some(1001)).unwrap();
    let new = take_over_in(folder.path()).metadata().unwrap();
    assert_eq!((new.uid(), new.gid()), (1000, 1001));
}

/// Who may not give the file to the old group grants nothing to another one.
#[test]
fn where_the_group_cannot_be_taken_over_the_group_gets_nothing() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let folder = folder();
    let old = folder.path().join("old");
    if !is_root() || chown(&old, Some(1000), Some(1001)).is_err() {
        return;
    }
    fs::set_permissions(&old, Permissions::from_mode(0o670)).unwrap();
    setxattr(&old, ACCESS_LIST, &list(), XattrFlags::empty()).unwrap();
    fs::set_permissions(folder.path().join("new"), Permissions::from_mode(0o600)).unwrap();
    // Capabilities belong to the thread, which ends with the test.
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::CHOWN);
    set_capabilities(None, sets).unwrap();
    let new = take_over_in(folder.path()).metadata().unwrap();
    assert_eq!((new.uid(), new.gid()), (0, 0));
    assert_eq!(new.mode() & 0o7777, 0o600);
}

#[test]
fn attributes_of_users_and_lists_are_taken_over_and_capabilities_are_not() {
    let folder = folder();
    let old = folder.path().join("old");
    if setxattr(&old, ATTRIBUTE, b"value", XattrFlags::empty()).is_err() {
        // A filesystem without attributes.
        return;
    }
    setxattr(&old, ACCESS_LIST, &list(), XattrFlags::empty()).unwrap();
    let has_capabilities = setxattr(&old, CAPABILITY, &CAPABILITIES, XattrFlags::empty()).is_ok();
    assert!(has_capabilities || !is_root());
    let new = take_over_in(folder.path());
    assert_eq!(attribute(&new, ATTRIBUTE).as_deref(), Some(&b"value"[..]));
    assert_eq!(attribute(&new, ACCESS_LIST), Some(list()));
    assert_eq!(attribute(&new, CAPABILITY), None);
}

/// The server's user may replace it, but not read it: its descriptor is good for its name only.
#[test]
fn the_list_of_a_file_that_may_not_be_read_is_taken_over() {
    let folder = folder();
    let old = folder.path().join("old");
    if setxattr(&old, ACCESS_LIST, &list(), XattrFlags::empty()).is_err() {
        return;
    }
    let old = rustix::fs::open(&old, OFlags::PATH, Mode::empty()).unwrap();
    let new = File::open(folder.path().join("new")).unwrap();
    take_over(old, &new).unwrap();
    assert_eq!(attribute(&new, ACCESS_LIST), Some(list()));
    assert_eq!(new.metadata().unwrap().mode() & 0o7777, 0o660);
}

#[test]
fn a_list_that_the_folder_gave_is_dropped_if_the_old_file_had_none() {
    let folder = folder();
    if setxattr(folder.path(), FOLDER_LIST, &list(), XattrFlags::empty()).is_err() {
        return;
    }
    fs::remove_file(folder.path().join("new")).unwrap();
    let new = File::create_new(folder.path().join("new")).unwrap();
    assert!(attribute(&new, ACCESS_LIST).is_some());
    let new = take_over_in(folder.path());
    assert_eq!(attribute(&new, ACCESS_LIST), None);
    assert_eq!(new.metadata().unwrap().mode(), fs::metadata(folder.path().join("old")).unwrap().mode());
}

#[test]
fn more_attributes_than_usual_are_taken_over() {
    let folder = folder();
    let old = folder.path().join("old");
    let name = |number: u32| std::ffi::CString::new(format!("user.{}{number}", "n".repeat(200))).unwrap();
    let set =
        (0..8).take_while(|number| setxattr(&old, name(*number), b"v", XattrFlags::empty()).is_ok()).count();
    let new = take_over_in(folder.path());
    let taken = (0..8).filter(|number| attribute(&new, &name(*number)).is_some()).count();
    assert_eq!(taken, set);
}
