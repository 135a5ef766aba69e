//! Which folders are needed, for the ways in which folders and files are put in each other's place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::root::SymlinkPolicy;

/// A folder with `app/releases/1/public`, `app/current` leading to `releases/1`, and a folder as Kubernetes mounts secrets.
fn made() -> (TempDir, PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let base = guard.path().canonicalize().unwrap();
    for folder in ["app/releases/1/public", "certificates/..1", "live/site", "archive/site", "plain"] {
        fs::create_dir_all(base.join(folder)).unwrap();
    }
    for file in ["certificates/..1/tls.crt", "archive/site/chain1.pem", "plain/file"] {
        fs::write(base.join(file), "x").unwrap();
    }
    for (link, target) in [
        ("app/current", "releases/1"),
        ("app/chain", "current"),
        ("certificates/..data", "..1"),
        ("certificates/tls.crt", "..data/tls.crt"),
        ("live/site/chain.pem", "../../archive/site/chain1.pem"),
        ("root", "/"),
        ("loop", "loop"),
    ] {
        symlink(target, base.join(link)).unwrap();
    }
    let absolute = base.join("app/releases/1");
    symlink(absolute, base.join("far")).unwrap();
    (guard, base)
}

fn below(base: &Path, paths: &[&Path]) -> Vec<String> {
    paths.iter().map(|path| path.strip_prefix(base).unwrap().display().to_string()).collect()
}

#[test]
fn a_root_is_read_with_what_may_take_its_place() {
    use Successor::{Any, Linked};
    let (_guard, base) = made();
    for (root, successor, expected) in [
        ("app/releases/1/public", Linked, "app/releases/1/public"),
        ("app/releases/1/public", Any, "app/releases/1"),
        ("app/releases/../releases/1/public", Linked, "app/releases/1/public"),
        ("app/current", Linked, "app/releases"),
        ("app/current", Any, "app/releases"),
        ("app/current/public", Linked, "app/releases"),
        ("app/chain/public", Linked, "app/releases"),
        ("far/public", Linked, "app/releases"),
    ] {
        let served = Root::open(&base.join(root), SymlinkPolicy::Within).unwrap();
        let reach = Reach::of(&served, RootUse::Read, successor).unwrap();
        assert_eq!(below(&base, &reach.uppermost(&[Grant::Read])), [expected], "{root} {successor:?}");
        assert!(reach.uppermost(&[Grant::Write, Grant::Remove]).is_empty());
    }
}

#[test]
fn what_may_take_the_place_of_a_root_is_written_to_if_that_is() {
    use Successor::{Any, Linked};
    let (_guard, base) = made();
    for (root, successor, expected) in [
        ("app/releases/1/public", Linked, "app/releases/1/public"),
        ("app/releases/1/public", Any, "app/releases/1"),
        ("app/current/public", Linked, "app/releases"),
    ] {
        let served = Root::open(&base.join(root), SymlinkPolicy::Within).unwrap();
        let reach = Reach::of(&served, RootUse::Write, successor).unwrap();
        assert_eq!(below(&base, &reach.uppermost(&[Grant::Write])), [expected], "{root} {successor:?}");
    }
}

#[test]
fn the_root_of_all_is_read_only_where_it_is_served() {
    let (_guard, base) = made();
    let of = |path: &Path, successor| {
        let served = Root::open(path, SymlinkPolicy::Within).unwrap();
        Reach::of(&served, RootUse::Read, successor).unwrap().uppermost(&[Grant::Read]) == [Path::new("/")]
    };
    assert!(of(Path::new("/"), Successor::Linked));
    // `/usr` is in `/`, and so is what the link `root` would lead beside.
    assert!(!of(Path::new("/usr"), Successor::Any));
    assert!(!of(&base.join("root").join(base.strip_prefix("/").unwrap()).join("plain"), Successor::Linked));
}

#[test]
fn a_file_is_read_with_what_may_take_its_place() {
    let (_guard, base) = made();
    for (file, expected) in [
        ("plain/file", vec!["plain"]),
        ("certificates/tls.crt", vec!["certificates"]),
        ("live/site/chain.pem", vec!["archive/site", "live/site"]),
        ("plain/missing", vec!["plain"]),
    ] {
        let mut reach = Reach::default();
        reach.add_file(&base.join(file));
        assert_eq!(below(&base, &reach.uppermost(&[Grant::ReadFiles])), expected, "{file}");
        assert!(reach.uppermost(&[Grant::Read]).is_empty(), "{file}");
    }
    let mut reach = Reach::default();
    reach.add_file(Path::new("/file"));
    assert_eq!(reach.uppermost(&[Grant::ReadFiles]), [Path::new("/file")]);
}

#[test]
fn links_that_lead_nowhere_end() {
    let (_guard, base) = made();
    assert_eq!(beside_links(&base.join("loop/x")), Vec::<PathBuf>::new());
}
