//! A server under test and its folder: files are made, changed and dated here, and asked for.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::case::{Miss, expect, not_offered};
use crate::request::{Request, request};
use crate::wire::{Connection, Response};

/// How long a connection may stay open after the last answer before nobody waits for its end any more.
const LINGERING: Duration = Duration::from_secs(1);

/// How long anything may take. It is no measure of speed: it ends what hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server and the folder it serves.
pub(crate) struct Site {
    patience: Duration,
    address: SocketAddr,
    authority: String,
    prefix: String,
    root: PathBuf,
    made: AtomicU32,
}

/// A file of the folder.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) path: PathBuf,
    /// The request target.
    pub(crate) target: String,
    pub(crate) bytes: Vec<u8>,
}

impl Site {
    /// The site at `http://host:port/prefix/`, which serves this folder.
    pub(crate) fn new(url: &str, root: &Path) -> Result<Site, String> {
        let rest = url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let with_port = match authority.contains(':') {
            true => authority.to_owned(),
            false => format!("{authority}:80"),
        };
        let address = with_port
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(|| format!("{authority}: no such host"))?;
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Site {
            patience: PATIENCE,
            address,
            authority: authority.to_owned(),
            prefix,
            root,
            made: AtomicU32::new(0),
        })
    }

    /// The same site, waited for no longer than this.
    pub(crate) fn with_patience(self, patience: Duration) -> Site {
        Site { patience, ..self }
    }

    /// The served folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A name that no other case has.
    pub(crate) fn name(&self) -> String {
        format!("case-{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// The request target of a path in the folder.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    /// A text file of a day ago.
    pub(crate) fn file(&self) -> Result<Served, Miss> {
        self.file_of(&text_of(1, 1000))
    }

    /// A text file of a day ago with these bytes.
    pub(crate) fn file_of(&self, bytes: &[u8]) -> Result<Served, Miss> {
        let file = self.absent();
        write(&file.path, bytes)?;
        set_modified(&file.path, day_ago())?;
        Ok(Served { bytes: bytes.to_vec(), ..file })
    }

    /// A name under which there is nothing yet.
    pub(crate) fn absent(&self) -> Served {
        let name = format!("{}.txt", self.name());
        Served { path: self.root.join(&name), target: self.target(&name), bytes: Vec::new() }
    }

    /// A new folder, in which a server of another user may write, and its path without a slash.
    pub(crate) fn folder(&self) -> Result<(PathBuf, String), Miss> {
        let name = self.name();
        let path = self.root.join(&name);
        make_folder(&path)?;
        Ok((path, name))
    }

    /// Waits until the server accepts connections, or for ten seconds.
    pub(crate) fn wait(&self) {
        for _ in 0..100 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A request with the right Host.
    pub(crate) fn request(&self, method: &str, target: impl AsRef<[u8]>) -> Request {
        request(method, target).host(&self.authority)
    }

    /// A connection.
    pub(crate) fn connect(&self) -> Result<Connection, Miss> {
        Connection::open(self.address, self.patience)
    }

    /// Sends a request on a connection of its own. Nothing may follow its answer.
    pub(crate) fn ask(&self, request: &Request) -> Result<Response, Miss> {
        let last = match request.has("Connection") {
            true => request.clone(),
            false => request.clone().field("Connection", "close"),
        };
        let mut connection = self.connect()?;
        connection.send(last.bytes());
        let response = connection.read(&last.method)?;
        let (rest, _) = connection.rest(LINGERING);
        if rest.is_empty() {
            return Ok(response);
        }
        let after = crate::request::shown(&rest[..rest.len().min(200)]);
        Err(Miss::Missed(format!("after the answer ({}) to {} came {after}", response.status, last.method)))
    }

    /// A GET without any field of interest.
    pub(crate) fn get(&self, target: &str) -> Result<Response, Miss> {
        self.ask(&self.request("GET", target))
    }

    /// A GET that must be answered by 200 and these bytes.
    pub(crate) fn get_file(&self, file: &Served) -> Result<Response, Miss> {
        let response = self.get(&file.target)?;
        expect(&response, &[200])?;
        if response.body != file.bytes || !response.whole {
            return Err(Miss::Missed("a plain GET has not brought the bytes of the file".to_owned()));
        }
        Ok(response)
    }

    /// A GET once it brings these bytes: some servers look at a file that has changed only after a while.
    pub(crate) fn get_changed(&self, file: &Served, bytes: &[u8]) -> Result<Response, Miss> {
        for _ in 0..50 {
            let response = self.get(&file.target)?;
            expect(&response, &[200])?;
            if response.body == bytes {
                return Ok(response);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(Miss::Missed("the old bytes for five seconds".to_owned()))
    }

    /// The strong tag that a file has.
    pub(crate) fn strong_tag(&self, file: &Served) -> Result<String, Miss> {
        let response = self.get_file(file)?;
        match response.strong_tag() {
            Some(tag) => Ok(tag.to_owned()),
            None => not_offered("no strong ETag"),
        }
    }

    /// A PUT of these bytes.
    pub(crate) fn put(&self, target: &str, bytes: &[u8]) -> Request {
        self.request("PUT", target).body(bytes)
    }
}

/// Text whose version can be told from every line of it.
pub(crate) fn text_of(version: u64, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 40);
    for line in 0_u64.. {
        if text.len() >= size {
            break;
        }
        text.extend_from_slice(format!("version {version:06} line {line:08}\n").as_bytes());
    }
    text.truncate(size);
    text
}

/// A day ago, and half a second, so that a date and its second are two things.
pub(crate) fn day_ago() -> SystemTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now - 86_400) + Duration::from_millis(500)
}

/// Makes a folder in which anybody may write: the server may be another user.
pub(crate) fn make_folder(path: &Path) -> Result<(), Miss> {
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o777)))
        .map_err(|error| told("making", path, &error))
}

/// Writes a file, which the server may read and replace.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Miss> {
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o666)))
        .map_err(|error| told("writing", path, &error))
}

/// Overwrites a file in place, at once, without making it shorter in between.
pub(crate) fn overwrite(path: &Path, bytes: &[u8]) -> Result<(), Miss> {
    let written = fs::OpenOptions::new().write(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)
    });
    written.map_err(|error| told("overwriting", path, &error))
}

/// Replaces a file by another one with these bytes.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Miss> {
    replace_dated(path, bytes, None)
}

/// The same, with the modification time that the new file has from its first moment under that name.
pub(crate) fn replace_dated(path: &Path, bytes: &[u8], time: Option<SystemTime>) -> Result<(), Miss> {
    let beside = path.with_extension("new");
    write(&beside, bytes)?;
    if let Some(time) = time {
        set_modified(&beside, time)?;
    }
    fs::rename(&beside, path).map_err(|error| told("renaming", path, &error))
}

/// Sets a modification time.
pub(crate) fn set_modified(path: &Path, time: SystemTime) -> Result<(), Miss> {
    fs::File::open(path)
        .and_then(|file| file.set_modified(time))
        .map_err(|error| told("setting the time of", path, &error))
}

/// The bytes on the disk, if there is a file.
pub(crate) fn on_disk(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

/// An error of ours that is not the server's fault; still, the case has not passed.
pub(crate) fn told(what: &str, path: &Path, error: &std::io::Error) -> Miss {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Miss::Missed(format!("{what} {name} failed: {error}"))
}

/// A modification time.
pub(crate) fn modified(path: &Path) -> Result<SystemTime, Miss> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(|error| told("reading the time of", path, &error))
}
