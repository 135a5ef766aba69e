//! Going through all files below the root: the one user of `ignore`, whose parallel walk this is. What it would leave
//! out by itself (hidden names, what `.gitignore` names) it is told to visit; what counts is which names are served.
//!
//! The walk goes by path and is not confined: a folder that is moved away under it may lead it astray. So all it gives
//! are names, and every file is opened confined, by [`WalkedFile::open`].

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::{DirEntry, WalkBuilder, WalkState};
use rustix::fs::{AtFlags, FileType, OFlags};

use super::links::open_without_links;
use super::open::at;
use super::stamp::{file_type, stat};
use super::{OpenError, OpenFile, Root, RootDirectory, Stamp};
use crate::resource_path::{Dotfiles, ResourcePath};

/// Which files are visited, and by how many threads.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Whether hidden names are.
    pub dotfiles: Dotfiles,
    /// At least one.
    pub threads: usize,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// Every file that could be found was visited.
    All,
    /// A visitor ended it.
    Stopped,
}

/// A regular file that was come upon.
pub struct WalkedFile<'a> {
    directory: &'a RootDirectory,
    path: ResourcePath<'a>,
}

impl Root {
    /// Calls visitors, one for each thread, with every regular file below the root that a request could name, in no
    /// order. Links are not followed: what they lead to within the root is visited where it is. Blocks until the end; the
    /// threads have the priority of the caller.
    ///
    /// # Errors
    /// [`OpenError::RootGone`].
    pub fn walk<V>(&self, walk: Walk, visitor: impl Fn() -> V) -> Result<Walked, OpenError>
    where
        V: FnMut(&WalkedFile<'_>) -> ControlFlow<()> + Send,
    {
        let directory = self.directory()?;
        // The dot follows a link that stands at the root's own path.
        let start = self.path.join(".");
        let skipped = start.as_os_str().len() + 1;
        let stopped = std::sync::atomic::AtomicBool::new(false);
        let walker = WalkBuilder::new(&start)
            .standard_filters(false)
            .follow_links(false)
            .threads(walk.threads)
            .filter_entry(move |entry| {
                entry.depth() == 0 || served(entry.path(), skipped, walk.dotfiles).is_some()
            })
            .build_parallel();
        walker.run(|| {
            let (directory, stopped, mut visitor) = (&*directory, &stopped, visitor());
            Box::new(move |entry| {
                let Some(entry) = regular_file(entry) else { return WalkState::Continue };
                let Some(path) = served(entry.path(), skipped, walk.dotfiles) else {
                    return WalkState::Continue;
                };
                match visitor(&WalkedFile { directory, path }) {
                    ControlFlow::Continue(()) => WalkState::Continue,
                    ControlFlow::Break(()) => {
                        stopped.store(true, std::sync::atomic::Ordering::Release);
                        WalkState::Quit
                    }
                }
            })
        });
        Ok(if stopped.into_inner() { Walked::Stopped } else { Walked::All })
    }
}

/// The entry, if it is a regular file. What cannot be read (a folder without permission) holds nothing that is served.
fn regular_file(entry: Result<DirEntry, ignore::Error>) -> Option<DirEntry> {
    let entry = entry.inspect_err(|error| log::debug!("while going through the files: {error}")).ok()?;
    entry.file_type().is_some_and(|kind| kind.is_file()).then_some(entry)
}

/// The resource path of what the walk has found; `None` where no request could name it.
fn served(path: &Path, skipped: usize, dotfiles: Dotfiles) -> Option<ResourcePath<'_>> {
    let relative = path.as_os_str().as_bytes().get(skipped..)?;
    ResourcePath::from_names(std::str::from_utf8(relative).ok()?, dotfiles)
}

impl WalkedFile<'_> {
    /// Its path.
    pub fn path(&self) -> &ResourcePath<'_> {
        &self.path
    }

    /// The stamp of what is at the path now, if that is a regular file. It says nothing about confinement.
    pub fn stamp(&self) -> Option<Stamp> {
        let status = stat(&self.directory.fd, at(&self.path), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (file_type(&status) == FileType::RegularFile).then(|| Stamp::of(&status))
    }

    /// Opens it, confined.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self) -> Result<OpenFile, OpenError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        OpenFile::new(open_without_links(&self.directory.fd, at(&self.path), flags)?)
    }
}

#[cfg(test)]
mod tests;
