//! What the process has to reach once it is confined. The kernel ties a rule to the folder that is there now, and not to
//! its name; so for what may take the place of a folder or a file later, the folder in which it will be needs a rule now.
//!
//! What the kernel makes of it stands in [`super::sandbox`].

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes};

use super::stamp::stat;
use super::{CacheFolder, Root};

/// What may be done in a folder, and in all folders below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Listing folders and reading files.
    Read,
    /// Reading files.
    ReadFiles,
    /// Creating, replacing and removing files.
    Write,
    /// Removing names.
    Remove,
}

/// Whether a folder that is put in the place of the served one by its name is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// Yes: what the served folder lies in is treated as it is.
    Any,
    /// Only where a symbolic link leads to it, which is made to lead to another one.
    Linked,
}

/// Whether the served folder is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootUse {
    /// No.
    Read,
    /// Yes.
    Write,
}

/// What has to be reached.
#[derive(Clone, Debug, Default)]
pub struct Reach(Vec<(PathBuf, Grant)>);

impl Reach {
    /// The served folder.
    ///
    /// A link on the way to it may be switched to another folder (a release) beside the one to which it leads: what those lie
    /// in is treated alike. `/` never is for such a reason.
    ///
    /// # Errors
    /// What the filesystem returns.
    pub fn of(root: &Root, used: RootUse, successor: Successor) -> io::Result<Self> {
        let real = root.real_path()?;
        let mut folders = beside_links(root.path());
        if let (Successor::Any, Some(above)) = (successor, real.parent())
            && !is_mount_point(&real)
            && above.parent().is_some()
        {
            folders.push(above.to_owned());
        }
        folders.push(real);
        let mut reach = Self::default();
        for folder in folders {
            reach.add(&folder, Grant::Read);
            if used == RootUse::Write {
                reach.add(&folder, Grant::Write);
            }
        }
        Ok(reach)
    }

    /// A file of the operator, and what may take its place: by a rename, or by a link on the way to it that is made to
    /// lead elsewhere.
    pub fn add_file(&mut self, file: &Path) {
        let Ok(file) = std::path::absolute(file) else { return };
        let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
        match folder.filter(|folder| folder.parent().is_some()) {
            Some(folder) => self.add(&folder, Grant::ReadFiles),
            None => self.add(&file, Grant::ReadFiles),
        }
        for beside in beside_links(&file) {
            self.add(&beside, Grant::ReadFiles);
        }
    }

    /// The folder of the index.
    pub fn add_cache(&mut self, cache: &CacheFolder) {
        self.add(cache.path(), Grant::Read);
        self.add(cache.path(), Grant::Write);
    }

    /// A socket that is removed at the end.
    pub fn add_socket(&mut self, socket: &Path) {
        if let Some(folder) = socket.parent().and_then(|folder| folder.canonicalize().ok()) {
            self.add(&folder, Grant::Remove);
        }
    }

    /// Each folder with what may be done there.
    pub fn grants(&self) -> impl Iterator<Item = (&Path, Grant)> {
        self.0.iter().map(|(path, grant)| (path.as_path(), *grant))
    }

    /// The uppermost folders in which one of `grants` holds.
    pub fn uppermost(&self, grants: &[Grant]) -> Vec<&Path> {
        let granted = || self.grants().filter(|(_, grant)| grants.contains(grant)).map(|(path, _)| path);
        let is_below_another = |path: &Path| granted().any(|other| other != path && path.starts_with(other));
        let mut paths: Vec<&Path> = granted().filter(|path| !is_below_another(path)).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn add(&mut self, path: &Path, grant: Grant) {
        let new = (path.to_owned(), grant);
        if !self.0.contains(&new) {
            self.0.push(new);
        }
    }
}

/// For each symbolic link on the way to `path`: the folder in which that lies to which it leads, except `/`.
fn beside_links(path: &Path) -> Vec<PathBuf> {
    /// As many links as the kernel follows.
    const LINKS: usize = 40;
    let mut found = Vec::new();
    let mut rest: VecDeque<OsString> = names(path);
    let (mut real, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            real.pop();
            continue;
        }
        let place = real.join(&name);
        match place.read_link() {
            Ok(target) if links < LINKS => {
                links += 1;
                let end = place.canonicalize().ok();
                found.extend(end.and_then(|end| end.parent().map(Path::to_owned)));
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                let mut before = names(&target);
                before.append(&mut rest);
                rest = before;
            }
            _ => real = place,
        }
    }
    found.retain(|folder| folder.parent().is_some());
    found
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir))
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

/// Nothing can be renamed to the name of a folder at which a filesystem is mounted.
fn is_mount_point(folder: &Path) -> bool {
    stat(CWD, folder, AtFlags::empty())
        .is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
mod tests;
