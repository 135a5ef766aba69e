//! The served folder, and the only maker of filesystem calls: what is there ([`Stamp`]), opening
//! it without leaving the root, reading it, and what its filesystem can prove about changes.
//!
//! Root knows nothing of HTTP, of entity tags or of caching.

mod cache;
mod close;
mod conflict;
mod created;
mod exchange;
mod filesystem;
mod guard;
mod interrupted;
pub mod lease;
mod links;
mod lock;
mod machine;
mod metadata;
mod mounts;
mod naming;
mod open;
mod outside;
mod place;
mod protection;
mod reach;
mod recover;
mod reserved;
pub mod sandbox;
mod socket;
mod stage;
mod stamp;
mod walk;

pub use cache::{CacheError, CacheFolder, Replaced};
pub use exchange::{Expected, Swap};
pub use filesystem::{Filesystem, Locality, ReadStyle, Stamping, StoreErrors, Timestamps};
pub use guard::{CreationGuard, SwapGuard};
pub use links::SymlinkPolicy;
pub use lock::DirectoryLock;
pub use machine::{boot_id, know_the_machine, processors};
pub use mounts::MountMark;
pub use naming::names_left_behind;
pub use open::{DirectoryEntry, Node, OpenDirectory, OpenError, OpenFile, Standing};
pub use outside::WatchedFile;
pub use place::{Occupant, Parents, Place, WriteError};
pub use recover::{HasTag, Recovered};
pub use socket::{SocketError, SocketName};
pub use stage::{Creation, Held, StagedFile, StagedVersion};
pub use stamp::{Stamp, Timestamp};
pub use walk::{Walk, Walked, WalkedFile};

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

use crate::resource_path::{Dotfiles, ResourcePath};
use filesystem::{Filesystems, Volume};
use interrupted::Interrupted;
use lock::DirectoryLocks;
use mounts::Mounts;
use stamp::stat;

/// The served folder.
///
/// It is held by path *and* by descriptor. Reads go through the descriptor, so that nothing leaves
/// the folder; the path is looked at on every request, so that a folder put in its place (a
/// symlinked release, a rebuilt output directory) is served from the next request on.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    symlinks: SymlinkPolicy,
    current: RwLock<Arc<RootDirectory>>,
    generation: AtomicU64,
    /// Whether links lead to hidden names.
    hidden_behind_links: AtomicBool,
    mounts: Mounts,
    filesystems: Filesystems,
    locks: DirectoryLocks,
    conflict_copies: AtomicU64,
    undone_swaps: AtomicU64,
    interrupted: Interrupted,
}

/// The directory that stood at the root's path when it was last opened.
#[derive(Debug)]
struct RootDirectory {
    fd: OwnedFd,
    identity: (u64, u64, u64),
}

/// The absolute location of a resource, ready for a system call.
#[derive(Clone, Debug)]
pub struct Location(CString);

/// Why a folder cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum RootError {
    /// Nothing is there.
    Missing(PathBuf),
    /// Something is there that is not a folder.
    NotAFolder(PathBuf),
    /// The kernel refuses `openat2`: too old, or a container profile forbids it.
    NoOpenat2,
    /// Anything else.
    Io(PathBuf, std::io::Error),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "there is no folder {}; name one that exists", shown(path)),
            Self::NotAFolder(path) => {
                let path = shown(path);
                write!(
                    f,
                    "{path} is not a folder, and only folders are served; name the folder that holds it, all of which can be read \
                     then, or make one for it: mkdir share && ln {path} share/ && ifmatch share"
                )
            }
            Self::NoOpenat2 => f.write_str(
                "the system call openat2 is refused; Linux 5.10 or later is needed, and a container \
                 profile that allows it",
            ),
            Self::Io(path, error) => write!(f, "the folder {} cannot be opened: {error}", shown(path)),
        }
    }
}

impl std::error::Error for RootError {}

impl Root {
    /// Opens the folder to serve.
    ///
    /// # Errors
    /// [`RootError`], a sentence for the person who started the program.
    pub fn open(path: &Path, symlinks: SymlinkPolicy) -> Result<Self, RootError> {
        lease::handle_lease_breaks();
        machine::survive_size_limit();
        let path = std::path::absolute(path).map_err(|error| RootError::Io(path.to_owned(), error))?;
        let directory = RootDirectory::open(&path).map_err(|errno| match errno {
            Errno::NOENT => RootError::Missing(path.clone()),
            Errno::NOTDIR => RootError::NotAFolder(path.clone()),
            Errno::NOSYS => RootError::NoOpenat2,
            _ => RootError::Io(path.clone(), errno.into()),
        })?;
        let mounts = Mounts::of(&directory.fd).map_err(|errno| RootError::Io(path.clone(), errno.into()))?;
        let current = RwLock::new(Arc::new(directory));
        let generation = AtomicU64::new(0);
        let root = Self {
            path,
            symlinks,
            current,
            generation,
            hidden_behind_links: AtomicBool::new(false),
            mounts,
            filesystems: Filesystems::default(),
            locks: DirectoryLocks::default(),
            conflict_copies: AtomicU64::new(0),
            undone_swaps: AtomicU64::new(0),
            interrupted: Interrupted::default(),
        };
        match root.open_node(&ResourcePath::ROOT) {
            Ok(_) => Ok(root),
            Err(OpenError::Forbidden) => {
                Err(RootError::Io(root.path, std::io::ErrorKind::PermissionDenied.into()))
            }
            Err(_) => Err(RootError::NoOpenat2),
        }
    }

    /// The absolute path of the folder, as it was named at start.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the folder with all links resolved, as it is now.
    ///
    /// # Errors
    /// What the filesystem returns.
    pub fn real_path(&self) -> std::io::Result<PathBuf> {
        self.path.canonicalize()
    }

    /// The location of a resource; `None` for a name with a NUL byte, which no path has.
    pub fn locate(&self, path: &ResourcePath<'_>) -> Option<Location> {
        let mut bytes = self.path.as_os_str().as_bytes().to_vec();
        bytes.push(b'/');
        bytes.extend_from_slice(path.as_str().as_bytes());
        CString::new(bytes).ok().map(Location)
    }

    /// The answer to a lease probe of the first regular file in the root folder: whether leases can
    /// be had here depends on the filesystem, on whose files they are, and on the process's rights.
    pub fn lease_sample(&self) -> Option<lease::LeaseProbe> {
        const NAMES: usize = 64;
        let Ok(Node::Directory(directory)) = self.open_node(&ResourcePath::ROOT) else { return None };
        let names = self.first_names(&directory, NAMES).ok()?;
        names.iter().find_map(|name| {
            let path = ResourcePath::ROOT.child(name, Dotfiles::Served)?;
            self.open_file(&path).ok().map(lease::probe)
        })
    }

    /// Whether anything is at `path`, of whatever kind.
    pub fn has(&self, path: &ResourcePath<'_>) -> bool {
        stat(CWD, self.path.join(path.as_str()), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Whether certainly nothing is at any of `paths`: what a lookup that may lead anywhere does not find, one that is
    /// confined does not find either.
    pub fn lacks(&self, paths: &[&ResourcePath<'_>]) -> bool {
        let Ok(root) = self.directory() else { return false };
        let is_absent = |path: &&ResourcePath<'_>| {
            matches!(stat(&root.fd, open::at(path), self.symlinks.at_flags()), Err(Errno::NOENT))
        };
        paths.iter().all(is_absent) && !paths.iter().any(|path| self.stand_in(&root, path).is_some())
    }

    /// Whether a directory is at the relative path `resource`, for what asks without a request.
    pub fn is_directory(&self, resource: &str) -> bool {
        stat(CWD, self.path.join(resource), self.symlinks.at_flags()).is_ok_and(|it| stamp::is_directory(&it))
    }

    /// A number that grows whenever another folder took the root's place.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The resource path of an absolute filesystem path below the root, if it has one.
    pub fn relative<'a>(&self, path: &'a Path) -> Option<&'a str> {
        path.strip_prefix(&self.path).ok()?.to_str()
    }

    /// Whether the folder is there at all.
    ///
    /// # Errors
    /// [`OpenError::RootGone`] when nothing, or no folder, stands at its path.
    pub fn check(&self) -> Result<(), OpenError> {
        self.directory().map(drop)
    }

    /// What the filesystem under `file` can prove. Probes it on first sight (microseconds; creates
    /// an unnamed temporary file beside `path` where the folder can be written).
    pub fn filesystem(&self, path: &ResourcePath<'_>, file: &OpenFile) -> Filesystem {
        let (stamp, mark) = (file.stamp(), self.mounts.mark());
        let volume = Volume { mount: stamp.mount, device: stamp.device };
        self.filesystems.of(volume, mark, file.as_fd(), || self.open_unnamed(&path.parent()).ok())
    }

    /// Returns a mark for [`is_mounted_since`](Self::is_mounted_since), to be taken before a file is opened.
    pub fn mount_mark(&self) -> MountMark {
        self.mounts.mark()
    }

    /// Reports whether a stamp from after `mark` still means the same mount. Always so where the kernel gives each
    /// mount a number of its own; elsewhere only while nothing was mounted or unmounted.
    #[inline]
    pub fn is_mounted_since(&self, mark: MountMark) -> bool {
        self.mounts.mark() == mark
    }

    /// What the root folder's own filesystem can prove.
    pub fn own_filesystem(&self) -> Option<Filesystem> {
        let directory = self.directory().ok()?;
        let (mount, device, _) = directory.identity;
        let probe = || self.open_unnamed(&ResourcePath::ROOT).ok();
        let mark = self.mounts.mark();
        Some(self.filesystems.of(Volume { mount, device }, mark, directory.fd.as_fd(), probe))
    }

    /// The directory at the root's path now; opened anew when another one, or another mount, took its place.
    fn directory(&self) -> Result<Arc<RootDirectory>, OpenError> {
        let known = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let status = stat(CWD, self.path.as_path(), AtFlags::empty()).map_err(|_| OpenError::RootGone)?;
        if stamp::mounted_identity(&status) == known.identity {
            return Ok(known);
        }
        let fresh = Arc::new(RootDirectory::open(&self.path).map_err(|_| OpenError::RootGone)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        self.generation.fetch_add(1, Ordering::AcqRel);
        let place = shown(&self.path);
        match fresh.is_out_of_reach() {
            false => log::info!("another folder took the place of {place}; serving it from now on"),
            true => log::error!(
                "another folder took the place of {place}, and the sandbox does not let it be read; start the server again"
            ),
        }
        Ok(fresh)
    }
}

impl RootDirectory {
    fn open(path: &Path) -> Result<Self, Errno> {
        use rustix::fs::{Mode, OFlags, openat};
        let fd = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let status = stat(&fd, c"", AtFlags::EMPTY_PATH)?;
        Ok(Self { fd, identity: stamp::mounted_identity(&status) })
    }

    /// Whether it cannot be read although its permissions may allow it.
    fn is_out_of_reach(&self) -> bool {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        sandbox::Confinement::current() != sandbox::Confinement::Off
            && openat(&self.fd, c".", flags, Mode::empty()).err() == Some(Errno::ACCESS)
    }
}

/// A path for people to read: control characters are written as escapes.
pub fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.chars().flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}

impl Location {
    /// The location as a C string.
    pub fn as_c_str(&self) -> &CStr {
        &self.0
    }
}
