//! Files that are replaced as a whole, and files that are not believed.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::root::SymlinkPolicy;

struct Folders {
    base: tempfile::TempDir,
    root: Root,
}

fn folders() -> Folders {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join("root")).unwrap();
    let root = Root::open(&base.path().join("root"), SymlinkPolicy::Within).unwrap();
    Folders { base, root }
}

impl Folders {
    fn open(&self, name: &str) -> Result<CacheFolder, CacheError> {
        CacheFolder::open(&self.base.path().join(name), &self.root)
    }
}

fn text(folder: &CacheFolder, name: &str) -> io::Result<String> {
    let mut text = String::new();
    folder.read(name)?.0.read_to_string(&mut text).map(|_| text)
}

#[test]
fn a_file_is_replaced_as_a_whole_and_for_the_own_user_only() {
    let folders = folders();
    let folder = folders.open("a/cache").unwrap();
    for bytes in ["one, and longer", "two"] {
        assert_eq!(folder.replace("file", |out| out.write_all(bytes.as_bytes())).unwrap(), Replaced::Done);
        assert_eq!(text(&folder, "file").unwrap(), bytes);
    }
    let failed = folder.replace("file", |out| {
        out.write_all(b"half")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(failed.is_err());
    assert_eq!(text(&folder, "file").unwrap(), "two");
    let mode = |name| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("file"), mode(".")), (0o600, 0o700));
}

#[test]
fn two_who_replace_a_file_at_once_do_not_mix_their_bytes() {
    let folders = folders();
    let (one, two) = (folders.open("cache").unwrap(), folders.open("cache").unwrap());
    let replaced = one.replace("file", |out| {
        out.write_all(b"one")?;
        assert_eq!(two.replace("file", |out| out.write_all(b"two"))?, Replaced::Busy);
        Ok(())
    });
    assert_eq!(replaced.unwrap(), Replaced::Done);
    assert_eq!(text(&two, "file").unwrap(), "one");
    one.replace("file", |out| out.write_all(&[b'c'; 100_000])).unwrap();
    std::thread::scope(|scope| {
        for byte in [b'a', b'b'] {
            let folder = folders.open("cache").unwrap();
            scope.spawn(move || {
                for _ in 0..50 {
                    folder.replace("file", |out| out.write_all(&[byte; 100_000])).unwrap();
                    let text = text(&folder, "file").unwrap();
                    assert!(text.len() == 100_000 && text.bytes().all(|other| other == text.as_bytes()[0]));
                }
            });
        }
    });
}

#[test]
fn a_file_that_was_completed_before_its_lock_was_had_is_left_alone() {
    let folders = folders();
    let folder = folders.open("cache").unwrap();
    std::fs::write(folder.path().join("file.new"), "whole").unwrap();
    let opened = File::open(folder.path().join("file.new")).unwrap();
    assert!(folder.lock(&opened, "file.new").unwrap().is_some());
    std::fs::rename(folder.path().join("file.new"), folder.path().join("file")).unwrap();
    assert!(folder.lock(&opened, "file.new").unwrap().is_none());
    std::fs::write(folder.path().join("file.new"), "another").unwrap();
    assert!(folder.lock(&opened, "file.new").unwrap().is_none());
}

#[test]
fn what_others_own_or_may_write_to_is_not_read() {
    let folders = folders();
    let folder = folders.open("cache").unwrap();
    folder.replace("file", |out| out.write_all(b"bytes")).unwrap();
    let path = folder.path().join("file");
    for (mode, readable) in [(0o620, false), (0o602, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(folder.read("file").is_ok(), readable, "{mode:o}");
    }
    std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
    assert!(folder.read("link").is_err() && folder.read(".").is_err());
    if geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert!(folder.read("file").is_err());
        std::fs::rename(&path, folder.path().join("file.new")).unwrap();
        assert!(folder.replace("file", |_| Ok(())).is_err(), "its owner could change it afterwards");
    }
}

#[test]
fn a_folder_in_the_served_one_is_refused_and_not_made() {
    let folders = folders();
    std::os::unix::fs::symlink("root", folders.base.path().join("link")).unwrap();
    for name in ["root", "root/cache", "link/a/b", "other/../root"] {
        assert!(matches!(folders.open(name), Err(CacheError::Served)), "{name}");
    }
    assert_eq!(std::fs::read_dir(folders.base.path().join("root")).unwrap().count(), 0);
    assert!(folders.open("rooted").is_ok());
}
