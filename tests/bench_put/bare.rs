//! The sequence of system calls behind a durable replacement, without HTTP and without any check: the least that a server
//! with the same promise can cost.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::contender::{Durability, Writer};

const MODE: Mode = Mode::from_raw_mode(0o644);

/// Replaces one file.
pub(crate) struct Bare {
    folder: OwnedFd,
    name: String,
    staged: String,
    durability: Durability,
    staging: Staging,
}

/// How the new bytes come to have a name.
#[derive(Clone, Copy)]
enum Staging {
    /// O_TMPFILE, then linkat of the descriptor itself. Older kernels want a privilege for that.
    Linked,
    /// O_TMPFILE, then linkat through /proc.
    LinkedThroughProc,
    /// A file with a name from the beginning, for file systems without O_TMPFILE.
    Named,
}

impl Bare {
    /// Creates the file if it is missing, and finds out how the folder's file system wants its files staged.
    pub(crate) fn open(folder: &Path, name: &str, durability: Durability) -> Result<Bare, String> {
        let path = folder.join(name);
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty()).map_err(said("open the folder"))?;
        let (name, staged) = (name.to_owned(), format!(".staged-{name}"));
        let mut bare = Bare { folder, name, staged, durability, staging: Staging::Linked };
        for staging in [Staging::Linked, Staging::LinkedThroughProc, Staging::Named] {
            bare.staging = staging;
            if bare.stage(b"").is_ok() {
                bare.unlink_staged()?;
                return Ok(bare);
            }
        }
        Err("no file can be staged in the folder".to_owned())
    }

    /// Writes a new file beside the target and gives it the staged name.
    fn stage(&self, body: &[u8]) -> Result<(), String> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let opened = match self.staging {
            Staging::Named => {
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                rustix::fs::openat(&self.folder, self.staged.as_str(), flags, MODE)
            }
            _ => rustix::fs::openat(&self.folder, ".", flags | OFlags::TMPFILE, MODE),
        };
        let mut file = File::from(opened.map_err(said("open a new file"))?);
        file.write_all(body).map_err(|error| format!("write: {error}"))?;
        if self.durability != Durability::None {
            rustix::fs::fsync(&file).map_err(said("fsync"))?;
        }
        self.link(&file).map_err(said("linkat"))
    }

    fn link(&self, file: &File) -> Result<(), Errno> {
        let staged = self.staged.as_str();
        match self.staging {
            Staging::Linked => rustix::fs::linkat(file, c"", &self.folder, staged, AtFlags::EMPTY_PATH),
            Staging::LinkedThroughProc => {
                let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
                rustix::fs::linkat(CWD, path, &self.folder, staged, AtFlags::SYMLINK_FOLLOW)
            }
            Staging::Named => Ok(()),
        }
    }

    fn unlink_staged(&self) -> Result<(), String> {
        rustix::fs::unlinkat(&self.folder, self.staged.as_str(), AtFlags::empty()).map_err(said("unlink"))
    }
}

impl Writer for Bare {
    fn put(&mut self, body: &[u8]) -> Result<(), String> {
        self.stage(body)?;
        let (staged, name) = (self.staged.as_str(), self.name.as_str());
        rustix::fs::renameat_with(&self.folder, staged, &self.folder, name, RenameFlags::EXCHANGE)
            .map_err(said("renameat2"))?;
        if self.durability == Durability::Full {
            rustix::fs::fsync(&self.folder).map_err(said("fsync of the folder"))?;
        }
        self.unlink_staged()
    }
}

fn said(what: &str) -> impl Fn(Errno) -> String {
    move |error| format!("{what}: {error}")
}
