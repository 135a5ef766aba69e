//! A fresh directory for one test: `root/` is what the server serves, everything beside it is outside.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::content::version_bytes;

/// The directory; removed with its contents when the value is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    base: PathBuf,
    _guard: TempDir,
}

impl Folder {
    /// A fresh directory where temporary files usually live.
    pub(crate) fn new() -> Folder {
        Folder::made(tempfile::Builder::new().prefix("ifmatch-it-").tempdir())
    }

    /// A fresh directory on tmpfs, or `None` (and a word why) where there is none to be had.
    pub(crate) fn on_tmpfs() -> Option<Folder> {
        let place = Path::new("/dev/shm");
        match tempfile::Builder::new().prefix("ifmatch-it-").tempdir_in(place) {
            Ok(guard) => Some(Folder::made(Ok(guard))),
            Err(error) => {
                super::skip(&format!("no tmpfs at {}: {error}", place.display()));
                None
            }
        }
    }

    fn made(guard: io::Result<TempDir>) -> Folder {
        let guard = guard.expect("a temporary directory");
        let base = guard.path().canonicalize().expect("the temporary directory");
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755))
            .expect("chmod of the temporary directory");
        fs::create_dir(base.join("root")).expect("the served folder");
        Folder { base, _guard: guard }
    }

    /// A path outside the served folder, beside it.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// The served folder.
    pub(crate) fn root(&self) -> PathBuf {
        self.base.join("root")
    }

    /// The path of a file in the served folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.base.join("root").join(name)
    }

    /// Writes a file in the served folder, and the folders above it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the folders above a file");
        fs::write(&path, bytes).expect("a file of the served folder");
        path
    }

    /// Writes a file outside the served folder, and the folders above it.
    pub(crate) fn write_outside(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.outside(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("the folders above a file");
        fs::write(&path, bytes).expect("a file outside the served folder");
        path
    }

    /// Writes version 1 of a file of this size and returns its bytes.
    pub(crate) fn write_version(&self, name: &str, version: u64, size: usize) -> Vec<u8> {
        let bytes = version_bytes(version, size);
        self.write(name, &bytes);
        bytes
    }

    /// Makes a folder in the served folder.
    pub(crate) fn folder(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a folder of the served folder");
        path
    }
}

/// Sets a file's modification time, to the nanosecond.
pub(crate) fn set_modified(path: &Path, time: SystemTime) {
    let file = fs::File::open(path).expect("the file whose time is set");
    file.set_modified(time).expect("setting the modification time");
}

/// Sets a file's modification time to this many seconds after (or before) 1970.
pub(crate) fn set_modified_seconds(path: &Path, seconds: i64) {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
    set_modified(path, time);
}

/// A file's modification time.
pub(crate) fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).expect("the file whose time is read").modified().expect("a modification time")
}
