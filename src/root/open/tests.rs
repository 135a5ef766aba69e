//! The symlink policies, special files, a replaced root, displaced files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::resource_path::Dotfiles;

fn open(root: &Root, path: &str) -> Result<&'static str, OpenError> {
    let target = ResourcePath::parse(path, Dotfiles::Hidden).unwrap();
    root.open_node(&target.path).map(|node| match node {
        Node::File(_) => "file",
        Node::Directory(_) => "directory",
    })
}

/// A root with a file, a folder and every kind of link, and a secret beside it.
fn folder() -> tempfile::TempDir {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("file"), "bytes").unwrap();
    fs::write(root.join("sub/inner"), "bytes").unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    for (target, link) in [
        ("file", "to-file"),
        ("sub", "to-sub"),
        ("nothing", "dangling"),
        ("loop", "loop"),
        ("../secret", "out"),
        ("sub/../../secret", "out-by-detour"),
        ("/etc", "out-absolute"),
        ("/proc/self/root", "magic"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    symlink(root.join("sub/inner"), root.join("absolute-inside")).unwrap();
    symlink(root.join("sub"), root.join("absolute-folder-inside")).unwrap();
    symlink(outer.path().join("secret"), root.join("sub/absolute-out")).unwrap();
    outer
}

#[test]
fn each_symlink_policy_follows_just_the_links_it_names() {
    let outer = folder();
    let path = outer.path().join("root");
    let [deny, within, all] = [SymlinkPolicy::Deny, SymlinkPolicy::Within, SymlinkPolicy::All]
        .map(|it| Root::open(&path, it).unwrap());
    let (file, directory, missing) = (Ok("file"), Ok("directory"), Err(OpenError::Missing));
    for (target, denied, confined, free) in [
        ("/", directory, directory, directory),
        ("/file", file, file, file),
        ("/sub", directory, directory, directory),
        ("/sub/inner", file, file, file),
        ("/file/x", missing, missing, missing),
        ("/to-file", missing, file, file),
        ("/to-sub", missing, directory, directory),
        ("/to-sub/inner", missing, file, file),
        ("/dangling", missing, missing, missing),
        ("/loop", missing, missing, missing),
        ("/out", missing, missing, file),
        ("/out-by-detour", missing, missing, file),
        ("/out-absolute/passwd", missing, missing, file),
        ("/magic/etc/passwd", missing, missing, missing),
        ("/absolute-inside", missing, file, file),
        ("/absolute-folder-inside/inner", missing, file, file),
        ("/sub/absolute-out", missing, missing, file),
    ] {
        assert_eq!(open(&deny, target), denied, "deny {target}");
        assert_eq!(open(&within, target), confined, "within {target}");
        assert_eq!(open(&all, target), free, "all {target}");
    }
}

#[test]
fn fifos_sockets_and_devices_are_missing_and_nobody_waits_for_them() {
    let outer = tempfile::tempdir().unwrap();
    let fifo = outer.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(outer.path().join("socket")).unwrap();
    symlink("/dev/null", outer.path().join("device")).unwrap();
    let root = Root::open(outer.path(), SymlinkPolicy::All).unwrap();
    for name in ["/fifo", "/socket", "/device"] {
        assert_eq!(open(&root, name), Err(OpenError::Missing), "{name}");
    }
}

#[test]
fn a_folder_put_in_the_roots_place_is_served_at_once() {
    let outer = tempfile::tempdir().unwrap();
    let [one, two, link] = ["one", "two", "current"].map(|name| outer.path().join(name));
    for (folder, file) in [(&one, "old"), (&two, "new")] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join(file), "").unwrap();
    }
    symlink(&one, &link).unwrap();
    let root = Root::open(&link, SymlinkPolicy::Within).unwrap();
    assert_eq!(open(&root, "/old"), Ok("file"));
    fs::remove_file(&link).unwrap();
    assert_eq!(open(&root, "/old"), Err(OpenError::RootGone));
    symlink(&two, &link).unwrap();
    assert_eq!((open(&root, "/old"), open(&root, "/new")), (Err(OpenError::Missing), Ok("file")));
    assert_eq!(root.generation(), 1);
}

fn standing_after(change: impl FnOnce(&Path)) -> &'static str {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("file");
    fs::write(&path, "bytes").unwrap();
    let root = Root::open(outer.path(), SymlinkPolicy::Within).unwrap();
    let resource = ResourcePath::ROOT.child("file", Dotfiles::Hidden).unwrap();
    let file = root.open_file(&resource).unwrap();
    change(&path);
    match file.standing(&file.stamp(), &root.locate(&resource).unwrap()) {
        Standing::Same => "same",
        Standing::Displaced(_) => "displaced",
        Standing::Changed => "changed",
    }
}

#[test]
fn an_open_file_outlives_its_name_but_not_its_bytes() {
    assert_eq!(standing_after(|_| {}), "same");
    assert_eq!(standing_after(|path| fs::remove_file(path).unwrap()), "displaced");
    assert_eq!(standing_after(|path| fs::rename(path, path.with_extension("old")).unwrap()), "displaced");
    let replace = |path: &Path| {
        fs::write(path.with_extension("new"), "other").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    assert_eq!(standing_after(replace), "displaced");
    assert_eq!(standing_after(|path| fs::write(path, "other").unwrap()), "changed");
    let same_size_and_time = |path: &Path| {
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, "BYTES").unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    };
    assert_eq!(standing_after(same_size_and_time), "changed");
}
