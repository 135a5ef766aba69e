//! Sockets with a name in the filesystem, at which programs of the same machine connect.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Uid, chownat, unlinkat};
use rustix::process::umask;

use super::shown;
use super::stamp::{file_type, identity, stat};

/// The name of a socket of this process, which goes when the value is dropped, if it is still the same socket's.
#[derive(Debug)]
pub struct SocketName {
    path: PathBuf,
    identity: (u64, u64),
}

/// Why no socket can have a name.
#[derive(Debug)]
pub enum SocketError {
    /// Somebody listens there.
    InUse(PathBuf),
    /// Something is there that is no socket.
    Occupied(PathBuf),
    /// Anything else.
    Io(PathBuf, io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => {
                write!(f, "another program listens at unix:{}; stop it, or choose another path", shown(path))
            }
            Self::Occupied(path) => {
                write!(f, "{} is there and is no socket; choose another path after unix:", shown(path))
            }
            Self::Io(path, error) => match error.kind() {
                ErrorKind::NotFound => {
                    write!(
                        f,
                        "there is no folder for the socket {}; make it, or choose another path",
                        shown(path)
                    )
                }
                ErrorKind::PermissionDenied => {
                    write!(f, "this user may not make the socket {}; choose another path", shown(path))
                }
                ErrorKind::InvalidInput => {
                    write!(
                        f,
                        "the path of the socket {} is longer than the 107 bytes it may have",
                        shown(path)
                    )
                }
                _ => write!(f, "cannot listen at unix:{}: {error}", shown(path)),
            },
        }
    }
}

impl SocketName {
    /// Listens at `path`, for whom `mode` lets write. A socket that a process has left behind is replaced. Called before there
    /// are threads, because it changes the mask of the process for a moment.
    ///
    /// # Errors
    /// [`SocketError`], a sentence for the person who started the program.
    pub fn bind(path: &Path, mode: u32) -> Result<(UnixListener, Self), SocketError> {
        let path = std::path::absolute(path).map_err(|error| SocketError::Io(path.to_owned(), error))?;
        let listener = match bind_with(&path, mode) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                remove_stale(&path)?;
                bind_with(&path, mode)
            }
            other => other,
        };
        let named = listener.and_then(|listener| {
            let status = stat(CWD, path.as_path(), AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((listener, identity(&status)))
        });
        match named {
            Ok((listener, identity)) => Ok((listener, Self { path, identity })),
            Err(error) => Err(SocketError::Io(path, error)),
        }
    }

    /// Looks whether [`SocketName::bind`] could be done, but for who may do it and whether somebody listens there.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn check(path: &Path) -> Result<(), SocketError> {
        let failed = |error| SocketError::Io(path.to_owned(), error);
        UnixAddress::from_pathname(path).map_err(failed)?;
        match stat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) if file_type(&status) != FileType::Socket => {
                Err(SocketError::Occupied(path.to_owned()))
            }
            Err(_) if !path.parent().is_some_and(Path::is_dir) => Err(failed(ErrorKind::NotFound.into())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it that user's and group's.
    ///
    /// # Errors
    /// What the filesystem returns.
    pub fn give_to(&self, user: u32, group: u32) -> io::Result<()> {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        Ok(chownat(CWD, &self.path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

impl Drop for SocketName {
    fn drop(&mut self) {
        let named = stat(CWD, self.path.as_path(), AtFlags::SYMLINK_NOFOLLOW);
        if !named.is_ok_and(|named| identity(&named) == self.identity) {
            return;
        }
        if let Err(error) = unlinkat(CWD, &self.path, AtFlags::empty()) {
            log::debug!("the socket {} stays behind: {error}", shown(&self.path));
        }
    }
}

/// The mask is what decides on the permissions from the first moment.
fn bind_with(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let before = umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = UnixListener::bind(path);
    umask(before);
    bound
}

/// Removes a socket at which nobody listens.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |error: io::Error| SocketError::Io(path.to_owned(), error);
    let status = stat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| failed(errno.into()))?;
    if file_type(&status) != FileType::Socket {
        return Err(SocketError::Occupied(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            unlinkat(CWD, path, AtFlags::empty()).map_err(|errno| failed(errno.into()))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(failed(error)),
        _ => Err(SocketError::InUse(path.to_owned())),
    }
}
