//! Which symbolic links are followed, and where they may lead: the policy stands here and nowhere else.
//!
//! A link within the root is judged by both of its names: a name that is hidden or the server's own is not served under another
//! name either, be it that of a file or of a folder on the way. Names that begin with two dots are an exception. Nobody keeps
//! secrets in them, and Kubernetes mounts its volumes with them (`page.html -> ..data/page.html`).

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::open::{descriptor_path, open_beneath};
use super::{Root, RootDirectory};
use crate::resource_path::{Dotfiles, is_unnamed};

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SymlinkPolicy {
    /// None.
    Deny,
    /// Those that stay within the root, relative or absolute, and lead to nothing hidden.
    #[default]
    Within,
    /// All of them, wherever they lead; the root no longer confines.
    All,
}

impl SymlinkPolicy {
    /// How `statx` treats a link in the last place.
    pub(super) fn at_flags(self) -> AtFlags {
        match self {
            Self::Deny => AtFlags::SYMLINK_NOFOLLOW,
            Self::Within | Self::All => AtFlags::empty(),
        }
    }
}

impl Root {
    /// From now on links within the root lead to hidden names, or do not.
    pub fn let_links_lead_to(&self, dotfiles: Dotfiles) {
        self.hidden_behind_links.store(dotfiles == Dotfiles::Served, Ordering::Relaxed);
    }

    /// Opens what `path` names below `root`, within the policy.
    ///
    /// # Errors
    /// The kernel's own error; [`Errno::XDEV`] for what leads out of the root or to a name that is not served.
    pub(super) fn try_open_confined(
        &self,
        root: &RootDirectory,
        path: &[u8],
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        match self.symlinks {
            SymlinkPolicy::Deny => open_without_links(&root.fd, path, flags),
            SymlinkPolicy::All => open_beneath(&root.fd, path, flags, ResolveFlags::NO_MAGICLINKS),
            SymlinkPolicy::Within => match open_without_links(&root.fd, path, flags) {
                Err(Errno::LOOP) => self.open_behind_link(root, path, flags),
                other => other,
            },
        }
    }

    /// Opens what `path` leads to, where a link is on the way. The kernel says where that is; what is opened then is that place,
    /// confined and without following any further link, so that the name that was judged is the name that is opened.
    fn open_behind_link(&self, root: &RootDirectory, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let found = match open_beneath(&root.fd, path, OFlags::PATH, beneath) {
            // `RESOLVE_BENEATH` refuses every absolute link, also one that leads back into the root.
            Err(Errno::XDEV) => open_beneath(&root.fd, path, OFlags::PATH, ResolveFlags::NO_MAGICLINKS),
            other => other,
        }?;
        let (target, base) = (descriptor_path(found.as_fd())?, descriptor_path(root.fd.as_fd())?);
        let inside = target.strip_prefix(&base).map_err(|_| Errno::XDEV)?;
        if !self.may_lead_to(inside) {
            return Err(Errno::XDEV);
        }
        if flags == OFlags::PATH {
            return Ok(found);
        }
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        open_without_links(&root.fd, inside.as_os_str().as_bytes(), flags)
    }

    fn may_lead_to(&self, inside: &Path) -> bool {
        let dotfiles = match self.hidden_behind_links.load(Ordering::Relaxed) {
            true => Dotfiles::Served,
            false => Dotfiles::Hidden,
        };
        let mut names = inside.iter().map(OsStrExt::as_bytes).enumerate();
        names.all(|(depth, name)| name.starts_with(b"..") || !is_unnamed(name, depth, dotfiles))
    }
}

/// Opens below `root` without following any link.
pub(super) fn open_without_links(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    open_beneath(root, path, flags, resolve)
}
