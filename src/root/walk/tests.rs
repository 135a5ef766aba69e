//! Which files are come upon, and that none is opened that a request could not open.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use super::*;
use crate::root::SymlinkPolicy;

/// The paths that a walk with two threads comes upon.
fn walked(root: &Root, dotfiles: Dotfiles) -> BTreeSet<String> {
    let found = Mutex::new(BTreeSet::new());
    let walk = root.walk(Walk { dotfiles, threads: 2 }, || {
        |file: &WalkedFile<'_>| {
            assert_eq!(file.open().unwrap().stamp(), file.stamp().unwrap());
            assert!(found.lock().unwrap().insert(file.path().as_str().to_owned()), "once");
            ControlFlow::Continue(())
        }
    });
    assert_eq!(walk, Ok(Walked::All));
    found.into_inner().unwrap()
}

#[test]
fn what_could_be_asked_for_is_visited_once_and_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("root");
    for name in [
        "file",
        "a/b/deep",
        ".hidden/file",
        ".dot",
        ".well-known/file",
        "a/.~ifmatch.r.1",
        "__ifmatch__/file",
        "a/__ifmatch__",
        "*star",
        "end:",
        "ignored",
        ".gitignore",
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if name == ".gitignore" { "ignored" } else { "bytes" }).unwrap();
    }
    fs::write(base.path().join("outside"), "secret").unwrap();
    symlink("../outside", folder.join("link-out")).unwrap();
    symlink("file", folder.join("link-in")).unwrap();
    symlink("a", folder.join("folder-link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("fifo"), FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();

    let root = Root::open(&folder, SymlinkPolicy::Within).unwrap();
    let shown = [".well-known/file", "a/__ifmatch__", "a/b/deep", "file", "ignored"].map(str::to_owned);
    assert_eq!(walked(&root, Dotfiles::Hidden), BTreeSet::from(shown.clone()));
    let hidden = [".dot", ".gitignore", ".hidden/file"].map(str::to_owned);
    assert_eq!(walked(&root, Dotfiles::Served), shown.into_iter().chain(hidden).collect());
    // The root may itself be a link.
    symlink("root", base.path().join("current")).unwrap();
    let root = Root::open(&base.path().join("current"), SymlinkPolicy::Within).unwrap();
    assert_eq!(walked(&root, Dotfiles::Hidden).len(), 5);
}

#[test]
fn a_folder_that_becomes_a_link_out_of_the_root_is_not_followed() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("root/sub")).unwrap();
    fs::create_dir(base.path().join("out")).unwrap();
    fs::write(base.path().join("root/sub/file"), "inside").unwrap();
    fs::write(base.path().join("out/file"), "secret").unwrap();
    let root = Root::open(&base.path().join("root"), SymlinkPolicy::All).unwrap();
    let visited = root.walk(Walk { dotfiles: Dotfiles::Hidden, threads: 1 }, || {
        |file: &WalkedFile<'_>| {
            fs::rename(base.path().join("root/sub"), base.path().join("root/moved")).unwrap();
            symlink("../out", base.path().join("root/sub")).unwrap();
            assert!(file.open().is_err());
            ControlFlow::Break(())
        }
    });
    assert_eq!(visited, Ok(Walked::Stopped));
}
