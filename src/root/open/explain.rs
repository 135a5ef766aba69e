//! Why a symbolic link is not followed, for the log.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{OpenError, SymlinkPolicy, at};
use crate::resource_path::ResourcePath;
use crate::root::{Root, RootDirectory, shown};

impl Root {
    /// As [`open_confined`](Self::open_confined). The log says why a symbolic link is not followed.
    pub(super) fn open_asked(
        &self,
        root: &RootDirectory,
        path: &ResourcePath<'_>,
        flags: OFlags,
    ) -> Result<OwnedFd, OpenError> {
        let opened = self.try_open_confined(root, at(path), flags);
        Ok(opened.inspect_err(|errno| self.explain(path, *errno))?)
    }

    /// Logs why nothing is served at `path` although something is there.
    pub(super) fn explain(&self, path: &ResourcePath<'_>, errno: Errno) {
        let why = match (errno, self.symlinks) {
            (Errno::XDEV, _) => {
                "a symbolic link on the way leads out of the folder; --follow-symlinks all follows such links"
            }
            (Errno::LOOP, SymlinkPolicy::Deny) => {
                "there is a symbolic link on the way; --follow-symlinks within follows links that stay in the folder"
            }
            _ => return,
        };
        log::info!("nothing is served at /{}: {why}", shown(Path::new(path.as_str())));
    }
}
