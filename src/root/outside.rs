//! Files of the operator: certificates, keys, accounts, the configuration. Read, never written.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat};

use super::Stamp;
use super::lease::{self, LeaseProbe};
use super::stamp::{file_type, stat};

/// More than any certificate, key or list of accounts has.
const LARGEST: u64 = 1 << 20;

/// A file, and the stamp under which it was last looked at.
#[derive(Clone, Debug)]
pub struct WatchedFile {
    path: PathBuf,
    stamp: Option<Stamp>,
}

impl WatchedFile {
    /// Nothing is looked at yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, stamp: None }
    }

    /// Looked at now: whatever comes after this is a change.
    pub fn looked_at(path: PathBuf) -> Self {
        let mut file = Self::new(path);
        file.has_changed();
        file
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something else may be there than the last time somebody looked.
    pub fn has_changed(&mut self) -> bool {
        let stamp = stat(CWD, self.path.as_path(), AtFlags::empty()).ok().map(|status| Stamp::of(&status));
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }

    /// Whether some program has it open for writing, as far as the kernel tells: half of a file can be a whole one with another meaning.
    pub fn is_being_written(&self) -> bool {
        self.open().is_ok_and(|file| lease::probe(file) == LeaseProbe::Busy)
    }

    /// All of it.
    ///
    /// # Errors
    /// Those of opening and reading; a file that is none, or larger than 1 MiB, is one too.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let file = self.open()?;
        let status = stat(&file, c"", AtFlags::EMPTY_PATH)?;
        if file_type(&status) != FileType::RegularFile || status.stx_size > LARGEST {
            return Err(io::Error::other("not a file of at most 1 MiB"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether it lies in `folder`: as it is named, where the folder of its name is, or where it leads if it is a link.
    pub fn is_in(&self, folder: &Path) -> bool {
        let (absolute, real) = (std::path::absolute(folder), folder.canonicalize());
        let folders: Vec<PathBuf> = absolute.into_iter().chain(real).collect();
        let beside = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let places = [
            std::path::absolute(&self.path),
            beside.unwrap_or(Path::new(".")).canonicalize(),
            self.path.canonicalize(),
        ];
        places.iter().flatten().any(|place| folders.iter().any(|folder| place.starts_with(folder)))
    }

    /// A FIFO is not waited for.
    fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(File::from(openat(CWD, self.path.as_path(), flags, Mode::empty())?))
    }
}
