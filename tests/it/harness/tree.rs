//! What stands in a folder, for the question whether anything was touched, and the names that must not stay there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::tag_of;
use super::{Server, eventually};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A file, with its inode, mode, modification time and the tag of its bytes.
    File(u64, u32, (i64, i64), String),
    Folder(u32),
    Link(PathBuf),
    Other,
}

/// Everything below a folder, by its path from there.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Thing> {
    let mut found = BTreeMap::new();
    visit(folder, folder, &mut found);
    found
}

fn visit(folder: &Path, base: &Path, found: &mut BTreeMap<PathBuf, Thing>) {
    for entry in fs::read_dir(folder).expect("a folder to look through") {
        let path = entry.expect("an entry of a folder").path();
        let name = path.strip_prefix(base).expect("a path below the folder").to_owned();
        let data = fs::symlink_metadata(&path).expect("what an entry is");
        let thing = if data.is_symlink() {
            Thing::Link(fs::read_link(&path).expect("where a link leads"))
        } else if data.is_dir() {
            visit(&path, base, found);
            Thing::Folder(data.mode())
        } else if data.is_file() {
            let bytes = fs::read(&path).expect("the bytes of a file");
            Thing::File(data.ino(), data.mode(), (data.mtime(), data.mtime_nsec()), tag_of(&bytes))
        } else {
            Thing::Other
        };
        found.insert(name, thing);
    }
}

/// The names below a folder that stand for unfinished writes.
pub(crate) fn leftovers(folder: &Path) -> Vec<String> {
    let names = tree(folder).into_keys().filter_map(|path| Some(path.file_name()?.display().to_string()));
    names.filter(|name| name.starts_with(".~ifmatch.")).collect()
}

/// Panics unless every unfinished write is gone: its name, and the file without one.
#[track_caller]
pub(crate) fn assert_nothing_left(server: &Server) {
    let root = server.folder().root();
    let mut told = None;
    eventually("nothing is left of unfinished writes", || {
        let left = (leftovers(&root), server.nameless_files());
        if left != (Vec::new(), 0) && told.as_ref() != Some(&left) {
            eprintln!("left: {:?}, and {} files without a name", left.0, left.1);
            told = Some(left.clone());
        }
        (left == (Vec::new(), 0)).then_some(())
    });
}
